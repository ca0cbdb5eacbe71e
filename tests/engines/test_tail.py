"""An engine's log file: read on, cut when it is large, and what is left out is counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_studio.engines import tail as module
from llm_studio.engines.tail import Tail


def everything(tail: Tail) -> list[str]:
    lines: list[str] = []
    while batch := tail.read():
        lines += [line.text for line in batch]
    return lines


def test_lines_come_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    tail = Tail(path, "")
    assert everything(tail) == ["one"]
    with path.open("ab") as file:
        file.write(b"o\n\xff\nrest")
    assert everything(tail) == ["two", "\ufffd"]
    assert [line.text for line in tail.rest()] == ["rest"]


def test_any_mark_goes_on_behind_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {number} é\n" for number in range(50)))
    whole = Tail(path, "").read()
    for index in (0, 7, 48, 49):
        rest = Tail(path, whole[index].mark).read()
        assert [(line.text, line.mark) for line in rest] == [
            (line.text, line.mark) for line in whole[index + 1 :]
        ]


def test_a_huge_line_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ", 100)
    monkeypatch.setattr(module, "LONGEST", 1000)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 5000 + b"\nend\n")
    lines = everything(Tail(path, ""))
    assert max(map(len, lines)) <= 1100
    assert "".join(lines) == "x" * 5000 + "end"


def test_who_is_far_behind_goes_on_near_the_end_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEHIND", 10_000)
    monkeypatch.setattr(module, "NEAR", 1000)
    path = tmp_path / "log"
    path.write_text("".join(f"line {number}\n" for number in range(5000)))
    tail = Tail(path, "")
    first, *others = tail.read()
    left_out = int(re.match(r"(\d+) lines of the engine are left out", first.gap)[1])  # type: ignore[index]
    assert first.text == f"line {left_out}"
    assert others[-1].text == "line 4999"
    assert first.missing == left_out
    assert left_out + 1 + len(others) == 5000
    assert not any(line.gap for line in others)


def test_a_large_file_is_cut_when_all_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT", 1000)
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as engine:
        tail = Tail(path, "")
        seen: list[str] = []
        for number in range(1000):
            engine.write(f"line {number}\nhalf a ".encode())
            seen += [line.text for line in tail.read()]
            assert tail.read() == []
            assert path.stat().st_size < 1100
        assert seen == ["line 0", *(f"half a line {number}" for number in range(1, 1000))]
        assert [line.text for line in tail.rest()] == ["half a "]


def test_a_cut_amid_writing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_LAST", 100)
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as engine:
        engine.write(b"a line of the engine\n" * 10)
        tail = Tail(path, "")
        assert len(tail.read()) == 10
        assert path.stat().st_size == 0
        engine.write(b"the next\n")
        (line,) = tail.read()
    assert "is missing" in line.gap


def test_another_reader_s_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a line\n" * 10)
    tail = Tail(path, "")
    tail.read()
    path.write_text("afresh\n")
    assert everything(tail) == ["afresh"]


@pytest.mark.parametrize("mark", ["", "x", "-5", "²", "99999999999"])
def test_odd_marks_begin_at_the_beginning(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "log"
    path.write_text("a line\n")
    assert everything(Tail(path, mark)) == ["a line"]
