"""What the workstation of the pictures was doing: readings, requests, log, a talk, agents."""

from __future__ import annotations

import dataclasses
import math
import random
import re
import time
from typing import Any

from tests.tui.benching import AT, HOUR, run
from tests.tui.monitoring import gpu, history, request, sample

from llm_studio.agents.summary import summary
from llm_studio.bench.record import Run
from llm_studio.engines.failures import Ended, explain
from llm_studio.models.memory import GiB, MiB
from llm_studio.schema import (
    AgentSession,
    DeviceSplit,
    EngineSample,
    GpuProcess,
    GpuSample,
    HostSample,
)
from llm_studio.schema_chat import ConversationSummary, ConversationTold, Figures, MessageTold
from llm_studio.server.agent_routes import agent_statuses
from llm_studio.studio.session_sums import SessionSums
from screenshots.machine import GPUS

SERVED = "qwen3-32b"
CONTEXT = 40_960
DRIVER = 420 * MiB
PAST = 300
"""Seconds of readings before now."""
INSTALLED = {"claude": "2.1.330", "codex": "0.169.0", "opencode": "1.18.33", "aider": "0.86.1"}


LOADED = 266
"""Seconds since the model of the pictures serves; it took the 12 before."""
LOAD = 12
BEFORE = (20_913 * MiB, 0)
"""What the model before it held of each GPU."""
REQUESTS = (
    (247, "/v1/messages", 11_204, 0, 402, 9.71, 31.6),
    (172, "/v1/messages", 11_688, 11_606, 388, 0.31, 31.4),
    (121, "/v1/messages", 12_171, 12_076, 419, 0.34, 31.2),
    (90, "/v1/chat/completions", 642, 12, 318, 0.58, 32.1),
)
"""Seconds ago, route, prompt, of that cached, answer, seconds to the first token, speed."""
RUNNING = 31
"""Seconds since the request began that still runs."""


def _busy(second: int) -> bool:
    """Whether a request ran; the last one still does."""
    ago = PAST - second
    return ago <= RUNNING or any(
        begun - first - answer / speed <= ago <= begun
        for begun, _, _, _, answer, first, speed in REQUESTS
    )


def _reading(second: int) -> bool:
    """Whether its prompt was read then, for more than the blink of an eye."""
    ago = PAST - second
    return any(begun - first <= ago <= begun and first > 1 for begun, *_, first, _ in REQUESTS)


def _noise(second: int, name: str) -> float:
    return random.Random(f"{name}{second}").uniform(-1, 1)


def readings(devices: list[dict[str, Any]], second: int = PAST) -> dict[str, Any]:
    """One second of it; `devices` is what was planned for the model that is served."""
    busy = _busy(second)
    answers = busy and not _reading(second)
    gpus = [_card(index, devices[index], second, busy=busy) for index in range(len(GPUS))]
    engine = EngineSample(
        profile=SERVED, speed=31.4 + 0.6 * _noise(second, "speed") if answers else 0.0,
        prompt_speed=1_180.0 if _reading(second) else 0.0, slots=1, busy=int(busy),
        queue=0, waiting=0, context=CONTEXT, context_used=12_914 + 31 * (second - PAST),
        cache_hits=0.83, draft_acceptance=None,
        memory=[
            DeviceSplit(device=each["name"], weights=each["weights"], context=each["context"],
                        compute=each["compute"])
            for each in devices if each["name"] != "host"
        ],
    )  # fmt: skip
    host = HostSample(
        cpu=7.0 + 3 * _noise(second, "cpu") + (4 if busy else 0), memory_total=64 * GiB,
        memory_available=52 * GiB, engine_mapped=GiB, disk_free=780 * GiB, received=2_100.0,
        sent=48_000.0,
    )  # fmt: skip
    return sample(*gpus, at=time.time() - PAST + second, host=host, engine=engine)


