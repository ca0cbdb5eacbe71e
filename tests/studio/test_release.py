"""Before another release writes in the state folder, what it may write anew is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_studio.studio.release import NOTE, REWRITTEN, taken_over


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in REWRITTEN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name} of 1.0")
    return tmp_path


def test_the_files_of_another_release_are_kept(state: Path) -> None:
    assert taken_over(state, "1.0") is None  # there was none
    assert taken_over(state, "1.0") is None
    kept = taken_over(state, "1.1")
    assert kept == state / "before/1.0"
    (state / "images.json").write_text("of 1.1")
    assert {name: (kept / name).read_text() for name in REWRITTEN} == {
        name: f"{name} of 1.0" for name in REWRITTEN
    }
    assert taken_over(state, "1.1") is None
    assert (state / NOTE).read_text() == "1.1\n"


def test_going_back_keeps_what_the_newer_one_wrote(state: Path) -> None:
    taken_over(state, "1.1")
    assert taken_over(state, "1.0") == state / "before/1.1"


@pytest.mark.parametrize("note", [b"../../\xff\x00etc\n", b"..", b".", b"/"])
def test_a_damaged_note_names_no_folder_elsewhere(state: Path, note: bytes) -> None:
    (state / NOTE).write_bytes(note)
    kept = taken_over(state, "1.0")
    assert kept is not None
    assert kept.parent == state / "before"


def test_a_disk_that_takes_nothing_keeps_nobody_from_starting(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_over(state, "1.0")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as now:
        now.setattr("shutil.copy2", full)
        assert taken_over(state, "1.1") is None
    assert (state / NOTE).read_text() == "1.0\n"
    assert taken_over(state, "1.1") == state / "before/1.0"


def test_an_empty_folder_has_nothing_to_keep(tmp_path: Path) -> None:
    taken_over(tmp_path, "1.0")
    assert taken_over(tmp_path, "1.1") is None
    assert not (tmp_path / "before").exists()
