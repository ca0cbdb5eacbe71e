"""The supervisor: what is wished for comes about, or is told why not; nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.studio.scripted import House, ScriptedEngine

from llm_studio.engines.base import EngineError, Running, Vitals
from llm_studio.models.memory import GiB
from llm_studio.studio.jobs import Job
from llm_studio.studio.serving import attendant, backoff, loading, watch
from llm_studio.studio.serving.desk import Refusal, RequestRecord
from llm_studio.studio.serving.state import Phase
from llm_studio.studio.serving.supervisor import Busy

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(loading, "POLL", 0.005)
    monkeypatch.setattr(loading, "SLOW", 0.005)
    monkeypatch.setattr(watch, "LOOK", 0.01)
    monkeypatch.setattr(backoff, "DELAYS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(backoff, "SELDOM", 0.01)
    house = House(tmp_path)
    yield house
    await house.close()


async def test_a_profile_is_served(house: House) -> None:
    job = await house.up("a")
    assert (job.state, house.store.state.phase) == ("done", Phase.READY)
    assert house.phases == [Phase.STOPPED, Phase.STARTING, Phase.LOADING, Phase.READY]
    async with house.desk.lease(RequestRecord("/v1/x", "test")) as target:
        assert target.profile == "a"


async def test_what_is_served_already_is_no_switch(house: House) -> None:
    await house.up("a")
    assert house.supervisor.switch("a") is None
    assert len(house.engine.lives) == 1


async def test_a_switch_stops_the_old_before_it_starts_the_new(house: House) -> None:
    await house.up("a")
    await house.up("b")
    assert house.engine.alive == ["b"]
    assert house.engine.life("a").stopped
    assert house.engine.life("a").forgotten
    assert house.store.state.desired == "b"


async def test_a_profile_that_cannot_be_served_leaves_the_present_one_alone(house: House) -> None:
    await house.up("a")
    house.unusable.add("b")
    job = await house.up("b")
    assert (job.state, job.hint) == ("failed", "Get it.")
    assert (house.store.state.phase, house.store.state.profile) == (Phase.READY, "a")
    assert house.store.state.desired == "a"
    assert house.engine.alive == ["a"]


@pytest.mark.parametrize("fate", ["dies", "refuses"])
async def test_a_failed_switch_goes_back_and_says_why(house: House, fate: str) -> None:
    await house.up("a")
    house.engine.script["b"] = [fate]
    job = await house.up("b")
    assert job.state == "failed"
    state = house.store.state
    assert (state.phase, state.profile) == (Phase.READY, "a")
    assert state.failure is not None
    assert state.failure.what
    assert house.engine.alive == ["a"]


async def test_a_first_start_that_fails_is_failed(house: House) -> None:
    house.engine.script["a"] = ["dies"]
    job = await house.up("a")
    state = house.store.state
    assert (job.state, state.phase, state.profile) == ("failed", Phase.FAILED, "a")
    assert state.failure is not None
    assert state.failure.exit_code == 1
    assert "bad tensor" in " ".join(state.failure.last_lines)
    with pytest.raises(Refusal):
        async with house.desk.lease(RequestRecord("/v1/x", "test")):
            pass


async def test_another_model_than_was_asked_for_is_no_success(house: House) -> None:
    house.engine.names["a"] = "somebody-else"
    job = await house.up("a")
    assert job.state == "failed"
    assert "Another model" in job.error


async def test_the_same_target_joins_and_another_is_told_to_wait(house: House) -> None:
    house.engine.script["a"] = ["hangs"]
    job = house.supervisor.switch("a")
    assert job is not None
    await house.until(Phase.LOADING)
    assert house.supervisor.switch("a") is job
    with pytest.raises(Busy) as caught:
        house.supervisor.switch("b")
    assert (caught.value.target, caught.value.job) == ("a", job)
    house.engine.life("a").ready.set()
    await house.jobs.ended(job)
    assert house.engine.alive == ["a"]


async def test_a_hundred_wishes_at_once_make_one_engine(house: House) -> None:
    outcomes = []
    for number in range(100):
        try:
            outcomes.append(house.supervisor.switch("a" if number % 2 else "b"))
        except Busy:
            outcomes.append(None)
    job = next(job for job in outcomes if job is not None)
    await house.jobs.ended(job)
    assert {job.id for job in outcomes if job is not None} == {job.id}
    assert len(house.engine.lives) == 1


@pytest.mark.parametrize(("fate", "phase"), [("stuck", Phase.STARTING), ("hangs", Phase.LOADING)])
async def test_a_switch_is_cancelled_at_any_moment(house: House, fate: str, phase: Phase) -> None:
    house.engine.script["a"] = [fate]
    job = house.supervisor.switch("a")
    assert job is not None
    await house.until(phase)
    house.jobs.cancel(job.id)
    await house.jobs.ended(job)
    assert job.state == "cancelled"
    assert house.store.state.phase is Phase.STOPPED
    assert house.engine.alive == []
    await house.up("b")
    assert house.store.state.profile == "b"


async def test_down_while_it_loads(house: House) -> None:
    house.engine.script["a"] = ["hangs"]
    house.supervisor.switch("a")
    await house.until(Phase.LOADING)
    job = house.supervisor.stop()
    assert job is not None
    await house.jobs.ended(job)
    assert house.store.state.phase is Phase.STOPPED
    assert house.store.state.desired is None
    assert house.engine.alive == []


async def test_down_when_nothing_runs(house: House) -> None:
    assert house.supervisor.stop() is None
    assert house.store.state.phase is Phase.STOPPED


async def test_running_requests_end_before_the_engine_does(house: House) -> None:
    await house.up("a")
    release = asyncio.Event()

    async def hold() -> bool:
        async with house.desk.lease(RequestRecord("/v1/x", "test")):
            await release.wait()
            return house.engine.alive == ["a"]

    holding = asyncio.create_task(hold())
    while not house.desk.running:
        await asyncio.sleep(0)
    job = house.supervisor.switch("b")
    assert job is not None
    await house.until(Phase.DRAINING)
    release.set()
    assert await holding
    await house.jobs.ended(job)
    assert house.engine.alive == ["b"]


async def test_requests_that_do_not_end_are_cut_off(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendant, "DRAIN_LIMIT", 0.02)
    await house.up("a")
    async with house.desk.lease(RequestRecord("/v1/x", "test")):
        await house.up("b")
        assert house.engine.alive == ["b"]
        assert any("cut off" in line.text for line in house.log.since(0).lines)
        assert house.desk.running == 0  # so that the next switch does not wait for it again
        monkeypatch.setattr(attendant, "DRAIN_LIMIT", 60.0)
        await asyncio.wait_for(house.up("c"), 10)
    assert house.desk.running == 0


async def test_who_does_not_want_to_wait_cuts_running_requests_off(house: House) -> None:
    for wish in ("switch", "stop"):
        await house.up("a")
        async with house.desk.lease(RequestRecord("/v1/x", "test")):
            supervisor = house.supervisor
            switches = wish == "switch"
            job = supervisor.switch("b", drain=False) if switches else supervisor.stop(drain=False)
            assert job is not None
            await asyncio.wait_for(house.jobs.ended(job), 10)
            assert job.state == "done"
            assert "a" not in house.engine.alive


async def test_a_stop_that_waits_is_hurried(house: House) -> None:
    await house.up("a")
    async with house.desk.lease(RequestRecord("/v1/x", "test")):
        waiting = house.supervisor.stop()
        await house.until(Phase.DRAINING)
        assert house.supervisor.stop() is waiting
        hurried = house.supervisor.stop(drain=False)
        assert hurried is not None
        await asyncio.wait_for(house.jobs.ended(hurried), 10)
    assert hurried.state == "done"
    assert house.engine.alive == []
    assert house.store.state.phase is Phase.STOPPED


async def test_a_crash_is_seen_explained_and_mended(house: House) -> None:
    await house.up("a")
    house.engine.life("a").lines.append("0.1 E srv: GGML_ASSERT failed")
    house.engine.life("a").ended = Vitals(False, 134)
    await house.until(Phase.FAILED)
    assert house.store.state.failure is not None
    assert house.store.state.failure.exit_code == 134
    await house.until(Phase.READY, "a")
    assert house.engine.alive == ["a"]


async def test_a_crash_whose_cause_cannot_be_asked_for_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker itself went away just after its container."""
    monkeypatch.setattr(backoff, "DELAYS", (3600.0,))
    await house.up("a")
    vitals = [Vitals(False, 137)]

    async def once(_: Running) -> Vitals:
        if not vitals:
            raise EngineError("Docker has stopped")
        return vitals.pop()

    monkeypatch.setattr(house.engine, "vitals", once)
    house.engine.life("a").ended = Vitals(False, 137)
    state = await house.until(Phase.FAILED)
    assert state.failure is not None
    assert "Docker has stopped" in state.failure.why