def resting(devices: list[dict[str, Any]], loaded: float = 0.0) -> dict[str, Any]:
    """No request runs; so much of the model is on the GPUs."""
    told = readings(devices, 10)
    for device, card in zip(devices, told["gpus"], strict=False):
        held = device["weights"] + device["context"] + device["compute"]
        card |= {"memory_used": int(held * loaded) + DRIVER, "processes": []}
    return {**told, "time": time.time(), "engine": None}


def _held(index: int, device: dict[str, Any], second: int) -> int:
    """What engines hold of a GPU: the model before, then this one as it loads, then all of it."""
    whole: int = device["weights"] + device["context"] + device["compute"]
    since = second - (PAST - LOADED)
    if since >= 0:
        return whole
    return int(whole * (1 + since / LOAD)) if since >= -LOAD else BEFORE[index]


def _card(index: int, device: dict[str, Any], second: int, *, busy: bool) -> GpuSample:
    name, total = GPUS[index]
    held = _held(index, device, second)
    wave = 4 * math.sin(second / 40 + index)
    share = (96.0, 61.0)[index] if busy else 0.0
    watts, limit = ((262.0, 450.0), (118.0, 300.0))[index]
    mine = GpuProcess(pid=48_211, name="llama-server", memory=held, engine=True)
    return gpu(
        index, name=name.removeprefix("NVIDIA GeForce "), memory_total=total,
        memory_used=held + DRIVER,
        utilisation=max(share + 3 * _noise(second, f"use{index}"), 0) if busy else 0.0,
        temperature=round((58, 51)[index] + wave + (5 if busy else -4)),
        memory_temperature=(72.0, None)[index],
        power=round(watts + 14 * _noise(second, f"watt{index}") if busy else (24.0, 18.0)[index]),
        power_limit=limit, fan=(41.0, 34.0)[index], clock=(2_610.0, 2_572.0)[index],
        pcie_generation=(4, 5)[index], pcie_width=(16, 4)[index], processes=[mine],
    )  # fmt: skip


def past(devices: list[dict[str, Any]]) -> dict[str, Any]:
    """The curves of the last minutes, and what happened beside them."""
    seconds = [readings(devices, second) for second in range(PAST)]
    series: dict[str, Any] = {}
    for name in ("memory_used", "utilisation", "temperature", "power"):
        for index in range(len(GPUS)):
            values = [each["gpus"][index][name] for each in seconds]
            series[f"nvidia{index}__{name}"] = values
    for name in ("speed", "prompt_speed"):
        series[f"engine__{name}"] = [each["engine"][name] for each in seconds]
    series["host__cpu"] = [each["host"]["cpu"] for each in seconds]
    now = time.time()
    told: dict[str, Any] = history(step=1.0, points=PAST, end=now, **series)
    told["marks"] = [
        _mark(1, now - 7_300, "loaded", "glm-flash-q4", "glm-flash-q4 loaded in 9.8 s"),
        _mark(2, now - LOADED, "switched", SERVED, f"{SERVED} loaded in 12.4 s"),
    ]
    return told


def _mark(seq: int, at: float, kind: str, about: str, text: str) -> dict[str, Any]:
    return {
        "seq": seq, "time": at, "kind": kind, "level": "info", "about": about, "text": text,
        "over": False,
    }  # fmt: skip


def requests() -> list[dict[str, Any]]:
    now = time.time()
    return [
        request(
            seq, route=route, started=now - ago, seconds=first + answer / speed, profile=SERVED,
            model=SERVED, client="claude-cli/2.1" if "messages" in route else "llm-studio-chat",
            prompt_tokens=prompt, cached_tokens=cached, generated_tokens=answer,
            prompt_speed=1_180.0, first_token=first, speed=speed,
        )
        for seq, (ago, route, prompt, cached, answer, first, speed) in enumerate(REQUESTS, 1)
    ]  # fmt: skip


