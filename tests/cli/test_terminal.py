"""In real terminals and pipes: widths, colours, encodings, readers that go away."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from tests.cli.terminal import COMMAND, run_in_pipe, run_in_terminal
from tests.conftest import Home

MINE = 'name = "A model with a rather long name that must give way"\n[model]\nfile = "tiny.gguf"\n'


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def furnished(home: Home) -> Home:
    home.model()
    home.model(
        "a/folder/with/a-long-name/and-a-model-file-Q4_K_M.gguf",
        metadata={"general.name": "漢字" * 40},
    )
    home.profile("mine", MINE)
    home.profile("broken", "name = ")
    return home


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["list", "--gpus", "24G,16G"], "ID"),
        (["list", "--gpus", "none"], "ID"),
        (["files"], "FILE"),
        (["show", "mine", "--gpus", "24G"], "KEY"),
        (["config"], "SETTING"),
    ],
)
def test_a_table_fits_eighty_columns(furnished: Home, words: list[str], first: str) -> None:
    code, received = run_in_terminal(*words, errors=False)
    assert code == 0
    lines = plain(received).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    rows = lines[start:]
    table = rows[: rows.index("")] if "" in rows else rows
    assert len(table) > 1
    from unicodedata import east_asian_width

    widths = [sum(2 if east_asian_width(c) in "WF" else 1 for c in row) for row in table]
    assert max(widths) <= 80, table[widths.index(max(widths))]


def test_a_wide_terminal_shows_names_whole(furnished: Home) -> None:
    _, received = run_in_terminal("list", columns=200)
    assert "A model with a rather long name that must give way" in plain(received)


def test_a_pipe_gets_everything_and_no_colour(furnished: Home) -> None:
    told = run_in_pipe("list")
    assert b"A model with a rather long name that must give way" in told.stdout
    assert b"\x1b" not in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour_only_where_it_is_wanted(
    furnished: Home, environment: dict[str, str], colour: bool
) -> None:
    _, received = run_in_terminal("list", environment=environment)
    assert ("\x1b[" in received) == colour


@pytest.mark.parametrize(
    "words",
    [["--help"], ["list"], ["list", "--json"], ["show", "mine"], ["files"], ["check"], ["config"],
     ["show", "nowhere…"], ["import", "--help"], ["files", "--help"], ["show", "--keys"]],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_terminal_is_a_crash(
    furnished: Home, words: list[str], encoding: str
) -> None:
    told = run_in_pipe(*words, PYTHONIOENCODING=encoding)
    assert b"Traceback" not in told.stderr
    assert told.returncode == (4 if words[-1] == "nowhere…" else 1 if words == ["check"] else 0)
    told.stdout.decode(encoding)


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["files"]])
def test_names_that_are_not_utf_8(furnished: Home, words: list[str]) -> None:
    for name in (b"bad\xff.toml", b"bad\xff.gguf"):
        folder = furnished.profiles if name.endswith(b"toml") else furnished.models
        with open(os.fsencode(folder) + b"/" + name, "wb"):
            pass
    told = run_in_pipe(*words)
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr
    told.stdout.decode("utf-8")


@pytest.mark.parametrize("words", ["list", "list --json", "show --keys", "--help", "show mine"])
def test_a_reader_that_goes_away_is_no_error(furnished: Home, words: str) -> None:
    # `true` reads nothing at all, so that even little output finds the pipe closed.
    for reader in ("head -1", "true"):
        line = f"{' '.join(COMMAND)} {words} | {reader}; echo ${{PIPESTATUS[0]}} >&2"
        told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert "Traceback" not in told.stderr
        assert "Error" not in told.stderr
        assert told.stderr.splitlines()[-1] == "0"


@pytest.mark.parametrize("words", [["list"], ["--help"], ["list", "--json"]])
def test_a_full_disk_behind_stdout_is_told_in_words(furnished: Home, words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        told = subprocess.run(
            [*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "No space left" in told.stderr


def test_no_profile_s_model_here_says_what_to_do(home: Home) -> None:
    _, received = run_in_terminal("list")
    assert "llm-studio config models /data/models" in received
    _, received = run_in_terminal("files")
    assert "No model file was found." in received