async def test_a_restart_that_cannot_be_tried_is_told(house: House) -> None:
    """Its file is gone by then: nobody is told to wait for it, and nobody waits."""
    await house.up("a")
    house.unusable.add("a")
    house.engine.life("a").ended = Vitals(False, 137)
    await house.until(Phase.FAILED)
    async with asyncio.timeout(10):
        while (failure := house.store.state.failure) is None or "not here" not in failure.what:
            await house.store.changed(house.store.state.version, 5)
    assert (house.store.state.phase, house.store.state.detail) == (Phase.FAILED, "")
    with pytest.raises(Refusal):
        async with house.desk.lease(RequestRecord("/v1/x", "test")):
            pass


async def gone_with_its_engine(house: House) -> None:
    """As with Docker: the restart that follows cannot be tried, which is told."""
    await house.up("a")
    house.away = True
    house.engine.life("a").ended = Vitals(False, 137)
    state = await house.until(Phase.FAILED)
    async with asyncio.timeout(10):
        while state.detail != "starts again once it can":
            state = await house.store.changed(state.version, 5)
    assert (state.phase, state.desired) == (Phase.FAILED, "a")
    assert state.failure is not None
    assert "cannot be used" in state.failure.what


async def test_what_was_away_serves_again_when_it_is_back(house: House) -> None:
    await gone_with_its_engine(house)
    jobs = len(list(house.jobs))
    looked = len(house.returned)
    async with asyncio.timeout(10):
        while len(house.returned) < looked + 5:
            await asyncio.sleep(0.005)
    assert (house.store.state.phase, len(list(house.jobs))) == (Phase.FAILED, jobs)
    house.away = False
    await house.until(Phase.READY, "a")
    assert house.engine.alive == ["a"]


