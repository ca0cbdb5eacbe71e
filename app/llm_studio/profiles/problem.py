"""What is wrong with a profile, told so that the user can go to the line and mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llm_studio.errors import did_you_mean
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.profile import SECTIONS, Profile
from llm_studio.text import untrusted_line

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what may mend it."""

    path: Path
    what: str
    line: int | None = None
    key: str = ""
    hint: str = ""

    @property
    def where(self) -> str:
        path = untrusted_line(str(self.path), limit=500)
        return f"{path}:{self.line}" if self.line else path

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: {key}{self.what}" + (f" {self.hint}" if self.hint else "")


def problems_of(
    error: ValidationError, locate: Mapping[KeyPath, tuple[Path, str]], own: tuple[Path, str]
) -> tuple[Problem, ...]:
    """The problems behind a validation error; `locate` tells which file and text set a key."""
    by_key: dict[KeyPath, list[Mapping[str, Any]]] = {}
    for detail in error.errors(include_url=False):
        by_key.setdefault(_key_path(detail["loc"]), []).append(dict(detail))
    problems = []
    for key, details in by_key.items():
        path, text = locate.get(key, own)
        what, hint = _told(key, details)
        told = untrusted_line(".".join(key))
        problems.append(Problem(path, what, line_of(text, key), told, hint))
    return tuple(problems)


def _key_path(location: Sequence[int | str]) -> KeyPath:
    """Section and key; what pydantic adds for alternatives and list items is left out."""
    parts = [str(part) for part in location]
    return tuple(parts[:2] if parts and parts[0] in SECTIONS else parts[:1])


def _told(key: KeyPath, details: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return "unknown key.", _nearest(key)
    if first["type"] == "missing":
        return "is missing.", ""
    wanted: list[str] = []
    for detail in details:
        text = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        text = text.removeprefix("should be ") if wanted else text
        if text not in wanted:
            wanted.append(text)
    shown = "" if isinstance(first["input"], dict) else f" (it is {_shown(first['input'])})"
    return untrusted_line(" or ".join(wanted) + shown + ".", limit=400), ""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return untrusted_line(f'"{value}"' if isinstance(value, str) else str(value), limit=60)


def _nearest(key: KeyPath) -> str:
    """The known key that an unknown one probably stands for: by spelling, section, or flag."""
    word = key[-1]
    if len(key) == 1:
        inside = [name for name, section in SECTIONS.items() if word in section.model_fields]
        if inside:
            return f"It belongs under [{inside[0]}]."
        return did_you_mean(word, Profile.model_fields)
    section = SECTIONS[key[0]]
    plain = _plain(word)
    for name, owner in SECTIONS.items():
        for field, info in owner.model_fields.items():
            flag = flag_of(info)
            spellings = {_plain(field)}
            if flag:
                spellings |= {_plain(each) for each in (flag.name, *flag.renamed_from)}
            if plain in spellings:
                if owner is section:
                    return f"Did you mean {field!r}?"
                return f"It belongs under [{name}], as {field!r}."
    return did_you_mean(word, section.model_fields) or "`llm-studio show --keys` lists all keys."


def _plain(word: str) -> str:
    return word.lstrip("-").replace("-", "_").lower()


_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")


def line_of(text: str, key: Iterable[str]) -> int | None:
    """The line that sets a key, or else that opens its table."""
    wanted = tuple(key)
    table: KeyPath = ()
    nearest, open_quotes = None, ""
    # TOML knows no other line ends, and what a text over several lines holds is no key.
    for number, line in enumerate(text.split("\n"), 1):
        inside, open_quotes = open_quotes, _quotes_after(line, open_quotes)
        if inside:
            continue
        header = _HEADER.match(line)
        if header:
            table = _split(header[1])
            if table == wanted[: len(table)]:
                nearest = number
            continue
        assignment = _KEY.match(line)
        if assignment:
            found = (*table, *_split(assignment[1]))
            if found == wanted[: len(found)]:
                return number
    return nearest


def _quotes_after(line: str, quotes: str) -> str:
    """The quotes of a text over several lines that is still open after this line."""
    for each in re.findall(r'"""|\'\'\'', line):
        if not quotes:
            quotes = each
        elif each == quotes:
            quotes = ""
    return quotes


def _split(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
