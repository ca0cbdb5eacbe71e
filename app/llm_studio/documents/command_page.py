"""docs/cli.md: every command with its options."""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.documents.commands import Told, every_command
from llm_studio.documents.markdown import cell

_HEAD = """\
# Commands

Written by `make docs` from the commands' own parsers: `llm-studio COMMAND --help` says the same.
Results go to stdout, everything else to stderr. With `--json` a listing is for programs; in a pipe
tables are tab-separated. Every command takes `-h` (`--help`).

| exit code | |
| --- | --- |
| 0 | done |
| 1 | failed; for `check` and `doctor`: there is something wrong |
| 2 | the command was typed wrongly |
| 3 | not ready: no studio, or no model is served yet |
| 4 | there is no such profile, file, image … |
| 130 | Ctrl-C |
"""


def page() -> str:
    commands = every_command()
    lines = [_HEAD, "| command | |", "| --- | --- |"]
    lines += [
        f"| [`{each.words}`](#llm-studio-{each.words}) | {cell(each.summary)} |"
        for each in commands
    ]
    for command in commands:
        for told in command.with_actions:
            lines += _section(told, "##" if told is command else "###")
    return "\n".join(lines) + "\n"


def _section(told: Told, heading: str) -> Iterator[str]:
    yield from ("", f"{heading} llm-studio {told.words}", "", "```", told.usage, "```", "")
    yield from _paragraphs(told.text or told.summary)
    if told.arguments and not told.actions:
        yield from ("", "| | |", "| --- | --- |")
        for each in told.arguments:
            yield f"| `{each.typed.replace('|', chr(92) + '|')}` | {cell(each.doc)} |"


def _paragraphs(text: str) -> Iterator[str]:
    """A description; lines with more than one space in a row are set as they are."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ""
        if "  " in paragraph:
            yield from ("```", *paragraph.splitlines(), "```")
        else:
            yield from paragraph.splitlines()