@pytest.mark.parametrize("other", ["", "b"])
async def test_what_was_away_is_not_served_when_something_else_is_wished_for(
    house: House, other: str
) -> None:
    await gone_with_its_engine(house)
    house.away = False
    if other:
        assert (await house.up(other)).state == "done"
    else:
        job = house.supervisor.stop()
        assert job is not None
        await house.jobs.ended(job)
    looked = len(house.returned)
    await asyncio.sleep(0.1)  # ten times what there is between two looks
    assert len(house.returned) == looked
    assert house.engine.alive == ([other] if other else [])


async def test_down_before_a_restart(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not started again, and who asks for it meanwhile is not left waiting."""
    monkeypatch.setattr(backoff, "DELAYS", (3600.0,))
    await house.up("a")
    house.engine.life("a").ended = Vitals(False, 137)
    state = await house.until(Phase.FAILED)
    while "starts again" not in state.detail:
        state = await house.store.changed(state.version, 5)
    job = house.supervisor.stop()
    assert job is not None
    await house.jobs.ended(job)
    assert house.store.state.phase is Phase.STOPPED
    async with asyncio.timeout(5):
        with pytest.raises(Refusal):
            async with house.desk.lease(RequestRecord("/v1/x", "test")):
                pass


async def test_a_crash_loop_is_given_up(house: House) -> None:
    await house.up("a")
    for _ in range(3):
        house.engine.life("a").ended = Vitals(False, 139)
        await house.until(Phase.FAILED)
        await house.until(Phase.READY)
    house.engine.life("a").ended = Vitals(False, 139)
    state = await house.until(Phase.FAILED)
    while "again and again" not in state.detail:
        state = await house.store.changed(state.version, 5)
    assert house.engine.alive == []
    await house.up("b")  # and can be left behind
    assert house.store.state.phase is Phase.READY


async def test_an_idle_model_is_unloaded_and_wakes(house: House) -> None:
    house.idle = 5
    await house.up("a")
    house.desk.last_used -= 10
    await house.until(Phase.ASLEEP)
    assert house.engine.alive == []
    async with house.desk.lease(RequestRecord("/v1/x", "test")) as target:
        assert target.profile == "a"
    assert house.store.state.phase is Phase.READY


async def test_a_load_without_a_sign_of_life_is_ended(house: House) -> None:
    house.attendant._stall_limit = 0.05
    house.engine.script["a"] = ["hangs"]
    job = await house.up("a")
    assert job.state == "failed"
    assert "does not load on" in job.error
    assert house.engine.alive == []


async def test_the_next_studio_adopts_what_runs(house: House, tmp_path: Path) -> None:
    await house.up("a")
    await house.supervisor.close()
    second = House(tmp_path / "second")
    second.engine = house.engine
    second.supervisor = second.new_supervisor()
    await second.adopt()
    assert second.store.state.phase is Phase.READY
    assert second.store.state.engine is not None
    assert second.store.state.engine.adopted
    assert len(house.engine.lives) == 1
    await second.up("b")
    assert house.engine.alive == ["b"]
    await second.close()


async def test_an_engine_that_still_loads_is_adopted_too(house: House, tmp_path: Path) -> None:
    house.engine.script["a"] = ["hangs"]
    house.supervisor.switch("a")
    await house.until(Phase.LOADING)
    second = House(tmp_path / "second")
    second.engine = house.engine
    second.supervisor = second.new_supervisor()
    await second.adopt()
    assert second.store.state.phase is Phase.LOADING
    house.engine.life("a").ready.set()
    await second.until(Phase.READY, "a")
    await second.close()


async def test_leftovers_are_ended(house: House, tmp_path: Path) -> None:
    await house.up("a")
    first = house.engine.life("a")
    await house.engine.start((await house.prepare("b", returns={})).launch)
    second = House(tmp_path / "second")
    second.engine = house.engine
    second.supervisor = second.new_supervisor()
    await house.supervisor.close()
    await second.adopt()
    assert house.engine.alive == ["a"]
    assert first.ended is None
    await second.close()


async def test_a_switch_cancelled_before_the_old_engine_was_touched_changes_nothing(
    house: House,
) -> None:
    await house.up("a")
    async with house.desk.lease(RequestRecord("/v1/x", "test")):
        job = house.supervisor.switch("b")
        assert job is not None
        await house.until(Phase.DRAINING)
        house.jobs.cancel(job.id)
        await house.jobs.ended(job)
        assert job.state == "cancelled"
        assert (house.store.state.phase, house.store.state.profile) == (Phase.READY, "a")
        assert house.store.state.desired == "a"
    async with house.desk.lease(RequestRecord("/v1/x", "test")) as target:
        assert target.profile == "a"
    house.engine.life("a").ended = Vitals(False, 139)  # and it is watched as before
    await house.until(Phase.FAILED)


async def test_an_engine_that_cannot_be_ended_stays_ours_until_it_is(house: House) -> None:
    await house.up("a")
    house.engine.unstoppable.add("a")
    job = await house.up("b")
    assert job.state == "failed"
    assert house.store.state.phase is Phase.FAILED
    assert house.supervisor.serving is not None
    assert house.engine.alive == ["a"]
    house.engine.unstoppable.clear()
    await house.up("b")
    assert house.engine.alive == ["b"]


async def test_a_stop_that_fails_is_told(house: House) -> None:
    await house.up("a")
    house.engine.unstoppable.add("a")
    job = house.supervisor.stop()
    assert job is not None
    assert (await house.jobs.ended(job)).state == "failed"
    state = house.store.state
    assert (state.phase, state.desired, state.profile) == (Phase.FAILED, None, "a")
    assert state.failure is not None
    assert "Docker does not answer" in state.failure.what
    assert state.engine is not None  # it runs
    house.engine.unstoppable.clear()
    again = house.supervisor.stop()
    assert again is not None
    await house.jobs.ended(again)
    assert house.store.state.phase is Phase.STOPPED
    assert house.engine.alive == []


async def test_a_stop_that_is_cancelled_in_time_ends_nothing(house: House) -> None:
    await house.up("a")
    async with house.desk.lease(RequestRecord("/v1/x", "test")):
        job = house.supervisor.stop()
        assert job is not None
        await house.until(Phase.DRAINING)
        house.jobs.cancel(job.id)
        await house.jobs.ended(job)
    assert house.store.state.phase is Phase.READY
    assert house.store.state.desired == "a"
    assert await _profile_served(house) == "a"
    house.engine.life("a").ended = Vitals(False, 139)  # and it is watched as before
    await house.until(Phase.FAILED)


async def test_an_idle_engine_that_cannot_be_ended_is_told(house: House) -> None:
    house.idle = 1
    await house.up("a")
    house.engine.unstoppable.add("a")
    house.desk.last_used -= 10
    state = await house.until(Phase.FAILED, "a")
    assert state.failure is not None
    assert "Docker does not answer" in state.failure.what


async def test_what_is_wished_for_while_an_engine_is_adopted_is_all_that_runs(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.up("a")
    second = House(tmp_path / "second")
    second.engine = house.engine
    second.supervisor = second.new_supervisor()
    await house.supervisor.close()
    wished: list[Job] = []

    async def vitals(running: Running) -> Vitals:
        if not wished and (job := second.supervisor.switch("b")) is not None:
            wished.append(job)
            await second.until(Phase.READY, "b")
        return await ScriptedEngine.vitals(house.engine, running)

    monkeypatch.setattr(house.engine, "vitals", vitals)
    await second.adopt()
    async with asyncio.timeout(10):
        while house.engine.alive != ["b"]:
            await asyncio.sleep(0.005)
    assert second.store.state.profile == "b"
    await second.close()


async def test_a_server_that_does_not_answer_is_not_called_ready(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASK", 0.0)
    monkeypatch.setattr(watch, "SILENT_LIMIT", 0.0)
    await house.up("a")
    house.engine.life("a").ready.clear()
    state = await house.until(Phase.FAILED)
    assert state.failure is not None
    assert state.failure.cause == "out-of-reach"
    waiting = asyncio.create_task(_profile_served(house))
    house.engine.life("a").ready.set()
    await house.until(Phase.READY, "a")
    assert await waiting == "a"
    assert house.store.state.failure is None
    assert len(house.engine.lives) == 1


async def test_an_engine_that_somebody_paused_is_called_so_until_it_goes_on(house: House) -> None:
    await house.up("a")
    house.engine.life("a").resume = "docker unpause it"
    state = await house.until(Phase.FAILED)
    assert state.failure is not None
    assert state.failure.cause == "paused"
    assert "docker unpause it" in state.failure.hint
    house.engine.life("a").resume = ""
    await house.until(Phase.READY, "a")
    assert house.store.state.failure is None
    assert len(house.engine.lives) == 1


async def _profile_served(house: House) -> str:
    async with house.desk.lease(RequestRecord("/v1/x", "test")) as target:
        return target.profile


async def test_memory_is_waited_for_before_the_next_model(house: House) -> None:
    """The driver gives memory back a while after the process is gone."""
    house.free = {"gpu": 10 * GiB}
    await house.up("a")
    seen = house.attendant.now
    assert seen is not None
    seen.held = {"gpu": 8 * GiB}
    house.free = {"gpu": 2 * GiB}
    job = house.supervisor.switch("b")
    assert job is not None
    while not house.engine.life("a").forgotten:
        await asyncio.sleep(0)
    assert house.engine.alive == []
    house.free = {"gpu": 10 * GiB}
    await house.jobs.ended(job)
    assert house.engine.alive == ["b"]
    assert house.returned[-1] == {}
    assert {"gpu": 8 * GiB} in house.returned


async def test_a_crash_while_a_switch_waits_is_no_second_start(house: House) -> None:
    await house.up("a")
    house.engine.life("a").ended = Vitals(False, 139)
    job = await house.up("b")
    assert job.state == "done"
    assert house.engine.alive == ["b"]
