"""Waiting for a GPU's memory: as long as it takes, and no longer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest

from llm_studio.models.memory import GiB
from llm_studio.studio.serving import freeing
from llm_studio.studio.serving.freeing import Free, until_free

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeing, "LOOK", 0.001)
    monkeypatch.setattr(freeing, "SETTLED", 0.05)


def readings(*sizes: float) -> tuple[Free, list[float]]:
    """What a GPU says, one after the other; the last for ever."""
    left = list(sizes)

    def free() -> Mapping[str, int]:
        return {"gpu": int((left.pop(0) if len(left) > 1 else left[0]) * GiB)}

    return free, left


async def test_it_waits_until_all_came_back() -> None:
    free, left = readings(2, 2, 4, 9.9)
    assert await until_free(free, {"gpu": 10 * GiB}) == ""
    assert left == [9.9]


async def test_what_does_not_come_back_is_told() -> None:
    free, _ = readings(2, 7)
    assert await until_free(free, {"gpu": 10 * GiB}) == "3.0 GiB of gpu"


async def test_without_gpus_nothing_is_waited_for() -> None:
    host = itertools.count(GiB, GiB)
    assert await until_free(lambda: {"": next(host)}, {}) == ""
    assert next(host) == 2 * GiB


async def test_where_nobody_knows_how_much_it_waits_until_it_settles() -> None:
    asked: Iterator[int] = iter(range(1000))

    def free() -> Mapping[str, int]:
        return {"gpu": min(next(asked), 10) * GiB}

    assert await until_free(free, {}) == ""
    assert next(asked) > 10


async def test_memory_that_trickles_for_ever_ends_at_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freeing, "LIMIT", 0.05)
    asked: Iterator[int] = iter(range(10**6))
    missing = await until_free(lambda: {"gpu": next(asked) * (GiB // 256)}, {"gpu": 10**6 * GiB})
    assert missing.endswith("GiB of gpu")
