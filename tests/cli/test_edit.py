"""Editing: what the user types is never lost, and nothing broken is written."""

from __future__ import annotations

import errno
import os
import re
from io import StringIO
from pathlib import Path

import pytest
from tests.conftest import Home, Run

from llm_studio.profiles.folders import shipped_folder

TEXT = '# mine\nname = "Mine"\n\n[server]\nparallel = 1  # me alone\n'


@pytest.fixture
def drafts(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where drafts are kept meanwhile."""
    folder = home.root.parent / "drafts"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def use_editor(home: Home, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An editor that does what a shell script says; the file is "$1"."""
    editor = home.root.parent / "my editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"'{editor}'")


def test_keys_are_set_and_removed(run: Run, home: Home) -> None:
    path = home.profile("mine", TEXT)
    result = run(
        "edit", "mine", "server.parallel=2", "server.context=65536", "summary=short and sweet",
        "server.args=[\"--metrics\"]", "sampling.temperature=0.7",
    )  # fmt: skip
    assert result.code == 0
    assert "parallel = 2  # me alone" in path.read_text()
    assert run("edit", "mine", "server.context=", "summary=").code == 0
    text = path.read_text()
    assert text.startswith("# mine\n")
    assert "context" not in text
    assert "summary" not in text
    assert 'args = ["--metrics"]' in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("server.contxt=1", "Did you mean 'context'?"),
        ("server.context=lots", "integer"),
        ("name=", "name: is missing."),
        ("extends=nowhere", "no profile 'nowhere'"),
        ("server=5", "server"),
        ("a.b.c=1", "unknown key"),
        ("client.system_prompt=\udcff", ""),
    ],
)
def test_a_change_that_would_break_it(run: Run, home: Home, change: str, told: str) -> None:
    path = home.profile("mine", TEXT)
    result = run("edit", "mine", change)
    assert result.code == 1
    assert told in result.err
    assert result.out == ""
    assert path.read_text() == TEXT


def test_a_profile_that_is_broken_can_be_mended_key_by_key(run: Run, home: Home) -> None:
    path = home.profile("mine", 'name = "M"\n[server]\nparallel = 0\n')
    assert run("edit", "mine", "server.parallel=1").code == 0
    assert "parallel = 1" in path.read_text()


@pytest.mark.parametrize(
    "text", ['name = "M"\nserver = 5\n', 'name = "M"\n[[server]]\na = 1\n', "x ="]
)
def test_one_that_is_broken_otherwise_is_left_to_the_editor(
    run: Run, home: Home, text: str
) -> None:
    path = home.profile("mine", text)
    assert run("edit", "mine", "server.parallel=1").code == 1
    assert path.read_text() == text


def test_a_shipped_profile_is_copied_to_the_user_s_own(run: Run, home: Home) -> None:
    shipped = (shipped_folder() / "glm-flash-q4.toml").read_bytes()
    result = run("edit", "glm-flash-q4", "server.context=4096")
    assert (result.code, "your copy of the shipped profile" in result.out) == (0, True)
    own = (home.profiles / "glm-flash-q4.toml").read_bytes()
    assert own == shipped.replace(b"context = 131072", b"context = 4096")
    assert (shipped_folder() / "glm-flash-q4.toml").read_bytes() == shipped
    assert run("show", "glm-flash-q4", "--json").json["values"]["server.context"]["value"] == 4096


def test_a_change_to_what_is_there_already_writes_nothing(run: Run, home: Home) -> None:
    path = home.profile("mine", TEXT)
    before = path.stat()
    result = run("edit", "mine", "server.parallel=1")
    assert (result.code, result.err) == (0, "Nothing was changed.\n")
    assert path.stat().st_ino == before.st_ino


def test_windows_line_ends_stay(run: Run, home: Home) -> None:
    path = home.profile("mine", TEXT.replace("\n", "\r\n"))
    assert run("edit", "mine", "server.parallel=2").code == 0
    assert path.read_bytes() == TEXT.replace("\n", "\r\n").replace("= 1", "= 2").encode()


def test_in_the_editor(run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.profile("mine", TEXT)
    use_editor(home, monkeypatch, "sed -i 's/parallel = 1/parallel = 3/' \"$1\"")
    result = run("edit", "mine")
    assert result.code == 0
    assert path.read_text() == TEXT.replace("= 1", "= 3")
    assert list(drafts.iterdir()) == []


def test_visual_comes_before_editor(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.profile("mine", TEXT)
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", "true")
    assert run("edit", "mine").err == "Nothing was changed.\n"
    assert list(drafts.iterdir()) == []


def test_a_shipped_profile_that_was_only_looked_at_is_not_copied(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    assert run("edit", "base").code == 0
    assert not home.profiles.exists()


def kept(result_err: str) -> str:
    match = re.search(r"Your text is kept in (\S+\.toml)\.", result_err)
    assert match, result_err
    return Path(match[1]).read_text(errors="replace")


@pytest.mark.parametrize(
    "script",
    [
        "echo 'broken = ' >> \"$1\"",
        'printf \'name = "X"\\n[server]\\ncontxt = 1\\n\' > "$1"',
        'printf "\\377" >> "$1"',
        ': > "$1"',
    ],
)
def test_a_broken_text_is_kept_and_not_written(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    path = home.profile("mine", TEXT)
    use_editor(home, monkeypatch, script)
    monkeypatch.setattr("sys.stdin", StringIO())
    result = run("edit", "mine")
    assert result.code == 1
    assert path.read_text() == TEXT
    assert kept(result.err) != TEXT


def test_an_editor_that_fails_after_a_change_keeps_the_text(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.profile("mine", TEXT)
    use_editor(home, monkeypatch, "echo '# typed' >> \"$1\"; exit 3")
    result = run("edit", "mine")
    assert result.code == 1
    assert "ended with 3" in result.err
    assert kept(result.err) == TEXT + "# typed\n"
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("editor", "told"),
    [
        ("false", "ended with 1"),
        ("/no/such/editor", "does not start"),
        ("'unclosed", "does not start"),
    ],
)
def test_an_editor_that_does_nothing_leaves_nothing_behind(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch, editor: str, told: str
) -> None:
    path = home.profile("mine", TEXT)
    monkeypatch.setenv("EDITOR", editor)
    result = run("edit", "mine")
    assert result.code == 1
    assert told in result.err
    assert path.read_text() == TEXT
    assert list(drafts.iterdir()) == []


def test_an_editor_that_takes_the_file_away(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.profile("mine", TEXT)
    use_editor(home, monkeypatch, 'rm "$1"')
    assert run("edit", "mine").code == 1
    assert path.read_text() == TEXT


def test_a_full_disk_at_the_end_of_editing_keeps_the_text(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.profile("mine", TEXT)
    use_editor(home, monkeypatch, "echo '# typed' >> \"$1\"")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = run("edit", "mine")
    assert result.code == 1
    assert "No space left" in result.err
    assert kept(result.err) == TEXT + "# typed\n"
    assert path.read_text() == TEXT


def test_a_syntax_error_can_be_mended_in_the_editor(
    run: Run, home: Home, drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.profile("mine", "name = \n")
    use_editor(home, monkeypatch, 'echo \'name = "M"\' > "$1"')
    assert run("edit", "mine").code == 0
    assert path.read_text() == 'name = "M"\n'
