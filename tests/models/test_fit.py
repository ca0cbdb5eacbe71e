"""The planner: one GPU if it can, a split, experts, then layers; the context chosen to fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from tests.standins.architectures import write_architecture

from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import (
    HOST_RESERVE,
    Companion,
    Fit,
    Host,
    Planner,
    Request,
    Verdict,
    plan_fit,
)
from llm_studio.models.gguf import read_header
from llm_studio.models.memory import HOST, Device, Footprint, GiB, MiB, Serving

Load = Callable[[str], Footprint]
ROOMY = Host(512 * GiB, 500 * GiB)
DESKTOP = Host(64 * GiB, 60 * GiB)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    folder = tmp_path_factory.mktemp("models")

    @cache
    def footprint(model: str) -> Footprint:
        return Footprint(Architecture(read_header(write_architecture(model, folder))))

    return footprint


def gpus(*sizes: float) -> list[Device]:
    return [Device(f"GPU {i}", int(size * GiB), int(size * GiB)) for i, size in enumerate(sizes)]


def plan(footprint: Footprint, *sizes: float, host: Host = DESKTOP, **wish: object) -> Fit:
    serving = wish.pop("serving", Serving(parallel=1))
    request = Request(footprint, serving, **wish)  # type: ignore[arg-type]
    return plan_fit(request, gpus(*sizes), host)


@pytest.mark.parametrize(
    ("model", "sizes", "context", "verdict"),
    [
        ("llama-3.1-8b-q4km", (24,), None, Verdict.ONE_GPU),
        ("llama-3.1-8b-q4km", (24, 16), 131072, Verdict.ONE_GPU),
        ("glm-4.7-flash-q4km", (24, 16), None, Verdict.ONE_GPU),
        ("qwen3-32b-q4km", (24, 16), None, Verdict.SPLIT),
        ("gemma-3-27b-q4km", (24, 16), 131072, Verdict.SPLIT),
        ("qwen3-next-80b-a3b-q4km", (24, 16), None, Verdict.EXPERTS_ON_CPU),
        ("qwen3-30b-a3b-q4km", (16,), 32768, Verdict.EXPERTS_ON_CPU),
        ("gpt-oss-120b-mxfp4", (24, 16), 131072, Verdict.EXPERTS_ON_CPU),
        ("qwen3-32b-q4km", (16,), None, Verdict.LAYERS_ON_CPU),
        ("llama-3.1-8b-q4km", (), None, Verdict.CPU),
        ("qwen3-235b-a22b-q4km", (24, 16), None, Verdict.TOO_BIG),
        ("llama-3.3-70b-q4km", (80,), None, Verdict.ONE_GPU),
    ],
)
def test_where_models_go(
    load: Load, model: str, sizes: tuple[int, ...], context: int | None, verdict: Verdict
) -> None:
    fit = plan(load(model), *sizes, context=context)
    assert fit.verdict is verdict
    if fit.fits:
        within_room(fit)
        whole = verdict in (Verdict.ONE_GPU, Verdict.SPLIT)
        assert fit.estimate.context == (context or (fit.largest_context if whole else 32768))


def within_room(fit: Fit) -> None:
    for usage, room in zip(fit.estimate.devices, fit.room, strict=True):
        assert usage.total <= room
    assert fit.estimate.host.total <= fit.host.total - HOST_RESERVE


def test_the_chosen_context_is_the_largest(load: Load) -> None:
    footprint = load("glm-4.7-flash-q4km")
    fit = plan(footprint, 24)
    assert 4096 < fit.largest_context < footprint.architecture.trained_context
    more = plan(footprint, 24, context=fit.largest_context + 512)
    assert more.verdict is not Verdict.ONE_GPU


def test_a_small_gpu_keeps_a_useful_context_rather_than_all_experts(load: Load) -> None:
    """llama.cpp's own fitting would go down to 4,096 tokens here."""
    fit = plan(load("qwen3-30b-a3b-q4km"), 16)
    assert fit.verdict is Verdict.EXPERTS_ON_CPU
    assert fit.chosen["context"] == 32768
    assert len(fit.estimate.placement.experts_on_host) < 24


def test_one_gpu_of_two_is_named_so_that_the_engine_uses_it(load: Load) -> None:
    fit = plan(load("llama-3.1-8b-q4km"), 12, 24)
    assert fit.chosen["split_mode"] == "none"
    assert fit.chosen["main_gpu"] == 1
    assert fit.estimate.devices[0].total == 0
    assert fit.badge == "GPU 1"


def test_a_single_gpu_needs_no_choice(load: Load) -> None:
    assert set(plan(load("llama-3.1-8b-q4km"), 24).chosen) == {"context"}
    assert plan(load("llama-3.1-8b-q4km"), 24, context=8192).chosen == {}


def test_spreading_is_honoured(load: Load) -> None:
    fit = plan(load("llama-3.1-8b-q4km"), 24, 16, spread=True)
    assert fit.verdict is Verdict.SPLIT
    assert "split_mode" not in fit.chosen