LOG = """\
studio info Serve qwen3-32b: glm-flash-q4 is stopped, 20.4 GiB of GPU memory are free again
engine info 0.00.214.557 I srv    load_model: loading model '/data/models/Qwen3-32B-Q4_K_M.gguf'
engine info 0.00.602.118 I common_fit_params: successfully fit params to free device memory
engine info 0.00.918.402 I llama_prepare_model_devices: using device CUDA0 (NVIDIA GeForce RTX 4090) - 24144 MiB free
engine info 0.00.918.410 I llama_prepare_model_devices: using device CUDA1 (NVIDIA GeForce RTX 5070 Ti) - 15883 MiB free
engine info 0.02.104.771 I load_tensors: offloaded 65/65 layers to GPU
engine info 0.11.093.340 I llama_context: n_ctx = 40960
engine info 0.11.804.981 I srv  llama_server: model loaded
studio info qwen3-32b is ready after 12.4 s
gateway info claude-cli/2.1 asks for qwen3-32b (POST /v1/messages)
engine info 0.31.118.204 I slot launch_slot_: id  0 | task 0 | processing task, is_child = 0
engine info 0.31.118.260 I slot   operator(): id  0 | task 0 | new prompt, n_ctx_slot = 40960, n_keep = 0, task.n_tokens = 11204
engine info 0.53.550.313 I slot print_timing: id  0 | task 0 | prompt eval time =    9494.92 ms / 11204 tokens (    0.85 ms per token,  1180.00 tokens per second)
engine info 0.53.550.320 I slot print_timing: id  0 | task 0 |        eval time =   12721.52 ms /   402 tokens (   31.65 ms per token,    31.60 tokens per second)
engine info 0.53.550.498 I slot      release: id  0 | task 0 | stop processing: n_tokens = 11605, truncated = 0
gateway warning refused a request from the web page https://example.org: its origin is not this machine
gateway info claude-cli/2.1 asks for qwen3-32b (POST /v1/messages)
engine info 1.46.092.114 I slot   operator(): id  0 | task 403 | cached n_tokens = 11606, memory_seq_rm [11606, end)
engine info 1.58.756.020 I slot print_timing: id  0 | task 403 |        eval time =   12356.69 ms /   388 tokens (   31.85 ms per token,    31.40 tokens per second)
engine info 1.58.756.201 I slot      release: id  0 | task 403 | stop processing: n_tokens = 12076, truncated = 0
gateway info claude-cli/2.1 asks for qwen3-32b (POST /v1/messages)
engine info 2.37.104.950 I slot   operator(): id  0 | task 792 | cached n_tokens = 12076, memory_seq_rm [12076, end)
engine info 2.50.873.411 I slot print_timing: id  0 | task 792 | prompt eval time =     341.07 ms /    95 tokens (    3.59 ms per token,   278.53 tokens per second)
engine info 2.50.873.418 I slot print_timing: id  0 | task 792 |        eval time =   13429.49 ms /   419 tokens (   32.05 ms per token,    31.20 tokens per second)
engine info 2.50.873.602 I slot      release: id  0 | task 792 | stop processing: n_tokens = 12589, truncated = 0
gateway info llm-studio-chat asks for qwen3-32b (POST /v1/chat/completions)
engine info 3.18.531.006 I slot print_timing: id  0 | task 1212 |        eval time =    9906.54 ms /   318 tokens (   31.15 ms per token,    32.10 tokens per second)
engine info 3.18.531.190 I slot      release: id  0 | task 1212 | stop processing: n_tokens = 959, truncated = 0
gateway info claude-cli/2.1 asks for qwen3-32b (POST /v1/messages)
engine info 4.07.020.337 I slot launch_slot_: id  0 | task 1531 | processing task, is_child = 0
"""  # noqa: E501 - as engines write
_STAMP = re.compile(r"engine \w+ (\d+)\.(\d+)\.(\d+)\.")


