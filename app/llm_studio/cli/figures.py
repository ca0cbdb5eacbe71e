"""A sample in a few lines: what the engine does, and how full and how warm the GPUs are."""

from __future__ import annotations

from llm_studio.cli.output import size, styled
from llm_studio.text import untrusted_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def figures(sample: dict[str, Any]) -> Iterator[str]:
    """Only what is known; what a machine does not tell is left out."""
    engine = sample.get("engine")
    if engine:
        told = ", ".join(_of_engine(engine))
        if told:
            yield f"  speed     {told}{_age(sample, engine)}"
        for split in engine["memory"]:
            parts = (f"{size(split[part])} {part}" for part in ("weights", "context", "compute"))
            yield f"  {untrusted_line(split['device'], limit=20):<9} {', '.join(parts)}"
    for gpu in sample["gpus"]:
        name = untrusted_line(gpu["name"]) or gpu["kind"]
        if gpu["fault"]:
            yield styled(f"  GPU {gpu['index']:<5} {name}: {untrusted_line(gpu['fault'])}", "red")
        else:
            yield f"  GPU {gpu['index']:<5} {name}: {', '.join(_of_gpu(gpu))}{_age(sample, gpu)}"
    for alert in sample.get("alerts", ()):
        if alert["kind"] not in ("gpu", "burst"):  # said by the lines above
            yield styled(f"  {untrusted_line(alert['text'], limit=500)}", "yellow")
    for note in sample["notes"]:
        yield styled(f"  {untrusted_line(note, limit=500)}", "red")
    host = sample["host"]
    if host["memory_total"] and host["memory_available"] is not None:
        line = f"  host      {size(host['memory_available'])} of {size(host['memory_total'])} free"
        mapped = host["engine_mapped"]
        yield line + (f", {size(mapped)} hold the engine's files" if mapped else "")


def _of_engine(engine: dict[str, Any]) -> Iterator[str]:
    if engine["speed"] is not None:
        yield f"{engine['speed']:.1f} tokens/s"
    if engine["prompt_speed"]:
        yield f"reading {engine['prompt_speed']:.0f}/s"
    if engine["slots"] and engine["busy"] is not None:
        yield f"{engine['busy']} of {engine['slots']} slots busy"
    if engine["context_used"] is not None and engine["context"]:
        yield f"{engine['context_used']:,} of {engine['context']:,} tokens"


def _of_gpu(gpu: dict[str, Any]) -> Iterator[str]:
    if gpu["memory_used"] is not None and gpu["memory_total"]:
        yield f"{size(gpu['memory_used'])} of {size(gpu['memory_total'])}"
    for field, unit in (("utilisation", "%"), ("temperature", "°C"), ("power", "W")):
        if gpu[field] is not None:
            yield f"{gpu[field]:.0f} {unit}"
    if gpu["throttle"]:
        yield f"slowed by {untrusted_line(', '.join(gpu['throttle']))}"


def _age(sample: dict[str, Any], part: dict[str, Any]) -> str:
    known = part["stale"] and part["time"]
    return f" ({sample['time'] - part['time']:.0f} s ago)" if known else ""
