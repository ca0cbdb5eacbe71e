"""Readings of machines, as the studio tells them; made up, and labelled so by their GPUs' names."""

from __future__ import annotations

import time
from typing import Any

from llm_studio.schema import DeviceSplit, EngineSample, GpuProcess, GpuSample, HostSample, Sample

GiB = 1 << 30
AT = 1_700_000_000.0


def gpu(index: int, **values: Any) -> GpuSample:
    told = {
        "name": f"NVIDIA Imagined {index}", "memory_total": 24 * GiB,
        "memory_used": 18 * GiB, "utilisation": 87.0, "temperature": 62.0,
        "memory_temperature": 78.0, "power": 310.0, "power_limit": 450.0, "fan": 45.0,
        "clock": 2520.0, "throttle": [], "pcie_generation": 4, "pcie_width": 16,
        "pcie_sent": 1e6, "pcie_received": 2.5e9,
        "processes": [GpuProcess(pid=4711, name="llama-server", memory=17 * GiB, engine=True)],
    }  # fmt: skip
    return GpuSample(id=f"nvidia{index}", kind="nvidia", index=index, **{**told, **values})


HOST = HostSample(
    cpu=23.0, memory_total=64 * GiB, memory_available=52 * GiB, engine_mapped=8 * GiB,
    disk_free=780 * GiB, received=1200.0, sent=300.0,
)  # fmt: skip
ENGINE = EngineSample(
    profile="glm", speed=42.13, prompt_speed=812.0, slots=4, busy=2, queue=1, waiting=1,
    context=32768, context_used=11000, slot_tokens=[11000, 0, 6000, 0], cache_hits=0.71,
    draft_acceptance=0.62,
    memory=[DeviceSplit(device="GPU 0", weights=16 * GiB, context=3 * GiB, compute=GiB // 4)],
)  # fmt: skip


def sample(*gpus: GpuSample, at: float = AT, **values: Any) -> dict[str, Any]:
    """One sample, as it travels."""
    whole = {"host": HOST, "engine": ENGINE, **values}
    return Sample(seq=1, time=at, gpus=list(gpus), **whole).model_dump()


def history(*, step: float = 1.0, points: int = 60, end: float = AT, **series: Any) -> Any:
    """A page of the past; each series is a list of values, or of (least, most)."""

    def curve(values: list[Any]) -> dict[str, list[float | None]]:
        spans = [value if isinstance(value, tuple) else (value, value) for value in values]
        return {"min": [s[0] for s in spans], "mean": [None] * len(spans),
                "max": [s[1] for s in spans]}  # fmt: skip

    times = [end - step * (points - 1 - i) for i in range(points)]
    curves = {name.replace("__", "."): curve(values) for name, values in series.items()}
    return {"resolution": step, "times": times, "series": curves, "marks": [], "known": []}


def request(seq: int, **values: Any) -> dict[str, Any]:
    return {
        "seq": seq, "route": "/v1/chat/completions", "client": "claude-cli/2.1", "profile": "glm",
        "model": "glm", "image": "", "started": time.time() - 60 * seq - 5,
        "seconds": 3.1, "first_token": 0.42,
        "prompt_tokens": 12345, "cached_tokens": 12000, "generated_tokens": 321,
        "prompt_speed": 900.0, "speed": 41.7, "status": 200, "outcome": "done", **values,
    }  # fmt: skip
