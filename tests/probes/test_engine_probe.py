"""What llama-server tells of its work: recorded answers, and the embedded engine itself."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.probes.engine import EngineProbe
from llm_studio.schema import EngineSample

pytestmark = pytest.mark.anyio


def slot(**told: Any) -> dict[str, Any]:
    """As build 11549 tells it, without its parameters."""
    return {"id": 0, "n_ctx": 2048, "speculative": False, "is_processing": False, **told}


def working(decoded: int, read: int = 801, cached: int = 0) -> dict[str, Any]:
    return slot(
        is_processing=True,
        id_task=1,
        n_prompt_tokens=read + cached + decoded,
        n_prompt_tokens_processed=read,
        n_prompt_tokens_cache=cached,
        next_token=[{"has_next_token": True, "n_remain": 1251, "n_decoded": decoded}],
    )


class Recorded:
    """An engine whose answers are as they are set, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.counters: dict[str, float] | None = {}
        self.slots: Any = []
        self.asked: list[str] = []
        self.now = 100.0
        self.probe = EngineProbe(clock=lambda: self.now)
        self.probe._client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer key"
        self.asked.append(request.url.path)
        if request.url.path == "/slots":
            content = self.slots if isinstance(self.slots, str) else json.dumps(self.slots)
            return httpx.Response(200, text=content)
        if self.counters is None:
            return httpx.Response(501, json={"error": {"type": "not_supported_error"}})
        lines = [
            f"# HELP llamacpp:{name} x\nllamacpp:{name} {value}"
            for name, value in self.counters.items()
        ]
        return httpx.Response(200, text="\n".join(lines))

    async def read(self, *, slots: bool = True) -> EngineSample:
        return EngineSample(**await self.probe.read("http://engine", "key", slots=slots))


@pytest.fixture
async def engine() -> AsyncIterator[Recorded]:
    recorded = Recorded()
    yield recorded
    await recorded.probe.close()


async def test_speed_is_what_is_generated_now_not_an_average(engine: Recorded) -> None:
    engine.counters = {"tokens_predicted_total": 5000, "prompt_tokens_total": 801}
    engine.slots = [working(100), working(40)]
    assert (await engine.read()).speed is None
    engine.now += 2
    engine.slots = [working(160), working(80)]
    assert (await engine.read()).speed == 50
    # One ends: the counter takes over what was in flight.
    engine.now += 1
    engine.counters["tokens_predicted_total"] = 5000 + 170
    engine.slots = [slot(), working(90)]
    assert (await engine.read()).speed == 20


async def test_a_request_that_ends_between_two_questions_is_no_negative_speed(
    engine: Recorded,
) -> None:
    engine.counters = {"tokens_predicted_total": 0}
    engine.slots = [working(100)]
    await engine.read()
    engine.now += 1
    engine.slots = [working(150)]
    assert (await engine.read()).speed == 50
    engine.now += 1
    engine.slots = [slot()]  # over, and not in the counter yet
    assert (await engine.read()).speed == 50
    engine.now += 1
    engine.counters["tokens_predicted_total"] = 210
    assert (await engine.read()).speed == 30  # 60 tokens in two seconds


async def test_an_engine_that_counts_anew_does_not_stay_silent(engine: Recorded) -> None:
    engine.counters = {"tokens_predicted_total": 900}
    await engine.read()
    engine.counters = {"tokens_predicted_total": 0}
    for _ in range(7):
        engine.now += 1
        found = await engine.read()
    engine.counters = {"tokens_predicted_total": 10}
    engine.now += 1
    found = await engine.read()
    assert found.speed == 10


async def test_after_a_pause_the_speed_is_of_now(engine: Recorded) -> None:
    engine.counters = {"tokens_predicted_total": 0}
    await engine.read()
    engine.now += 9
    engine.probe.idle()
    engine.now += 1
    engine.counters = {"tokens_predicted_total": 30}
    assert (await engine.read()).speed == 30


async def test_prompts_are_counted_while_they_are_read(engine: Recorded) -> None:
    engine.counters = {"tokens_predicted_total": 0, "prompt_tokens_total": 1000}
    engine.slots = [working(0, read=512)]
    await engine.read()
    engine.now += 1
    engine.slots = [working(0, read=1536)]
    found = await engine.read()
    assert (found.prompt_speed, found.speed) == (1024, 0)
    engine.now += 1
    engine.slots = [working(3, read=2000)]
    engine.counters["prompt_tokens_total"] = 3000
    found = await engine.read()
    assert (found.prompt_speed, found.speed) == (464, 3)


