"""The way to the terminal: in order, one frame at a time, and measured."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from llm_studio.tui.output.outlet import QUESTION, Outlet
from llm_studio.tui.output.pace import Pace


class Pipe:
    """A terminal that takes what the test reads."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.ready, self.lost = threading.Event(), threading.Event()
        self.outlet = Outlet(self.write_end, self.ready.set, self.lost.set)

    def take(self, count: int = 65_536) -> bytes:
        return os.read(self.read_end, count)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.outlet.abandon()
    for end in (pipe.read_end, pipe.write_end):
        try:
            os.close(end)
        except OSError:
            continue


def test_a_terminal_that_answers_is_waited_for(pipe: Pipe) -> None:
    pipe.outlet.send("x" * 5000, ask=True)
    assert pipe.take() == b"x" * 5000 + QUESTION.encode()
    pipe.outlet.answered()
    pipe.ready.clear()
    pipe.outlet.wait(0, 5)
    assert pipe.outlet.ready
    pipe.outlet.pace.rate = 20_000.0
    pipe.outlet.send("y" * 5000, ask=True)
    pipe.take()
    pipe.outlet.wait(0, 5)
    pipe.ready.clear()
    assert not pipe.outlet.ready  # written, but not drawn
    pipe.outlet.answered()
    assert pipe.ready.wait(5)
    assert pipe.outlet.ready


def test_a_fast_link_has_room_for_a_second_frame(pipe: Pipe) -> None:
    pipe.outlet.pace.rate = 2_000_000.0
    for _ in range(2):
        pipe.outlet.send("x" * 5000, ask=True)
        pipe.take()
    pipe.outlet.answered()
    pipe.outlet.wait(0, 5)
    assert pipe.outlet.ready


def test_one_that_never_answers_is_not(pipe: Pipe) -> None:
    for _ in range(20):
        pipe.outlet.send("x" * 5000, ask=True)
        pipe.take()
        pipe.outlet.wait(0, 5)
        assert pipe.outlet.ready


def test_small_frames_do_not_wait_for_each_other(pipe: Pipe) -> None:
    pipe.outlet.send("x" * 2000, ask=True)
    pipe.take()
    pipe.outlet.answered()
    for _ in range(3):
        pipe.outlet.send("y" * 100, ask=True)
        pipe.outlet.wait(0, 5)
        assert pipe.outlet.ready


def test_nobody_waits_for_a_terminal_that_takes_nothing(pipe: Pipe) -> None:
    pipe.outlet.send("x" * 1_000_000)
    assert not pipe.outlet.ready
    pipe.outlet.send("y")
    pipe.outlet.close(0.01)  # ends though the thread is stuck in its write


def test_a_lost_terminal_is_told_once_and_takes_no_more(pipe: Pipe) -> None:
    os.close(pipe.read_end)
    pipe.outlet.send("x")
    assert pipe.lost.wait(5)
    pipe.outlet.send("y")
    pipe.outlet.wait(0, 5)
    pipe.outlet.settle(5)


def test_the_pace_of_a_slow_link_a_far_one_and_a_near_one() -> None:
    slow, far, near = Pace(), Pace(), Pace()
    for _ in range(5):
        slow.took(100, 0.03)
        slow.took(5000, 0.28)
        far.took(100, 0.6)
        near.took(100, 0.001)
        near.took(5000, 0.003)
    assert slow.slow
    assert slow.rate == pytest.approx(20_000, rel=0.05)
    assert far.slow
    assert not near.slow


def test_a_link_on_the_edge_does_not_flicker() -> None:
    pace, told = Pace(), []
    for seconds in (0.12, 0.09, 0.12, 0.09, 0.12, 0.09):
        pace.took(5000, seconds)
        told.append(pace.slow)
    assert told == [told[0]] * 6
