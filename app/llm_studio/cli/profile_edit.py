"""Change a profile: in $EDITOR, or key by key (`llm-studio edit ID server.context=65536`).

An empty value removes a key. A shipped profile is copied to your own first. Nothing is written
that would be broken; what you typed is never lost.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from llm_studio.cli.output import narrate, say
from llm_studio.errors import StudioError, UsageError
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.save import change, check, parse_value, save
from llm_studio.settings import load_settings


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the profile's id")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="keys to set")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    catalogue = Catalogue.load(settings.paths.profiles)
    entry = catalogue.get(arguments.id)
    path = settings.paths.profiles / f"{entry.id}.toml" if entry.shipped else entry.path
    text = _text_of(entry)
    draft = None
    if arguments.changes:
        changed = change(text, dict(map(_assignment, arguments.changes)))
    else:
        draft = _draft(entry.id, text)
        changed = _in_editor(entry, text, path, catalogue, draft)
    if changed != text:
        try:
            _same_as_before(entry, text)
            save(entry.id, path, changed, catalogue)
        except StudioError as error:
            if draft is not None:
                error.hint = f"Your text is kept in {draft}. {error.hint}".strip()
            raise
    if draft is not None:
        draft.unlink(missing_ok=True)
    if changed == text:
        narrate("Nothing was changed.")
        return 0
    copied = " (your copy of the shipped profile)" if entry.shipped else ""
    say(f"{entry.id}: written to {path}{copied}")
    return 0


def _same_as_before(entry: Entry, text: str) -> None:
    if _text_of(entry) != text:
        raise StudioError(
            f"{entry.path} was changed by somebody else meanwhile",
            why="Nothing was written, lest that is lost.",
            hint="Make your change again.",
        )


def _text_of(entry: Entry) -> str:
    try:
        return entry.path.read_bytes().decode()  # with the line ends that it has
    except OSError as error:
        why = error.strerror or str(error)
        raise StudioError(f"Cannot read {entry.path}", why=why) from error
    except UnicodeDecodeError as error:
        raise StudioError(f"{entry.path} is not UTF-8 text") from error


def _assignment(word: str) -> tuple[str, object]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise UsageError(
            f"{word!r} sets nothing", hint="Write KEY=VALUE, like server.context=65536"
        )
    return key.strip(), parse_value(value) if value else None


def _in_editor(entry: Entry, text: str, path: Path, catalogue: Catalogue, draft: Path) -> str:
    """What the user made of the text; a broken one is offered for mending until given up."""
    while True:
        _run_editor(draft, text)
        changed = _typed(draft)
        problems = check(entry.id, path, changed, catalogue).problems
        if not problems or changed == text:
            return changed
        for problem in problems:
            narrate(f"line {problem.line or '?'}: {problem.key} {problem.what} {problem.hint}")
        if not sys.stdin.isatty() or not _again():
            raise StudioError(
                "The profile was not changed",
                why="What you wrote would be broken.",
                hint=f"Your text is kept in {draft}.",
            )


def _draft(id_: str, text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f"llm-studio-{id_}-", suffix=".toml")
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
    return Path(name)


def _typed(draft: Path) -> str:
    try:
        return draft.read_bytes().decode(errors="replace")
    except OSError as error:
        raise StudioError(
            "The editor left no text; nothing was changed", why=error.strerror or str(error)
        ) from error


def _run_editor(draft: Path, text: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "nano"
    try:
        code = subprocess.run([*shlex.split(editor), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        draft.unlink(missing_ok=True)
        raise StudioError(
            f"The editor {editor!r} does not start",
            why=str(error),
            hint="Set EDITOR, or change single keys: llm-studio edit ID KEY=VALUE",
        ) from error
    if code:
        hint = f"Your text is kept in {draft}."
        if _typed(draft) == text:
            draft.unlink()
            hint = ""
        raise StudioError(f"The editor ended with {code}; nothing was changed", hint=hint)


def _again() -> bool:
    narrate("Edit again? [Y/n]")
    return sys.stdin.readline().strip().lower() not in ("n", "no")
