"""The samples as Prometheus reads them: a gauge for each figure that was measured just now."""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.schema import EngineSample, GpuSample, Sample

_GPU = (
    ("utilisation", "gpu_utilisation_percent", "Time in which the GPU computed."),
    ("memory_load", "gpu_memory_load_percent", "Time in which its memory was used."),
    ("memory_used", "gpu_memory_used_bytes", "Memory in use."),
    ("memory_total", "gpu_memory_total_bytes", "Memory that it has."),
    ("temperature", "gpu_temperature_celsius", "Of the core."),
    ("memory_temperature", "gpu_memory_temperature_celsius", "Of the memory."),
    ("fan", "gpu_fan_percent", "Of its full speed."),
    ("power", "gpu_power_watts", "What it draws."),
    ("power_limit", "gpu_power_limit_watts", "What it may draw."),
    ("clock", "gpu_clock_megahertz", "Of the core."),
    ("memory_clock", "gpu_memory_clock_megahertz", "Of the memory."),
    ("pcie_sent", "gpu_pcie_sent_bytes_per_second", "From the GPU."),
    ("pcie_received", "gpu_pcie_received_bytes_per_second", "To the GPU."),
    ("ecc_corrected", "gpu_ecc_corrected", "Memory errors since the driver was loaded."),
    ("ecc_uncorrected", "gpu_ecc_uncorrected", "Memory errors since the driver was loaded."),
)
_HOST = (
    ("cpu", "host_cpu_percent", "Of all cores together."),
    ("memory_available", "host_memory_available_bytes", "Free for programs."),
    ("memory_total", "host_memory_total_bytes", "Memory that the machine has."),
    ("swap_used", "host_swap_used_bytes", "Swap in use."),
    ("disk_free", "host_disk_free_bytes", "Free for models."),
    ("engine_memory", "engine_memory_bytes", "Host memory of the engine's own."),
    ("engine_mapped", "engine_mapped_bytes", "Host memory that holds mapped files of the engine."),
)
_ENGINE = (
    ("speed", "engine_tokens_per_second", "Tokens generated now."),
    ("prompt_speed", "engine_prompt_tokens_per_second", "Tokens read now."),
    ("slots", "engine_slots", "Requests that it can work on at once."),
    ("busy", "engine_slots_busy", "Requests that it works on."),
    ("queue", "engine_queue", "Requests that wait inside the engine."),
    ("context_used", "engine_context_used_tokens", "Of the fullest slot."),
    ("context", "engine_context_tokens", "Room in a slot."),
    ("cache_hits", "engine_cache_hit_ratio", "Prompt tokens found in the cache."),
    ("draft_acceptance", "engine_draft_acceptance_ratio", "Drafted tokens accepted."),
)


def sample_metrics(sample: Sample | None) -> Iterator[str]:
    """Nothing where there is no sample of now: a figure of the past would be a lie."""
    if sample is None:
        return
    gpus = [(_gpu_labels(gpu), gpu) for gpu in sample.gpus if not gpu.stale]
    engines: list[EngineSample] = [*filter(None, [sample.engine]), *sample.beside]
    served = [(f'profile="{label(each.profile)}"', each) for each in engines if not each.stale]
    host = [] if sample.host.stale else [("", sample.host)]
    for table, readings in ((_GPU, gpus), (_HOST, host), (_ENGINE, served)):
        for field, name, text in table:
            rows = [
                f"llm_studio_{name}{{{labels}}} {value}" if labels else f"llm_studio_{name} {value}"
                for labels, reading in readings
                if (value := getattr(reading, field)) is not None
            ]
            if rows:
                yield f"# HELP llm_studio_{name} {text}"
                yield f"# TYPE llm_studio_{name} gauge"
                yield from rows
    if sample.gpus:
        yield "# HELP llm_studio_gpu_up Whether the GPU answers."
        yield "# TYPE llm_studio_gpu_up gauge"
        for gpu in sample.gpus:
            yield f"llm_studio_gpu_up{{{_gpu_labels(gpu)}}} {int(not gpu.fault)}"


def _gpu_labels(gpu: GpuSample) -> str:
    return f'gpu="{label(gpu.id)}",uuid="{label(gpu.uuid)}",name="{label(gpu.name)}"'


def label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
