"""Import profiles from a models.conf, or from the INI presets of llama-server's router.

What cannot be carried over is reported, line by line. --dry-run only reports.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from llm_studio.cli.output import narrate, print_json, say, styled
from llm_studio.cli.workspace import Workspace, workspace
from llm_studio.errors import StudioError
from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.profiles.imports import read_foreign
from llm_studio.profiles.imports.draft import Draft
from llm_studio.profiles.save import compose, save


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="the file to import")
    parser.add_argument("--dry-run", action="store_true", help="report, but write nothing")
    parser.add_argument("--replace", action="store_true", help="replace profiles of the same id")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    with workspace("none") as here:
        drafts = read_foreign(arguments.path, here.library)
        catalogue, outcomes = here.catalogue, []
        for draft in drafts:
            outcome, catalogue = _take(here, draft, catalogue, arguments)
            outcomes.append(outcome)
            if not arguments.json:
                _show(draft, outcome)
    if arguments.json:
        print_json(
            [
                {
                    "id": draft.id,
                    "outcome": outcome,
                    "notes": [
                        {"line": note.line, "text": note.text, "lost": note.lost}
                        for note in draft.notes
                    ],
                }
                for draft, outcome in zip(drafts, outcomes, strict=True)
            ]
        )
    elif sys.stderr.isatty():
        lost = sum(note.lost for draft in drafts for note in draft.notes)
        narrate(f"{len(drafts)} profiles read, {lost} things not carried over.")
    return 0 if all(outcome in ("written", "would be written") for outcome in outcomes) else 1


def _take(
    here: Workspace, draft: Draft, catalogue: Catalogue, arguments: argparse.Namespace
) -> tuple[str, Catalogue]:
    """Write one profile; what happened, and the catalogue with it for those that extend it."""
    path = here.settings.paths.profiles / f"{draft.id}.toml"
    if os.path.exists(path) and not arguments.replace:
        return "not written: you have a profile of that id (--replace replaces it)", catalogue
    text = compose(draft.values, comment=f"Imported from {arguments.path.name}, line {draft.line}.")
    extended = catalogue.with_source(parse_source(Source(draft.id, path, False, text)))
    problems = extended.get(draft.id).problems
    if problems:
        return f"not written: {'; '.join(map(str, problems))}", catalogue
    if arguments.dry_run:
        return "would be written", extended
    try:
        save(draft.id, path, text, catalogue)
    except StudioError as error:
        return f"not written: {' '.join(filter(None, (f'{error.what}.', error.why)))}", catalogue
    return "written", extended


def _show(draft: Draft, outcome: str) -> None:
    style = "green" if outcome.endswith("written") and "not" not in outcome else "red"
    say(f"{draft.id}: {styled(outcome, style)}")
    for note in draft.notes:
        mark = styled("lost", "yellow") if note.lost else styled("note", "dim")
        say(f"  {mark} line {note.line}: {note.text}")
