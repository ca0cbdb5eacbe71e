from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.bench.record import Point, Spread
from llm_studio.bench.speed_plan import fewer, plan, saturated
from llm_studio.errors import NotReady


@given(st.integers(80, 300_000), st.integers(1, 64), st.booleans())
def test_every_point_fits_into_the_context(context: int, slots: int, quick: bool) -> None:
    made = plan(context, slots, quick=quick)
    assert all(p.depth + p.prompt + p.answer < context for p in made.points)
    assert {p.kind for p in made.points} >= {"prompt", "answer"}
    answers = [p.answer for p in made.points if p.kind == "answer"]
    assert answers[0] == (128 if 128 in answers else min(answers))


def test_a_context_without_room_is_refused() -> None:
    with pytest.raises(NotReady):
        plan(64, 1, quick=True)


def point(users: int, total: float, wait: float = 0.1, errors: int = 0) -> Point:
    measures = {
        "total_speed": Spread(values=[total]), "first_token": Spread(values=[wait]),
    }  # fmt: skip
    return Point(kind="users", users=users, errors=errors, measures=measures)


def test_users_are_added_until_it_gives_nothing_more() -> None:
    assert not saturated(None, point(1, 10))
    assert not saturated(point(1, 10), point(2, 15))
    assert "10 %" in saturated(point(2, 15), point(4, 16))
    assert "30 s" in saturated(point(2, 15), point(4, 30, wait=31))
    assert "failed" in saturated(point(2, 15), point(4, 30, errors=1))


def test_what_takes_long_is_repeated_less() -> None:
    made = plan(4096, 1, quick=False)
    assert [fewer(made, seconds).repetitions for seconds in (1, 100, 1000)] == [5, 2, 1]
