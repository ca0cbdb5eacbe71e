"""The desk: requests wait while a model loads, wake what sleeps, and take turns."""

from __future__ import annotations

import asyncio

import pytest

from llm_studio.studio.serving.desk import Desk, Refusal, RequestRecord, Target

pytestmark = pytest.mark.anyio


def target(profile: str) -> Target:
    return Target("http://127.0.0.1:1", "key", profile, f"i-{profile}")


class House:
    """A desk, and a studio behind it that switches at once when it is asked."""

    def __init__(self, *, residence: float = 0.0, limit: int = 64, patience: float = 5.0) -> None:
        self.wanted: list[str] = []
        self.desk = Desk(
            profile_of=lambda name: name if name in "abc" else None,
            want=self.want,
            residence=residence,
            limit=limit,
            patience=patience,
        )

    async def want(self, id_: str) -> None:
        self.wanted.append(id_)
        await self.desk.shut(id_)
        await self.desk.drained(5)
        await self.desk.open(target(id_))

    async def served(self, model: str = "") -> str:
        async with self.desk.lease(RequestRecord("/v1/x", "test", model=model)) as got:
            return got.profile


async def test_with_nothing_loaded_a_request_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        await House().served()
    assert caught.value.status == 503
    assert caught.value.retry_after > 0


async def test_any_model_name_goes_to_what_is_served() -> None:
    house = House()
    await house.desk.open(target("a"))
    assert [await house.served(name) for name in ("", "a", "gpt-4")] == ["a", "a", "a"]
    assert house.wanted == []


async def test_requests_wait_through_a_switch() -> None:
    house = House()
    await house.desk.shut("a")
    waiting = [asyncio.create_task(house.served()) for _ in range(5)]
    while house.desk.waiting < 5:
        await asyncio.sleep(0)
    await house.desk.open(target("a"))
    assert await asyncio.gather(*waiting) == ["a"] * 5


async def test_a_failed_switch_lets_nobody_wait_for_ever() -> None:
    house = House()
    await house.desk.shut("a")
    waiting = asyncio.create_task(house.served())
    while not house.desk.waiting:
        await asyncio.sleep(0)
    await house.desk.shut(None)
    with pytest.raises(Refusal):
        await asyncio.wait_for(waiting, 2)


async def test_the_queue_is_bounded() -> None:
    house = House(limit=2)
    await house.desk.shut("a")
    waiting = [asyncio.create_task(house.served()) for _ in range(2)]
    while house.desk.waiting < 2:
        await asyncio.sleep(0)
    with pytest.raises(Refusal, match="waiting already"):
        await house.served()
    await house.desk.open(target("a"))
    await asyncio.gather(*waiting)


async def test_patience_has_an_end() -> None:
    house = House(patience=0.05)
    await house.desk.shut("a")
    with pytest.raises(Refusal, match="in time"):
        await house.served()


async def test_who_asks_for_a_switch_has_no_more_patience_than_others() -> None:
    async def never(id_: str) -> None:
        await asyncio.Event().wait()

    desk = Desk(profile_of=lambda name: name, want=never, patience=0.05)
    with pytest.raises(Refusal, match="in time"):
        async with asyncio.timeout(5), desk.lease(RequestRecord("/v1/x", "test", model="b")):
            pass
    assert desk.waiting == 0


async def test_another_profile_is_switched_to_once_for_all_who_want_it() -> None:
    house = House()
    await house.desk.open(target("a"))
    got = await asyncio.gather(*(house.served("b") for _ in range(10)))
    assert got == ["b"] * 10
    assert house.wanted == ["b"]


async def test_what_sleeps_is_woken() -> None:
    house = House()
    await house.desk.shut(None, asleep="c")
    assert await asyncio.wait_for(house.served(), 2) == "c"
    assert house.wanted == ["c"]


async def test_two_profiles_neither_starve_nor_flap() -> None:
    house = House(residence=0.05)
    await house.desk.open(target("a"))
    names = ["a", "b"] * 20
    got = await asyncio.wait_for(asyncio.gather(*(house.served(name) for name in names)), 10)
    assert got == names
    assert len(house.wanted) <= 4


async def test_a_refused_switch_reaches_the_request() -> None:
    async def refuse(id_: str) -> None:
        raise Refusal(404, "not allowed")

    desk = Desk(profile_of=lambda name: name, want=refuse)
    with pytest.raises(Refusal, match="not allowed"):
        async with desk.lease(RequestRecord("/v1/x", "test", model="b")):
            pass
    assert desk.waiting == 0


async def test_draining_waits_for_those_who_run() -> None:
    house = House()
    await house.desk.open(target("a"))
    release = asyncio.Event()

    async def hold() -> None:
        async with house.desk.lease(RequestRecord("/v1/x", "test")):
            await release.wait()

    holding = asyncio.create_task(hold())
    while not house.desk.running:
        await asyncio.sleep(0)
    assert not await house.desk.drained(0.02)
    draining = asyncio.create_task(house.desk.drained(5))
    release.set()
    assert await draining
    await holding