def log() -> list[tuple[float, str]]:
    """Its lines, each at the moment that the engine wrote in it. What the studio says comes after
    such a line, and what the gateway says before the next."""
    begun = time.time() - LOADED - LOAD
    lines = LOG.splitlines()
    stamps = [_STAMP.match(line) for line in lines]
    moments = [
        60 * int(stamp[1]) + int(stamp[2]) + int(stamp[3]) / 1000 if stamp else None
        for stamp in stamps
    ]
    told = []
    for at, line in enumerate(lines):
        known = moments[at::-1] if line.startswith("studio") else moments[at:]
        told.append((begun + next((each for each in known if each is not None), 0.0), line))
    return told


OUT_OF_MEMORY = (
    "0.04.311.870 E ggml_backend_cuda_buffer_type_alloc_buffer: "
    "allocating 9866.00 MiB on device 1: cudaMalloc failed: out of memory",
    "0.04.311.902 E alloc_tensor_range: failed to allocate CUDA1 buffer of size 10345252864",
    "0.04.498.033 E srv  llama_server: exiting due to model loading error",
)


def failure() -> dict[str, Any]:
    """As the studio explains the lines above."""
    found = explain(Ended(exit_code=1, lines=OUT_OF_MEMORY))
    return {
        "what": found.what, "why": found.why, "hint": found.hint, "cause": found.cause,
        "exit_code": 1, "out_of_memory": False, "last_lines": list(OUT_OF_MEMORY),
    }  # fmt: skip


def benchmarks() -> list[Run]:
    """Results of some days: speed, under two images, and coding."""

    def measured(number: int, suite: str, id_: str, hours: float, **values: Any) -> Run:
        age = AT - time.time() + hours * HOUR
        made = run(number, suite, id_, age=age, **values)
        names = [f"{name} {total // MiB} MiB" for name, total in GPUS]
        stamp = made.stamp.model_copy(
            update={
                "gpus": names,
                "host": "gpubox",
                "cpu": "AMD Ryzen 9 7950X",
                "image": "llama.cpp:server-cuda13",
                "image_id": IMAGES[made.stamp.build],
                "model_file": f"{BENCHED[id_].replace(' ', '-')}.gguf",
            }
        )
        begun = time.strftime("%Y%m%d-%H%M%S", time.gmtime(made.started))
        told = {"id": f"{begun}-{suite}-{id_}", "name": BENCHED[id_], "stamp": stamp}
        return made.model_copy(update=told)

    return [
        measured(1, "speed", SERVED, 194.3, speed=33.4, build="b11402"),
        measured(2, "humaneval", "gpt-oss-20b", 191.8, right=126, of=164, build="b11402"),
        measured(3, "speed", "gpt-oss-120b", 98.6, speed=27.8, build="b11669"),
        measured(4, "speed", "gpt-oss-20b", 98.2, speed=171.2, build="b11669"),
        measured(5, "speed", "qwen3-coder-30b-a3b", 97.9, speed=138.6, build="b11669"),
        measured(6, "speed", "glm-flash-q4", 50.4, speed=96.4, build="b11669"),
        measured(7, "speed", SERVED, 26.7, speed=31.9, build="b11669"),
        measured(8, "humaneval", "qwen3-coder-30b-a3b", 26.1, right=138, of=164, build="b11669"),
        measured(9, "humaneval", "glm-flash-q4", 25.2, right=131, of=164, build="b11669"),
        measured(10, "humaneval", SERVED, 3.4, right=143, of=164, build="b11669"),
    ]


