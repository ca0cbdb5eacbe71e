"""The screens as they were looked at and kept: sizes, and what is empty, wrong or narrow."""

from __future__ import annotations

import math

import pytest
from tests.tui.looking import opened
from tests.tui.monitoring import GiB, gpu, history, request, sample
from tests.tui.scripted_studio import ScriptedStudio, profile

from llm_studio.schema import HostSample

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (120, 40), (200, 60)]
SAMPLE = {
    "seq": 1, "time": 0.0,
    "gpus": [
        {"id": "nvidia0", "memory_total": 24 << 30, "memory_used": 18 << 30},
        {"id": "nvidia1", "memory_total": 16 << 30, "memory_used": 15 << 30},
    ],
    "engine": {"speed": 42.13, "context": 32768, "context_used": 8192},
}  # fmt: skip


@pytest.fixture
def busy(studio: ScriptedStudio) -> ScriptedStudio:
    """A workstation in use."""
    studio.profiles = [
        profile("qwen3-8b", name="Qwen3 8B Q4_K_M", speed=88.4, tags=["chat", "tools"]),
        profile("glm-flash-q4", name="GLM-4.7 Flash Q4_K_M", size=17 << 30, context=131072,
                fit="split", badge="2 GPUs", parameters="30.0B", summary="Fast tasks, reasoning"),
        profile("gpt-oss-120b", name="gpt-oss 120B MXFP4", size=60 << 30, fit="experts-on-cpu",
                badge="experts on CPU", parameters="117B", quantisation="MXFP4"),
        profile("broken-one", state="broken", fit=None, badge="", size=None, context=None,
                problems=["line 3"], parameters=None, quantisation=None),
        profile("llama-3.3-70b", state="missing", fit=None, badge="", size=None, context=None,
                shipped=True, parameters=None, quantisation=None),
    ]  # fmt: skip
    studio.files = [{
        "name": "SmolLM3-3B-Q8_0.gguf", "size": 3 << 30, "place": "huggingface",
        "quantisation": "Q8_0", "parameters": "3.1B", "problem": "",
    }]  # fmt: skip
    studio.logs("srv  load_model: loading model '/models/qwen3-8b.gguf'", "srv  init: model loaded")
    studio.logs("the gateway refused a request from a web page", level="warning", source="gateway")
    studio.logs("CUDA error: out of memory", level="error")
    studio.logs("qwen3-8b is ready after 4.2 s", source="studio")
    return studio


