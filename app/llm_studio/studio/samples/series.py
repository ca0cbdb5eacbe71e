"""A sample as numbers by name: what the history keeps of it."""

from __future__ import annotations

from llm_studio.schema import EngineSample, GpuSample, HostSample, Sample

GPU = (
    "utilisation", "memory_load", "memory_used", "memory_free", "temperature",
    "memory_temperature", "fan", "power", "clock", "memory_clock", "pcie_sent", "pcie_received",
)  # fmt: skip
HOST = (
    "cpu", "memory_used", "memory_available", "swap_used", "disk_free", "received", "sent",
    "engine_memory", "engine_mapped",
)  # fmt: skip
ENGINE = (
    "speed", "prompt_speed", "busy", "queue", "running", "waiting", "context_used", "cache_hits",
    "draft_acceptance",
)  # fmt: skip


def numbers_of(sample: Sample) -> dict[str, float]:
    """Only what was measured now: a stale reading leaves a gap rather than a level line."""
    found: dict[str, float] = {}
    for gpu in sample.gpus:
        if not gpu.stale:
            _add(found, gpu.id, gpu, GPU)
            if gpu.throttle is not None:
                found[f"{gpu.id}.throttled"] = float(slowed(gpu))
    if not sample.host.stale:
        _add(found, "host", sample.host, HOST)
    if sample.engine is not None and not sample.engine.stale:
        _add(found, "engine", sample.engine, ENGINE)
    for engine in sample.beside:
        if not engine.stale:
            _add(found, f"engine:{engine.profile}", engine, ENGINE)
    return found


def _add(
    found: dict[str, float],
    prefix: str,
    reading: GpuSample | HostSample | EngineSample,
    fields: tuple[str, ...],
) -> None:
    for field in fields:
        value = getattr(reading, field)
        if value is not None:
            found[f"{prefix}.{field}"] = float(value)


SLOWED_BY = ("temperature", "temperature (hardware)", "power brake", "hardware slowdown")


def slowed(gpu: GpuSample) -> bool:
    """Whether it must run slower than it should. The power limit is no fault: it is how a GPU
    at full load works."""
    return any(reason in SLOWED_BY for reason in gpu.throttle or ())