def test_a_placement_by_hand_is_measured_not_changed(load: Load) -> None:
    serving = Serving(parallel=1, gpu_layers=99)
    fit = plan(load("qwen3-32b-q4km"), 16, serving=serving, placed=True, context=32768)
    assert fit.verdict is Verdict.TOO_BIG
    assert any("lacks" in advice for advice in fit.advice)
    assert any("Leave the placement" in advice for advice in fit.advice)
    half = replace(serving, gpu_layers=20)
    fit = plan(load("qwen3-32b-q4km"), 16, serving=half, placed=True, context=8192)
    assert fit.verdict is Verdict.LAYERS_ON_CPU
    assert fit.estimate.placement.blocks.count(0) == 19


def test_margins_and_the_gpus_own_needs_come_off(load: Load) -> None:
    device = Device("GPU 0", 24 * GiB, 23 * GiB, overhead=500 * MiB)
    request = Request(load("llama-3.1-8b-q4km"), Serving(), margins=(128 * MiB,))
    fit = plan_fit(request, [device], DESKTOP)
    assert fit.room == (23 * GiB - 628 * MiB,)


def test_margins_may_differ_by_device(load: Load) -> None:
    request = Request(load("llama-3.1-8b-q4km"), Serving(), margins=(128 * MiB, 2048 * MiB))
    assert Planner(request, gpus(24, 16), DESKTOP).room == (24 * GiB - 128 * MiB, 14 * GiB)


def test_host_memory_decides_what_is_too_big(load: Load) -> None:
    model = load("gpt-oss-120b-mxfp4")
    assert plan(model, 24, host=Host(64 * GiB, 60 * GiB)).verdict is Verdict.EXPERTS_ON_CPU
    small = plan(model, 24, host=Host(32 * GiB, 30 * GiB))
    assert small.verdict is Verdict.TOO_BIG
    assert any("Host memory lacks" in advice for advice in small.advice)


def test_experts_go_before_layers_and_only_as_many_as_must(load: Load) -> None:
    model = load("qwen3-30b-a3b-q4km")
    tight, wide = plan(model, 12, context=32768), plan(model, 16, context=32768)
    for fit in (tight, wide):
        assert HOST not in fit.estimate.placement.blocks
    moved = [len(fit.estimate.placement.experts_on_host) for fit in (tight, wide)]
    assert moved[0] > moved[1] > 0


def test_a_projector_and_a_draft_model_are_counted(load: Load) -> None:
    alone = plan(load("gemma-3-27b-q4km"), 48, context=32768)
    companion = Companion(800 * MiB, draft=load("llama-3.1-8b-q4km"))
    both = plan(load("gemma-3-27b-q4km"), 48, context=32768, companion=companion)
    extra = both.estimate.devices[0].extras
    draft = load("llama-3.1-8b-q4km").estimate(Serving(context=32768, parallel=1), gpus(48))
    assert extra == 800 * MiB + draft.devices[0].total
    assert both.largest_context < alone.largest_context or alone.largest_context == 131072


@pytest.mark.parametrize(
    ("model", "sizes", "told"),
    [
        ("glm-4.7-flash-q4km", (24,), "q8_0"),
        ("glm-4.7-flash-q4km", (24, 16), 'split_mode = "layer"'),
        ("qwen3-next-80b-a3b-q4km", (24, 16), "experts of"),
        ("qwen3-32b-q4km", (16,), "layers are computed by the processor"),
    ],
)
def test_advice_says_what_would_help(
    load: Load, model: str, sizes: tuple[int, ...], told: str
) -> None:
    assert any(told in advice for advice in plan(load(model), *sizes).advice)


def test_advice_is_true(load: Load) -> None:
    """The context that an 8-bit cache is said to make room for, it does."""
    model = load("glm-4.7-flash-q4km")
    serving = Serving(parallel=1, cache_type_k="q8_0", cache_type_v="q8_0")
    again = plan(model, 24, serving=serving)
    advice = next(a for a in plan(model, 24).advice if "q8_0" in a)
    assert f"{again.largest_context:,}" in advice


def test_an_unknown_architecture_is_said_to_be_a_guess(load: Load) -> None:
    footprint = load("llama-3.1-8b-q4km")
    assert not any("not known" in advice for advice in plan(footprint, 24).advice)
    header = footprint.architecture.header
    renamed = {key.replace("llama.", "newone."): v for key, v in header.metadata.items()}
    renamed["general.architecture"] = "newone"
    strange = Footprint(Architecture(replace(header, metadata=renamed)))
    assert any("not known" in advice for advice in plan(strange, 24).advice)


def test_memory_in_use_by_others_is_told(load: Load) -> None:
    fit = plan(load("llama-3.1-8b-q4km"), host=Host(64 * GiB, 2 * GiB), context=8192)
    assert any("close other programs" in advice for advice in fit.advice)
