"""On what a benchmark runs: engine, build, arguments, GPUs, driver, host, settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from llm_studio import __version__
from llm_studio.bench.record import Stamp
from llm_studio.engines import embedded
from llm_studio.engines.base import Running
from llm_studio.probes.accelerators import accelerators
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.measured import settings_of
from llm_studio.schema import Sample
from llm_studio.text import untrusted_line


def stamp(
    entry: Entry, running: Running | None, props: Mapping[str, Any], sample: Sample | None
) -> Stamp:
    """Blocks: it looks at the machine."""
    command = list(running.command) if running else []
    model = _after(command, "--model")
    return Stamp(
        studio=__version__,
        engine=running.kind if running else "",
        build=_build(props, command),
        image=running.detail.partition("image ")[2] if running and running.image else "",
        image_id=running.image if running else "",
        command=[untrusted_line(word, limit=2000) for word in command],
        model_file=Path(model).name or untrusted_line(entry.require().model.file or ""),
        settings=settings_of(entry),
        gpus=[
            f"{gpu.name or gpu.kind} {(gpu.memory_total or 0) >> 20} MiB"
            for gpu in (sample.gpus if sample else ())
        ],
        driver=_driver(),
        host=platform.node(),
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def _build(props: Mapping[str, Any], command: Sequence[str]) -> str:
    """As the server says; the one inside the wheel does not know, and its wheel does."""
    if embedded.__name__ in command:
        return embedded.build()
    return untrusted_line(str(props.get("build_info") or ""))


def _after(command: Sequence[str], flag: str) -> str:
    return next((b for a, b in pairwise(command) if a == flag), "")


def _driver() -> str:
    found = accelerators()
    return str(getattr(found, "driver", "") or "")


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    for line in text.splitlines():
        if line.startswith(("model name", "Model")):
            return untrusted_line(line.partition(":")[2].strip())
    return platform.machine()
