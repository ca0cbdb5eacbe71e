"""A sample in the lines of `llm-studio status`."""

from __future__ import annotations

from typing import Any

from llm_studio.cli.figures import figures
from llm_studio.schema import DeviceSplit, EngineSample, GpuSample, HostSample, Mark, Sample

GiB = 1 << 30


def told(**parts: Any) -> list[str]:
    sample = Sample(seq=1, time=1000.0, **{"host": HostSample(), **parts})
    return list(figures(sample.model_dump()))


def test_an_engine_its_memory_and_the_gpus() -> None:
    gpu = GpuSample(
        id="nvidia0", kind="nvidia", index=0, name="RTX 4090", memory_used=21 * GiB,
        memory_total=24 * GiB, utilisation=97, temperature=71, power=320.4,
        throttle=["power limit"],
    )  # fmt: skip
    split = DeviceSplit(device="CUDA0", weights=16 * GiB, context=4 * GiB, compute=GiB)
    engine = EngineSample(
        profile="p", speed=42.06, prompt_speed=810.0, slots=4, busy=1, context=131072,
        context_used=3012, memory=[split],
    )  # fmt: skip
    host = HostSample(memory_total=64 * GiB, memory_available=30 * GiB, engine_mapped=2 * GiB)
    assert told(gpus=[gpu], engine=engine, host=host) == [
        "  speed     42.1 tokens/s, reading 810/s, 1 of 4 slots busy, 3,012 of 131,072 tokens",
        "  CUDA0     16.0 GiB weights, 4.0 GiB context, 1.0 GiB compute",
        "  GPU 0     RTX 4090: 21.0 GiB of 24.0 GiB, 97 %, 71 °C, 320 W, slowed by power limit",
        "  host      30.0 GiB of 64.0 GiB free, 2.0 GiB hold the engine's files",
    ]


def test_what_is_not_known_is_left_out() -> None:
    assert told() == []
    assert told(engine=EngineSample(profile="p")) == []
    gpu = GpuSample(id="apple0", kind="apple", index=0, temperature=50)
    assert told(gpus=[gpu]) == ["  GPU 0     apple: 50 °C"]


def test_alerts_are_told_while_they_hold() -> None:
    hot, lost = (
        Mark(seq=1, time=1, kind=kind, level="warning", about="nvidia0", text=f"GPU 0 is {kind}")
        for kind in ("hot", "gpu")
    )
    assert told(alerts=[hot, lost]) == ["  GPU 0 is hot"]


def test_what_is_old_or_lost_says_so() -> None:
    stale = GpuSample(id="n0", kind="nvidia", index=0, power=9, stale=True, time=988.0)
    lost = GpuSample(id="n1", kind="nvidia", index=1, name="A\x1b[2J", fault="The GPU is lost")
    lines = told(gpus=[stale, lost], notes=["The driver\x1b is gone"])
    assert lines[0] == "  GPU 0     nvidia: 9 W (12 s ago)"
    assert "The GPU is lost" in lines[1]
    assert not [line for line in lines if "\x1b" in line]
