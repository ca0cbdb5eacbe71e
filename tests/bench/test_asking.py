"""What a request felt like, in figures."""

from __future__ import annotations

import pytest

from llm_studio.bench.asking import Answer
from llm_studio.bench.figures import written


def test_the_speed_is_that_of_the_tokens_after_the_first() -> None:
    answer = Answer(0.0, first_token=1.0, seconds=3.0, generated=21, engine_speed=10.6)
    assert answer.speed == 10.0


def test_tokens_that_come_in_a_burst_are_no_faster_than_they_were_made() -> None:
    """A small model's whole answer can arrive in a millisecond, after it was held up."""
    answer = Answer(0.0, first_token=0.026, seconds=0.027, generated=64, engine_speed=4935.0)
    assert answer.speed == 4935.0


def test_one_token_has_no_speed() -> None:
    assert Answer(0.0, first_token=1.0, seconds=1.0, generated=1).speed is None


@pytest.mark.parametrize(
    ("value", "told"),
    [(71_866.7, "71,867"), (1000.0, "1,000"), (96.43, "96.43"), (0.012346, "0.01235"), (0.0, "0")],
)
def test_figures_are_written_as_people_read_them(value: float, told: str) -> None:
    assert written(value) == told
    assert "e+" not in written(value, 2)
