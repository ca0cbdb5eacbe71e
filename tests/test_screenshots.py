"""The pictures: made by the maker alone, all of them there, and none that needs another host."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from screenshots.__main__ import FOLDER, LABEL, NAMES, make
from tests import readme

PAGES = [readme.README, *readme.README.parent.glob("docs/*.md")]
KEPT = sorted(FOLDER.glob("*.svg"))


def test_what_is_kept_is_what_the_maker_makes() -> None:
    assert {path.stem for path in KEPT} == set(NAMES), "`make screenshots` makes them"
    others = {path.name for path in FOLDER.iterdir() if path.suffix not in (".svg", ".py")}
    assert others <= {"__pycache__"}


def test_every_picture_that_a_page_shows_is_there() -> None:
    shown = {
        (page.parent / name).resolve()
        for page in PAGES
        for name in re.findall(r"[\w./-]*screenshots/[\w.-]+\.\w+", page.read_text())
    }
    assert shown
    assert shown <= {path.resolve() for path in KEPT}


def test_pictures_are_whole_and_labelled_and_need_nothing_else() -> None:
    for path in KEPT:
        text = path.read_text()
        (title,) = [each.text for each in ElementTree.fromstring(text) if each.get("text-anchor")]
        assert LABEL in str(title)
        assert not re.search(r"href|url\(|@import|@font-face|<script|<image", text), path
    assert sum(path.stat().st_size for path in KEPT) < 4 << 20


SHOWN = {
    "agents": "Claude Code", "bench": "Worse than", "chat": "become one", "failure": "no room",
    "first-steps": "Try the demo model", "loading": "loading", "logs": "318 tokens",
    "model-picker": "Which model?", "models": "weights", "monitor": "messages",
}  # fmt: skip


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_no_picture_was_taken_too_early(path: Path) -> None:
    text = "".join(ElementTree.fromstring(path.read_text()).itertext())
    assert "Looking for" not in text
    scene = re.sub("-(dark|light)(-narrow)?$", "", path.stem)
    assert scene == "tour" or SHOWN[scene] in text


def test_the_maker_draws_the_running_program(tmp_path: Path) -> None:
    make(["first-steps-dark-narrow"], tmp_path)
    (made,) = tmp_path.iterdir()
    assert made.name == "first-steps-dark-narrow.svg"
    text = "".join(ElementTree.fromstring(made.read_text()).itertext())
    assert "No model of yours is here yet" in text
    assert "VRAM" in text