async def test_slots_queue_context_cache_and_drafts(engine: Recorded) -> None:
    engine.counters = {
        "prompt_tokens_total": 300,
        "prompt_tokens_cached_total": 900,
        "requests_processing": 1,
        "requests_deferred": 3,
        "spec_decode_num_draft_tokens_total": 200,
        "spec_decode_num_accepted_tokens_total": 150,
    }
    engine.slots = [slot(), working(200, read=100, cached=900)]
    found = await engine.read()
    assert (found.slots, found.busy, found.queue) == (2, 1, 3)
    assert (found.context, found.context_used) == (2048, 1200)
    assert found.slot_tokens == [0, 1200]
    assert (found.cache_hits, found.draft_acceptance) == (0.75, 0.75)


async def test_an_older_build_tells_less(engine: Recorded) -> None:
    """No counters (no --metrics), no prompt tokens in the slots, `next_token` no list."""
    engine.counters = None
    engine.slots = [slot(is_processing=True, next_token={"n_decoded": 7})]
    found = await engine.read()
    assert (found.speed, found.queue, found.cache_hits, found.context_used) == (None,) * 4
    assert (found.slots, found.busy, found.context) == (1, 1, 2048)


async def test_a_server_that_tells_nothing_is_left_alone_for_a_while(engine: Recorded) -> None:
    engine.counters, engine.slots = None, {"error": "no such route"}
    await engine.read()
    asked = len(engine.asked)
    engine.now += 5
    assert (await engine.read()).speed is None
    assert len(engine.asked) == asked
    engine.now += 60
    engine.slots = [slot()]
    assert (await engine.read()).slots == 1


async def test_slots_are_not_asked_where_that_keeps_a_model_awake(engine: Recorded) -> None:
    engine.counters = {"requests_processing": 1}
    found = await engine.read(slots=False)
    assert (engine.asked, found.busy, found.slots) == (["/metrics"], 1, None)


@pytest.mark.parametrize(
    "slots",
    ["", "nonsense", "{}", "[1]", "[null]", '[{"next_token": [], "n_ctx": -5}]', "[" * 10_000,
     '[{"is_processing": 1, "n_ctx": 1e999, "next_token": "x"}]', '[{"n_ctx": true}]'],
)  # fmt: skip
async def test_nonsense_is_no_figure(engine: Recorded, slots: str) -> None:
    engine.counters = {"tokens_predicted_total": float("nan"), "requests_deferred": 1e300}
    engine.slots = slots
    found = await engine.read()
    assert (found.speed, found.queue, found.context) == (None, None, None)


async def test_an_engine_out_of_reach_is_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    probe = EngineProbe()
    found = EngineSample(**await probe.read(f"http://127.0.0.1:{port}", "key"))
    assert (found.speed, found.slots) == (None, None)
    await probe.close()


async def test_the_real_engine_generates_what_the_speeds_add_up_to(tmp_path: Path) -> None:
    """Speed times time, over an answer, is the number of its tokens."""
    model = write_tiny_llama(tmp_path / "tiny.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "key").write_text("key")
    arguments = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--metrics"]
    arguments += ["--api-key-file", str(tmp_path / "key"), "--ctx-size", "4096", "--threads", "1"]
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "llm_studio.engines.embedded", *arguments,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "app"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    address, probe = f"http://127.0.0.1:{port}", EngineProbe()
    headers = {"Authorization": "Bearer key"}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
            async with asyncio.timeout(30):
                while True:
                    try:
                        if (await client.get(f"{address}/health")).status_code == 200:
                            break
                    except httpx.HTTPError:
                        await asyncio.sleep(0.05)
            body = {"prompt": "the sea " * 30, "max_tokens": 1000, "ignore_eos": True}
            await probe.read(address, "key")
            last = time.monotonic()
            asked = asyncio.create_task(client.post(f"{address}/v1/completions", json=body))
            added, seen, done = 0.0, [], False
            while not done:
                done = asked.done()
                await asyncio.sleep(0.05)
                found = EngineSample(**await probe.read(address, "key"))
                now = time.monotonic()
                added, last = added + (found.speed or 0) * (now - last), now
                seen.append(found)
            usage = (await asked).json()["usage"]
    finally:
        engine.kill()
        await engine.wait()
        await probe.close()
    assert usage["completion_tokens"] == 1000
    assert added == pytest.approx(1000, rel=0.1)
    assert max(found.busy or 0 for found in seen) == 1
    filled = max(found.context_used or 0 for found in seen)
    assert usage["prompt_tokens"] <= filled <= usage["prompt_tokens"] + 1000
