"""A thread for one kind of reading."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from llm_studio.probes.lane import Lane


def test_readings_one_at_a_time() -> None:
    gate, count = threading.Event(), [0]

    def read() -> int:
        gate.wait(10)
        count[0] += 1
        return count[0]

    lane = Lane("test", read)
    first = lane.ask()
    assert lane.busy
    assert lane.ask() is first
    gate.set()
    assert first.result(5) == 1
    assert lane.ask().result(5) == 2
    lane.close()


def test_what_goes_wrong_is_told_and_the_next_is_tried() -> None:
    turns: Iterator[int | Exception] = iter([ValueError("no"), 7])

    def read() -> int:
        turn = next(turns)
        if isinstance(turn, Exception):
            raise turn
        return turn

    lane = Lane("test", read)
    with pytest.raises(ValueError, match="no"):
        lane.ask().result(5)
    assert lane.ask().result(5) == 7
    lane.close()


@pytest.mark.anyio
async def test_who_loses_interest_ends_no_lane() -> None:
    gate = threading.Event()
    lane = Lane("test", lambda: gate.wait(10))
    waiting = asyncio.wrap_future(lane.ask())
    waiting.cancel()
    gate.set()
    assert lane.ask().result(5)
    assert lane.ask().result(5)
    lane.close()
