"""Changing profile files: nothing of the user's is lost, and nothing broken is written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles.conftest import Shelf

from llm_studio.errors import StudioError, UsageError
from llm_studio.profiles.save import change, check, check_id, compose, parse_value, save

WRITTEN = """\
# My daily driver.
name = "Mine"   # a name
tags = ["b", "a"]

[sampling]  # from the model card
top_p = 0.95
temperature = 1.0  # not less

# Memory
[server]
parallel = 1
"""


@pytest.mark.parametrize(
    ("changes", "removed", "added"),
    [
        ({"server.parallel": 2}, ["parallel = 1"], ["parallel = 2"]),
        ({"sampling.temperature": 0.7}, ["temperature = 1.0"], ["temperature = 0.7"]),
        ({"sampling.top_p": None}, ["top_p = 0.95"], []),
        ({"server.context": 4096}, [], ["context = 4096"]),
        ({"model.file": "a.gguf"}, [], ["[model]", 'file = "a.gguf"']),
        ({"summary": "Short"}, [], ['summary = "Short"']),
        ({"bench.context": None, "server.gone": None}, [], []),
    ],
)
def test_only_what_was_asked_for_changes(
    changes: dict[str, Any], removed: list[str], added: list[str]
) -> None:
    changed = change(WRITTEN, changes)
    for word in removed:
        assert word in WRITTEN
        assert word not in changed
    for word in added:
        assert word in changed
    kept = [line for line in WRITTEN.splitlines() if not any(word in line for word in removed)]
    lines = iter(changed.splitlines())
    assert all(any(line == other for other in lines) for line in kept)  # in the same order
    tomllib.loads(changed)


def test_a_comment_behind_a_changed_value_stays() -> None:
    assert "temperature = 0.5  # not less" in change(WRITTEN, {"sampling.temperature": 0.5})


def test_a_change_and_its_return_leave_the_text_as_it_was() -> None:
    there = change(WRITTEN, {"server.parallel": 4})
    assert change(there, {"server.parallel": 1}) == WRITTEN


@pytest.mark.parametrize("text", ["name = ", "[[server]]\na = 1", "server = 5", "server = [1]"])
def test_what_cannot_be_changed_says_so(text: str) -> None:
    with pytest.raises(StudioError):
        change(text, {"server.context": 1})


def test_windows_line_ends_stay() -> None:
    changed = change('name = "X"\r\n[server]\r\nparallel = 1\r\n', {"server.parallel": 2})
    assert changed == 'name = "X"\r\n[server]\r\nparallel = 2\r\n'


def test_compose_writes_in_the_documented_order() -> None:
    values = {"server.parallel": 1, "sampling.top_k": 0, "name": "N", "model.file": "a.gguf",
              "server.context": 4096, "tags": [], "extends": None, "model.repo": None}  # fmt: skip
    text = compose(values, comment="One\nTwo")
    assert text == (
        '# One\n# Two\nname = "N"\n\n[model]\nfile = "a.gguf"\n\n[server]\ncontext = 4096\n'
        "parallel = 1\n\n[sampling]\ntop_k = 0\n"
    )


@given(st.text(min_size=1), st.lists(st.text(), max_size=3), st.text(min_size=1))
def test_any_text_comes_back_from_what_is_composed(name: str, args: list[str], prompt: str) -> None:
    values = {"name": name, "server.args": args, "client.system_prompt": prompt}
    table = tomllib.loads(compose(values))
    assert table["name"] == name
    assert table["server"]["args"] == args
    assert table["client"]["system_prompt"] == prompt


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("65536", 65536), ("0.7", 0.7), ("true", True), ("[1, 2]", [1, 2]), ('"5"', "5"),
        ("auto", "auto"), ("30m", "30m"), ("a b = c", "a b = c"), ("", ""), ("[", "["),
        ("{ a = 1 }", {"a": 1}), ("1\nx = 2", "1\nx = 2"), ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
    ],
)  # fmt: skip
def test_a_value_as_it_is_typed(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_a_sound_profile_is_written(shelf: Shelf) -> None:
    path = shelf.own / "new.toml"
    entry = save("new", path, WRITTEN, shelf.load())
    assert entry.require().name == "Mine"
    assert path.read_text() == WRITTEN
    assert [each.name for each in shelf.own.iterdir()] == ["new.toml"]


@pytest.mark.parametrize("text", ['name = ""\n', "name = ", 'name = "X"\nextends = "gone"\n', ""])
def test_a_broken_one_never_takes_the_place_of_a_sound_one(shelf: Shelf, text: str) -> None:
    path = shelf.put("mine", WRITTEN)
    with pytest.raises(StudioError) as error:
        save("mine", path, text, shelf.load())
    assert "nothing was written" in error.value.what
    assert str(path) in error.value.why
    assert path.read_text() == WRITTEN


@pytest.mark.parametrize("id_", ["", "../x", "a/b", ".hidden", "-x", "a" * 65, "a\n", "é"])
def test_an_id_is_a_plain_file_name(shelf: Shelf, id_: str) -> None:
    with pytest.raises(UsageError):
        check_id(id_)
    with pytest.raises(UsageError):
        save(id_, shelf.own / "x.toml", WRITTEN, shelf.load())
    assert list(shelf.own.iterdir()) == []


def test_a_new_id_differs_from_the_others_in_more_than_case(shelf: Shelf) -> None:
    shelf.put("GLM", WRITTEN)
    with pytest.raises(StudioError, match="'GLM' already"):
        save("glm", shelf.own / "glm.toml", WRITTEN, shelf.load())
    assert shelf.load().get("GLM").profile is not None


def test_checking_sees_the_other_profiles(shelf: Shelf) -> None:
    shelf.put("base", 'name = "B"\n[server]\nparallel = 3\n')
    entry = check("x", Path("x.toml"), 'name = "X"\nextends = "base"\n', shelf.load())
    assert entry.require().server.parallel == 3


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_failing_disk_leaves_the_old_file(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    path = shelf.put("mine", WRITTEN)
    catalogue = shelf.load()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(number))
        with pytest.raises(StudioError) as error:
            save("mine", path, change(WRITTEN, {"server.parallel": 2}), catalogue)
    assert os.strerror(number) in error.value.why
    assert path.read_text() == WRITTEN
    assert [each.name for each in shelf.own.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_a_crash_leaves_the_old_file_and_no_profile_more(shelf: Shelf, step: str) -> None:
    """The process is gone in the middle of writing, with no chance to tidy up."""
    path = shelf.put("mine", WRITTEN)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from llm_studio.profiles.catalogue import Catalogue\n"
        "from llm_studio.profiles.save import save\n"
        f"os.{step} = lambda *_, **__: os._exit(7)\n"
        "path = Path(sys.argv[1])\n"
        "save('mine', path, 'name = \"New\"', Catalogue.load(path.parent))\n"
    )
    app = Path(__file__).parents[2] / "app"
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(app)},
        check=False,
    )
    assert ended.returncode == 7
    assert path.read_text() == WRITTEN
    assert len(list(shelf.own.iterdir())) == 2  # what was being written is there, under no name
    assert [entry.id for entry in shelf.load()] == ["mine"]
