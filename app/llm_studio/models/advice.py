"""What would make a model fit better, each with what it gains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llm_studio.models.fit import Fit, Planner, Request, Verdict
from llm_studio.models.memory import MiB


def advise(request: Request, fit: Fit) -> Iterator[str]:
    """Changes worth making, most useful first."""
    arch = request.footprint.architecture
    if not arch.known:
        yield (
            f"The architecture {arch.name or 'of this file'!r} is not known here: weights are "
            "exact, the cache and the compute buffer are a guess."
        )
    if fit.verdict is Verdict.TOO_BIG:
        yield from _too_big(request, fit)
    elif fit.verdict is Verdict.EXPERTS_ON_CPU:
        moved = len(fit.estimate.placement.experts_on_host)
        told = "" if request.placed else " A smaller quantisation, or less context, moves fewer."
        yield (
            f"The experts of {moved} of {arch.block_count} layers stay in host memory, which "
            f"slows generation.{told}"
        )
    elif fit.verdict is Verdict.LAYERS_ON_CPU:
        count = fit.estimate.placement.on_host
        yield (
            f"{count} of {arch.block_count} layers are computed by the processor, several times "
            "slower than by the GPU. A smaller quantisation or a smaller model would be faster."
        )
    if fit.largest_context > fit.estimate.context and request.context is None:
        where = ", with more of the model in host memory" if fit.devices else ""
        yield (
            f"A context of {fit.largest_context:,} is possible{where}: set server.context to what "
            "you need."
        )
    wanted = request.context or arch.trained_context
    if fit.verdict is Verdict.ONE_GPU and len(fit.devices) > 1 and fit.largest_context < wanted:
        yield from _all_gpus(request, fit)
    if fit.largest_context < wanted and request.serving.cache_type_k in ("f16", "bf16", "f32"):
        yield from _quantised_cache(request, fit)
    if fit.estimate.host.total > fit.host.available and fit.verdict is not Verdict.TOO_BIG:
        yield (
            f"It needs {_mib(fit.estimate.host.total)} of host memory and "
            f"{_mib(fit.host.available)} are free now: close other programs, or it will swap."
        )


def _too_big(request: Request, fit: Fit) -> Iterator[str]:
    pairs = zip(fit.devices, fit.estimate.devices, fit.room, strict=True)
    for device, usage, room in pairs:
        if usage.total > room:
            yield f"{device.name} lacks {_mib(usage.total - room)}."
    lacking = fit.estimate.host.total - fit.host_room
    if lacking > 0:
        yield f"Host memory lacks {_mib(lacking)}."
    if fit.largest_context and request.context:
        yield f"With a context of {fit.largest_context:,} it would fit."
    elif request.placed and _fits_unplaced(request, fit):
        yield 'Leave the placement to llm-studio: unset gpu_layers and the like, or use "auto".'
    else:
        yield "Choose a smaller quantisation or a smaller model."


def _fits_unplaced(request: Request, fit: Fit) -> bool:
    plain = replace(request.serving, gpu_layers=None, cpu_moe=False, n_cpu_moe=0, tensor_split=())
    again = replace(request, placed=False, serving=plain)
    return Planner(again, fit.devices, fit.host).plan().fits


def _all_gpus(request: Request, fit: Fit) -> Iterator[str]:
    """How much more context all GPUs together would hold."""
    again = Planner(replace(request, spread=True), fit.devices, fit.host).plan()
    if again.verdict is Verdict.SPLIT and again.largest_context > fit.largest_context:
        yield (
            f'It is kept on one GPU, which is fastest. split_mode = "layer" spreads it over all '
            f"and makes room for a context of {again.largest_context:,}."
        )


def _quantised_cache(request: Request, fit: Fit) -> Iterator[str]:
    """How much more context an 8-bit cache would hold, found by planning again."""
    if fit.verdict in (Verdict.LAYERS_ON_CPU, Verdict.TOO_BIG) and not fit.devices:
        return
    serving = replace(request.serving, cache_type_k="q8_0", cache_type_v="q8_0")
    again = Planner(replace(request, serving=serving), fit.devices, fit.host).plan()
    if again.verdict is fit.verdict and again.largest_context > fit.largest_context:
        yield (
            'cache_type_k = cache_type_v = "q8_0" makes room for a context of '
            f"{again.largest_context:,} instead of {fit.largest_context:,}."
        )
    elif fit.verdict is Verdict.TOO_BIG and again.fits:
        yield 'With cache_type_k = cache_type_v = "q8_0" it would fit.'


def _mib(size: int) -> str:
    return f"{size / MiB:,.0f} MiB"
