"""A write is whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from llm_studio.errors import StudioError
from llm_studio.storage import write_atomically


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.toml"
    write_atomically(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_secret_is_for_its_owner_alone_from_the_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_mode)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "token", "secret", mode=0o600)
    assert stat.S_IMODE(seen[0]) == 0o600
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o640)
    write_atomically(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Users keep their configuration elsewhere, under version control."""
    real, link = tmp_path / "dotfiles" / "a", tmp_path / "a"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StudioError) as error:
        write_atomically(path, "new")
    assert error.value.why == "No space left on device"
    assert "as it was" in error.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("blocked", ["file/below", "folder"])
def test_a_place_that_cannot_be_written(tmp_path: Path, blocked: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudioError, match="Cannot write"):
        write_atomically(tmp_path / blocked, "new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_text_that_no_file_can_hold(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(StudioError, match="Cannot write"):
        write_atomically(tmp_path / "a", "\udcff")
    assert (tmp_path / "a").read_text() == "old"
