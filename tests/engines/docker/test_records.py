"""Docker's records as lines: in any pieces, from any mark, and not twice what Docker says twice."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.engines.docker.frames import Frames
from llm_studio.engines.docker.records import Assembler, Mark, nanoseconds

MS = 1_000_000
NOW = int(time.time()) * 1_000_000_000


def stamp(moment: int) -> str:
    seconds, fraction = divmod(moment, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:09d}Z"


def record(moment: int, text: str) -> bytes:
    return f"{stamp(moment)} {text}\n".encode()


def texts(assembler: Assembler, *records: bytes) -> list[str]:
    return [line.text for line in assembler.take(records)]


def framed(payloads: list[bytes], sizes: list[int]) -> bytes:
    """As Docker sends them: records in frames, in chunks of any size."""
    body = b"".join(struct.pack(">BxxxL", 2, len(each)) + each for each in payloads)
    chunks, at = [], 0
    for size in sizes:
        if at < len(body):
            chunks.append(body[at : at + size])
            at += size
    chunks.append(body[at:])
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks if each) + b"0\r\n\r\n"


@given(
    st.lists(st.binary(min_size=1, max_size=60), max_size=12),
    st.lists(st.integers(1, 40), max_size=20),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_records_come_out_however_they_are_sent(
    payloads: list[bytes], chunks: list[int], reads: list[int]
) -> None:
    sent = framed(payloads, chunks)
    frames, found, at = Frames(), [], 0
    for size in [*reads, len(sent)]:
        found += frames.feed(sent[at : at + size])
        at += size
        if at >= len(sent):
            break
    assert found == payloads
    assert frames.ended


def test_what_is_no_response_raises_nothing_unforeseen() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Frames().feed(b"HTTP/1.1 nonsense\r\n")


@given(st.integers(0, 2_000_000_000 * 1_000_000_000))
def test_a_time_is_read_as_it_is_written(moment: int) -> None:
    assert nanoseconds(stamp(moment)) == moment
    (line,) = Assembler(Mark()).take([record(moment + 1, "x")])
    assert line.mark == f"{moment + 1}:1"


def test_records_of_one_time_are_counted() -> None:
    lines = Assembler(Mark()).take(record(NOW, text) for text in "abc")
    assert [line.mark for line in lines] == [f"{NOW}:1", f"{NOW}:2", f"{NOW}:3"]
    again = Assembler(Mark.parse(lines[1].mark))
    assert texts(again, *(record(NOW, text) for text in "abc")) == ["c"]


def test_two_outputs_may_be_a_little_out_of_order() -> None:
    records = [record(NOW, "a"), record(NOW + 2 * MS, "b"), record(NOW + MS, "c")]
    assert texts(Assembler(Mark()), *records) == ["a", "b", "c"]


@pytest.mark.parametrize("back", [3, 400])
def test_what_docker_repeats_is_left_out(back: int) -> None:
    """It does so when it begins a new file: the last records come again, then it goes on."""
    records = [record(NOW + number * MS, f"{number}") for number in range(500)]
    assembler = Assembler(Mark())
    assert len(texts(assembler, *records)) == 500
    later = [record(NOW + number * MS, f"{number}") for number in range(500 - back, 520)]
    assert texts(assembler, *later) == [f"{number}" for number in range(500, 520)]


def test_a_leap_is_told_where_the_reader_was_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = NOW / 1e9
    monkeypatch.setattr(time, "time", lambda: clock)
    assembler = Assembler(Mark())
    assembler.take([record(NOW, "read at once")])
    clock += 10
    storm = [record(NOW + number * 1000, "x" * 1000) for number in range(1, 9000)]
    assert not any(line.gap for line in assembler.take(storm))
    later = [record(NOW + 5_000_000_000, "later"), record(NOW + 5_000_001_000, "on")]
    leapt, after = assembler.take(later)
    assert leapt.gap.startswith("4.99 s of the engine's log may be missing")
    assert (leapt.text, after.gap) == ("later", "")


def test_a_leap_of_an_old_log_is_nothing() -> None:
    assembler = Assembler(Mark())
    old = NOW - 3600_000_000_000
    lines = assembler.take(
        record(old + number * 1_000_000_000, "x" * 20_000) for number in range(500)
    )
    assert not any(line.gap for line in lines)