REGRESSED = {6: 0}
"""Which of them is worse than which, by their places."""
IMAGES = {
    "b11402": "sha256:9b1e5ac04f37d26b8e70c51f",
    "b11669": "sha256:4c7d20f1b8a963e5d7f0429c",
}
BENCHED = {
    SERVED: "Qwen3 32B Q4_K_M", "glm-flash-q4": "GLM-4.7 Flash Q4_K_M",
    "gpt-oss-20b": "gpt-oss 20B MXFP4", "gpt-oss-120b": "gpt-oss 120B F16",
    "qwen3-coder-30b-a3b": "Qwen3-Coder 30B-A3B Instruct Q4_K_M",
}  # fmt: skip
QUESTION = "Write a function that merges overlapping intervals, and say how fast it is."
THOUGHT = "Sort by start, then walk once. Touching intervals should merge too, I think."
ANSWER = """\
Sort the intervals by their start, then walk over them once:

```python
def merge(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
```

- **Time:** O(n log n), for the sort; the walk is linear.
- **Memory:** O(n) for the result.

Intervals that only *touch*, like `(1, 3)` and `(3, 5)`, become one.
"""


def talk() -> tuple[dict[str, Any], dict[str, Any]]:
    """A conversation, and its line in the list."""
    now = time.time()
    figures = Figures(
        seconds=9.9, first_token=0.58, thought_seconds=1.9, thought_tokens=61, prompt_tokens=642,
        cached_tokens=12, generated_tokens=318, prompt_speed=1_180.0, speed=32.1, context=CONTEXT,
    )  # fmt: skip
    summary = ConversationSummary(
        id="c1", title="Merging overlapping intervals", created=now - 90, changed=now - 60,
        messages=2, profile=SERVED, private=False, running=False,
    )  # fmt: skip
    said = MessageTold(id=1, parent=0, role="user", at=now - 90, text=QUESTION)
    answer = MessageTold(
        id=2, parent=1, role="assistant", at=now - 80, text=ANSWER, thought=THOUGHT,
        profile=SERVED, figures=figures,
    )  # fmt: skip
    whole = {"summary": summary, "messages": [said, answer], "leaf": 2, "unsaved": ""}
    told = ConversationTold.model_validate({**whole, "settings": {}})
    return told.model_dump(mode="json"), summary.model_dump(mode="json")


FACTS = {
    "profile": SERVED, "ready": True, "state": "ready", "context": CONTEXT, "vision": False,
    "levels": [], "settings": [],
}  # fmt: skip


def agents() -> list[dict[str, Any]]:
    """The agents that there are, some of them installed."""
    found = [each.model_dump(mode="json") for each in agent_statuses("")]
    return [
        {**each, "installed": each["id"] in INSTALLED, "version": INSTALLED.get(each["id"], ""),
         "path": f"~/.local/bin/{each['id']}" if each["id"] in INSTALLED else "", "old": False,
         "fence": "bubblewrap" if each["id"] in INSTALLED else "", "unfenced": ""}
        for each in found
    ]  # fmt: skip


def sessions() -> list[dict[str, Any]]:
    now = time.time()

    def one(sums: dict[str, Any], **values: Any) -> dict[str, Any]:
        figures = {**dataclasses.asdict(SessionSums()), **sums}
        told = ("requests", "prompt_tokens", "cached_tokens", "generated_tokens")
        return AgentSession.model_validate({
            "agent": "claude", "profile": SERVED, "context": CONTEXT, "protection": "bubblewrap",
            "ended": None, "alive": True, "last": now - 20, "summary": summary(figures),
            "advice": [], **{key: figures[key] for key in told}, **values,
        }).model_dump(mode="json")  # fmt: skip

    return [
        one({"requests": 14, "prompt_tokens": 151_320, "cached_tokens": 137_904,
             "generated_tokens": 5_208, "waited": 17.6, "calls": 11},
            id="7f3a", directory="~/src/ledger", activity="answering", started=now - 740),
        one({"requests": 31, "prompt_tokens": 402_118, "cached_tokens": 371_200,
             "generated_tokens": 11_940, "waited": 31.2, "calls": 24},
            id="51c0", agent="opencode", directory="~/src/site", activity="ended", alive=False,
            started=now - 9_400, ended=now - 8_100, profile="qwen3-coder-30b-a3b"),
    ]  # fmt: skip
