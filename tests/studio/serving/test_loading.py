"""A load: its progress is what was really read, and its time-out counts from the last sign."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.studio.scripted import House, ScriptedHealth

from llm_studio.engines.base import Vitals
from llm_studio.engines.log_events import LOADING, Stage
from llm_studio.errors import StudioError
from llm_studio.probes.reading import bytes_taken
from llm_studio.studio.serving import loading
from llm_studio.studio.serving.follow import LogFollower
from llm_studio.studio.serving.freeing import Free
from llm_studio.studio.serving.loading import Ended, Loading
from llm_studio.studio.serving.state import Progress

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("POLL", "SLOW", "PULSE"):
        monkeypatch.setattr(loading, name, 0.002)
    return House(tmp_path)


async def load(
    house: House,
    told: list[Progress],
    *,
    size: int = 0,
    stall_limit: float = 30.0,
    free: Free = dict,
    tell: Callable[[Progress], None] | None = None,
) -> tuple[str, ...]:
    prepared = await house.prepare("a", returns={})
    running = await house.engine.start(prepared.launch)
    follower = LogFollower(house.engine, running, house.log)
    follower.stage = Stage(LOADING)
    health = ScriptedHealth(house.engine)
    on_its_way = Loading(
        running, house.engine, health, follower, stall_limit=stall_limit, size=size, free=free
    )
    return await on_its_way.until_ready(["a"], tell or told.append)


async def test_progress_is_the_share_of_bytes_that_were_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.engine.script["a"] = ["hangs"]
    house.engine.pid = 7
    read = iter([0, 250, 500, 1000])

    def taken(pid: int) -> int:
        assert pid == 7
        try:
            return next(read)
        except StopIteration:
            house.engine.life("a").ready.set()
            return 1200

    monkeypatch.setattr(loading, "bytes_taken", taken)
    told: list[Progress] = []
    await load(house, told, size=1000)
    fractions = [progress.fraction for progress in told if progress.fraction is not None]
    assert fractions[-1] == 0.99  # all bytes are there, and it does not serve yet
    assert {0.25, 0.5} <= set(fractions)
    assert fractions == sorted(fractions)


async def test_bytes_that_come_are_a_sign_of_life(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A big model on a slow disk says nothing for an hour, and loads."""
    house.engine.script["a"] = ["hangs"]
    house.engine.pid = 7
    began = time.monotonic()

    def taken(_: int) -> int:
        if time.monotonic() - began > 0.6:
            house.engine.life("a").ready.set()
        return int(time.monotonic() * 1e6)

    monkeypatch.setattr(loading, "bytes_taken", taken)
    await load(house, [], stall_limit=0.2)
    assert time.monotonic() - began > 0.5


async def test_one_that_somebody_paused_says_how_it_goes_on(house: House) -> None:
    house.engine.script["a"] = ["hangs"]
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        life = house.engine.life("a")
        if life.resume:
            life.resume = ""
            life.ready.set()
        else:
            life.resume = "docker unpause it"

    await load(house, told, tell=tell)
    assert told[1].stage == "paused, goes on with docker unpause it"


async def test_what_other_programs_do_is_no_sign_of_life(house: House) -> None:
    house.engine.script["a"] = ["hangs"]
    host = itertools.count()
    with pytest.raises(StudioError, match="does not load on"):
        await load(house, [], stall_limit=0.05, free=lambda: {"": next(host)})


async def test_without_any_sign_it_is_ended(house: House) -> None:
    house.engine.script["a"] = ["hangs"]
    with pytest.raises(StudioError, match="does not load on"):
        await load(house, [], stall_limit=0.05)


async def test_an_end_is_told_with_what_it_came_to(house: House) -> None:
    house.engine.script["a"] = ["dies"]
    with pytest.raises(Ended) as caught:
        await load(house, [])
    assert caught.value.vitals == Vitals(False, 1)


def test_reading_a_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * (8 << 20))
    before = bytes_taken(os.getpid())
    path.read_bytes()
    after = bytes_taken(os.getpid())
    assert before is not None
    assert after is not None
    assert after - before >= 8 << 20 or after > 8 << 20


def test_a_process_that_is_gone_has_taken_nothing() -> None:
    assert bytes_taken(2**22 + 1) is None
