"""The pages that are made from the program are as it is now, and say what is true."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from llm_studio.cli.commands import COMMANDS
from llm_studio.documents.commands import every_command
from llm_studio.documents.pages import PAGES
from llm_studio.documents.setting_page import PLACES
from llm_studio.documents.shapes import in_words
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.profile import SECTIONS
from llm_studio.settings import Paths

ROOT = Path(__file__).parents[2]
HELP = ROOT / "tests" / "data" / "llama-server-help-11669.txt"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "stale: `make docs` writes it anew"


def test_every_command_is_told_with_its_options() -> None:
    told = {each.words: each for each in every_command()}
    assert list(told) == [command.name for command in COMMANDS]
    assert "--gpus SIZES" in {each.typed for each in told["list"].arguments}
    assert told["edit"].usage == "llm-studio edit ID [KEY=VALUE …]"
    assert "image pull" in {each.words for each in told["image"].actions}
    for command in told.values():
        for part in command.with_actions:
            assert all(each.doc for each in part.arguments if each.option), part.words


def test_places_are_where_the_program_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/you")
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    for column, places in ((1, Unix), (2, MacOS)):
        monkeypatch.setattr("platformdirs.PlatformDirs", places)
        assert _told(column, "~", "/home/you") == Paths.locate({})
    assert _told(3, "", "") == Paths.locate({"LLM_STUDIO_HOME": "/"})


def _told(column: int, home: str, place: str) -> Paths:
    told = [Path(row[column].replace("~", place) if home else f"/{row[column]}") for row in PLACES]
    return Paths(*told)


def test_defaults_that_stand_in_brackets_are_those_of_llama_server() -> None:
    text = " ".join(HELP.read_text().split())
    compared = 0
    for section in SECTIONS.values():
        for key, field in section.model_fields.items():
            flag = flag_of(field)
            told = re.search(r"\((-?[\d.]+|true|f16)[;:)]", field.description or "")
            if told is None or flag is None:
                continue
            entry = re.search(rf"{flag.name}[ ,].*?(?:defaults?: '?([\w.-]+)|\(env:)", text)
            assert entry is not None, key
            if entry[1] and re.fullmatch(r"-?[\d.]+|\w+", entry[1]):
                assert _same(told[1], entry[1].rstrip(".")), (key, told[1], entry[1])
                compared += 1
    assert compared > 25


def _same(ours: str, theirs: str) -> bool:
    try:
        return float(ours) == float(theirs)
    except ValueError:
        return ours == {"enabled": "true", "on": "true"}.get(theirs, theirs)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 256}, "whole number, 1 to 256"),
        ({"type": "number", "exclusiveMinimum": 0}, "number > 0"),
        ({"type": "integer", "minimum": 0, "maximum": 1 << 53}, "whole number ≥ 0"),
        ({"enum": ["on", "off"]}, '"on", "off"'),
        ({"anyOf": [{"const": "auto"}, {"type": "boolean"}]}, '"auto" or true or false'),
        (
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "list of (text or whole number)",
        ),
        ({"type": "object", "additionalProperties": {"$ref": "#/x/Curve"}}, "table of Curve"),
    ],
)
def test_shapes_in_words(schema: dict[str, object], words: str) -> None:
    assert in_words(schema) == words


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_takes_the_manual_as_it_is() -> None:
    command = ["groff", "-man", "-ww", "-Kutf8", "-Tutf8", str(ROOT / "docs" / "llm-studio.1")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "llm-studio image pull" in re.sub(r"\x1b\[\d*m|.\x08", "", shown.stdout)
