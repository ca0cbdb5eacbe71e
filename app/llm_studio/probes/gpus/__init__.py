"""The kinds of GPUs: each module here has a function `probe()` that makes a `GpuProbe`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from llm_studio.probes.gpu import GpuProbe


def gpu_probes() -> list[GpuProbe]:
    """One of each kind that there is code for, whether this machine has such GPUs or not."""
    names = sorted(module.name for module in iter_modules(__path__))
    return [import_module(f"{__name__}.{name}").probe() for name in names]