@pytest.mark.parametrize("size", SIZES)
async def test_models(busy: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(busy, size=size) as look:
        busy.serves("qwen3-8b")
        busy.tell("sample", SAMPLE)
        await look.until("42.1 tok/s")
        await look.until("█ weights")
        await look.same_as_before("models")


async def test_models_while_loading(busy: ScriptedStudio) -> None:
    async with opened(busy, size=(120, 40)) as look:
        busy.job("j1", "running")
        busy.becomes(
            state="loading", profile="glm-flash-q4", desired="glm-flash-q4",
            stage="reading the file", progress=0.37,
        )  # fmt: skip
        await look.until("loading 37%")
        await look.until("█ weights")
        await look.same_as_before("models-loading")


@pytest.mark.parametrize("size", SIZES)
async def test_models_with_nothing(studio: ScriptedStudio, size: tuple[int, int]) -> None:
    studio.profiles = []
    async with opened(studio, size=size) as look:
        await look.until("No model of yours is here yet")
        assert str(look.app.settings.models[0]) in "".join(map(str.strip, look.lines))


@pytest.mark.parametrize("size", SIZES)
async def test_logs(busy: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(busy, size=size) as look:
        await look.press("3")
        await look.until("is ready after")
        await look.same_as_before("logs")


async def test_logs_narrowed(busy: ScriptedStudio) -> None:
    async with opened(busy, size=(80, 24)) as look:
        await look.press("3")
        await look.until("is ready after")
        await look.press("l", "l", "slash")
        look.fill("memory")
        await look.press("enter")
        await look.until("1 of 1")
        await look.same_as_before("logs-narrowed")


OVER = [("m", "picker"), ("question_mark", "help")]


@pytest.mark.parametrize(("key", "name"), OVER)
async def test_over_the_pane(busy: ScriptedStudio, key: str, name: str) -> None:
    async with opened(busy, size=(80, 24)) as look:
        await look.until("█ weights")
        await look.press(key)
        await look.same_as_before(name)


async def test_a_question(busy: ScriptedStudio) -> None:
    async with opened(busy, size=(80, 24)) as look:
        busy.serves("qwen3-8b", running=2)
        await look.until("● ready")
        await look.until("█ weights")
        await look.press("down", "enter")
        await look.until("Switch to")
        await look.same_as_before("question")


async def test_an_error(busy: ScriptedStudio) -> None:
    busy.refusals["POST /switch"] = {
        "status": 409, "title": "'qwen3-8b' does not fit into memory",
        "detail": "It needs 31.2 GiB of GPU memory; 23.0 GiB are free.",
        "hint": "Choose a smaller context: [server] context = 32768",
    }  # fmt: skip
    async with opened(busy, size=(80, 24)) as look:
        await look.until("█ weights")
        await look.press("enter")
        await look.until("✗ 'qwen3-8b'")
        await look.same_as_before("error")


async def test_a_stale_link(busy: ScriptedStudio) -> None:
    async with opened(busy, size=(80, 24)) as look:
        busy.serves("qwen3-8b")
        await look.until("● ready")
        await look.until("█ weights")
        await busy.close()
        await look.until("No studio runs, for")
        await look.same_as_before("stale")


@pytest.mark.parametrize("size", SIZES)
async def test_monitor(busy: ScriptedStudio, size: tuple[int, int]) -> None:
    wave = [(10 + 4 * math.sin(i / 20)) * GiB for i in range(300)]
    busy.answers["/history"] = history(
        points=300,
        nvidia0__memory_used=wave,
        nvidia1__memory_used=[5 * GiB] * 300,
        engine__speed=[40.0 if i % 60 < 40 else 0.0 for i in range(300)],
        nvidia0__temperature=[55 + i / 20 for i in range(300)],
    )
    busy.answers["/requests"] = [request(3), request(2, outcome="cancelled"), request(1)]
    async with opened(busy, size=size) as look:
        busy.serves("glm")
        await look.press("2")
        busy.tell("sample", sample(gpu(0), gpu(1, throttle=["temperature"], temperature=91.0)))
        await look.until("42.1 tok/s")
        await look.until("chat/completions")
        await look.same_as_before("monitor")


NARROW = (50, 16)


@pytest.mark.parametrize("size", [NARROW, (80, 24)])
async def test_a_pane_with_nothing_in_it(studio: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(studio, size=size) as look:
        await look.press("3")
        await look.until("No line yet")
        await look.same_as_before("logs-empty")
        await look.press("2")
        await look.until("waiting for the first reading")
        studio.tell("sample", sample(engine=None, host=HostSample()))
        await look.until("nothing is served")
        await look.same_as_before("monitor-empty")


async def test_narrow(busy: ScriptedStudio) -> None:
    async with opened(busy, size=NARROW) as look:
        busy.serves("qwen3-8b")
        busy.tell("sample", sample(gpu(0), gpu(1, temperature=91.0, throttle=["temperature"])))
        await look.until("2 GPUs  131,072 tokens")
        await look.same_as_before("models")
        await look.press("2")
        await look.until("5 min ago")
        await look.same_as_before("monitor")
        await look.press("3")
        await look.until("is ready after")
        await look.press("up")
        await look.until("Nothing more is known")
        await look.same_as_before("logs")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_load_that_failed(busy: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(busy, size=size) as look:
        await look.until("█ weights")
        busy.becomes(
            state="failed", profile="glm-flash-q4", desired="glm-flash-q4",
            failure={
                "cause": "oom", "what": "Not enough GPU memory", "why": "It needed 3.1 GiB more.",
                "hint": "Set server.context to 65536.", "last_lines": ["CUDA error: out of memory"],
            },
        )  # fmt: skip
        await look.until("✗ failed  glm-flash-q4")
        await look.same_as_before("models-failed")
        await look.press("F", "d")
        await look.until("CUDA error: out of memory")
        await look.same_as_before("failure")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_eight_gpus_of_which_one_is_lost(
    studio: ScriptedStudio, size: tuple[int, int]
) -> None:
    gpus = [gpu(index, memory_used=(index + 1) * 2 * GiB) for index in range(8)]
    gpus[2] = gpu(2, throttle=["temperature"], temperature=91.0)
    gpus[4] = gpu(4, memory_used=None, temperature=None, power=None, clock=None, fan=None)
    gpus[6] = gpu(6, fault="The driver lost it.", hint="Restart the machine.")
    async with opened(studio, size=size) as look:
        await look.press("2")
        studio.tell("sample", sample(*gpus))
        await look.until("The driver lost it")
        await look.same_as_before("monitor-eight")
