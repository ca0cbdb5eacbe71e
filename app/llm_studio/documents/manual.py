"""docs/llm-studio.1: the page that `man llm-studio` shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llm_studio import __version__
from llm_studio.documents.commands import Told, every_command
from llm_studio.documents.setting_page import PLACES
from llm_studio.settings import SETTINGS

_HEAD = """\
.\\" Written by `make docs` from the commands' own parsers.
.TH LLM\\-STUDIO 1 "" "llm-studio {version}" "User commands"
.SH NAME
llm\\-studio \\- serve large language models on your own GPUs with llama.cpp
.SH SYNOPSIS
.B llm\\-studio
.RI [ COMMAND ]
.RI [ OPTIONS ]
.SH DESCRIPTION
Without a command the terminal UI opens, where there is a terminal, and a studio is started in the
background if none runs. The studio owns the model, the gateway for inference and the management
API; it goes on when the terminal is closed.
.PP
Results go to stdout, everything else to stderr. Listings take
.BR \\-\\-json ,
and are tab\\-separated in a pipe. Every command takes
.BR \\-\\-help .
.SH COMMANDS"""
_QUOTED = re.compile(r"`([^`]+)`")
_EXITS = (
    ("0", "done"),
    ("1", "failed, or something is wrong"),
    ("2", "the command was typed wrongly"),
    ("3", "not ready"),
    ("4", "not found"),
)


def page() -> str:
    lines = [_HEAD.format(version=_escaped(__version__))]
    for command in every_command():
        for told in command.with_actions:
            lines += _command(told)
    lines += [".SH EXIT STATUS", *_listed(_EXITS)]
    home = ("LLM_STUDIO_HOME", "Puts config, profiles, models, state and cache under one folder.")
    lines += [".SH ENVIRONMENT", *_listed([home, ("NO_COLOR", "No colours.")])]
    lines += _listed((each.variable, each.doc) for each in SETTINGS)
    lines += [
        ".SH FILES",
        *_listed((linux, f"{_plain(name)} (on macOS: {mac})") for name, linux, mac, _ in PLACES),
    ]
    lines += [".SH SEE ALSO", ".BR llama\\-server (1),", ".BR docker (1)"]
    return "\n".join(lines) + "\n"


def _command(told: Told) -> Iterator[str]:
    yield f'.SS "{_escaped(told.words)}"'
    yield f".B {_escaped(told.usage)}"
    yield ".PP"
    for number, paragraph in enumerate((told.text or told.summary).split("\n\n")):
        if number:
            yield ".PP"
        as_it_is = "  " in paragraph
        yield from (".nf",) if as_it_is else ()
        yield from map(_escaped, paragraph.splitlines())
        yield from (".fi",) if as_it_is else ()
    if not told.actions:
        yield from _listed((each.typed, each.doc) for each in told.arguments)


def _listed(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in pairs:
        yield ".TP"
        yield f".B {_escaped(name)}"
        yield _escaped(text)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _escaped(text: str) -> str:
    """A line of text: nothing in it is a request, and a hyphen can be copied as one."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    text = _QUOTED.sub(r"\\fB\1\\fR", text)
    return f"\\&{text}" if text.startswith((".", "'")) else text
