"""Our memory estimates and plans against a real llama-server, asked now and not recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.standins.architectures import write_architecture
from tests.standins.engine_truth import Engine
from tests.standins.rpc_device import rpc_devices

from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import Host, Request, Verdict, plan_fit
from llm_studio.models.gguf import read_header
from llm_studio.models.memory import Device, Footprint, GiB, MiB, Serving

pytestmark = pytest.mark.engine

ROWS: list[tuple[str, tuple[int, ...], dict[str, Any], list[str]]] = [
    ("llama-3.1-8b-q4km", (24,), {"context": 8192}, []),
    ("qwen3-30b-a3b-q4km", (24, 16), {"context": 32768, "parallel": 1}, ["--parallel", "1"]),
    ("glm-4.7-flash-q4km", (24, 16), {"context": 131072}, []),
    ("gpt-oss-20b-mxfp4", (16,), {"context": 32768, "n_cpu_moe": 6}, ["--n-cpu-moe", "6"]),
    ("qwen3-next-80b-a3b-q4km", (80,), {"context": 32768}, []),
    (
        "gemma-3-12b-q4km",
        (16,),
        {"context": 32768, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        ["--cache-type-k", "q8_0", "--cache-type-v", "q8_0"],
    ),
]


def devices(sizes: tuple[int, ...]) -> list[Device]:
    return [Device(f"RPC{i}", size * GiB, size * GiB) for i, size in enumerate(sizes)]


def near(ours: float, engine: float, within: float) -> bool:
    return abs(ours - engine) <= within * engine + 1


@pytest.mark.parametrize(("model", "sizes", "settings", "words"), ROWS, ids=[r[0] for r in ROWS])
def test_an_estimate_is_what_the_engine_asks_for(
    engine: Engine,
    engine_folder: Path,
    model: str,
    sizes: tuple[int, ...],
    settings: dict[str, Any],
    words: list[str],
) -> None:
    path = write_architecture(model, engine_folder)
    ours = Footprint(Architecture(read_header(path))).estimate(Serving(**settings), devices(sizes))
    with rpc_devices([size * GiB for size in sizes]) as endpoints:
        words = ["--ctx-size", str(settings["context"]), *words]
        theirs = engine.projection(path, endpoints, words)
    for usage, estimate in zip(theirs.devices, ours.devices, strict=True):
        assert near(estimate.total / MiB, usage.total, 0.05), (usage, estimate)
    assert near(ours.host.total / MiB, theirs.host.total, 0.05), (theirs.host, ours.host)


@pytest.mark.parametrize(
    ("model", "sizes", "verdict"),
    [
        ("glm-4.7-flash-q4km", (24, 16), Verdict.ONE_GPU),
        ("qwen3-32b-q4km", (24, 16), Verdict.SPLIT),
        ("gpt-oss-120b-mxfp4", (24, 16), Verdict.EXPERTS_ON_CPU),
        ("qwen3-32b-q4km", (16,), Verdict.LAYERS_ON_CPU),
    ],
)
def test_the_engine_keeps_to_the_plan(
    engine: Engine, engine_folder: Path, model: str, sizes: tuple[int, ...], verdict: Verdict
) -> None:
    """The planned context is kept, and the engine places layers where we foresaw them."""
    path = write_architecture(model, engine_folder)
    footprint = Footprint(Architecture(read_header(path)))
    # A device behind RPC copies no weights for long prompts, as a GPU does.
    request = Request(footprint, Serving(parallel=1), op_offload=False)
    fit = plan_fit(request, devices(sizes), Host(512 * GiB, 500 * GiB))
    assert fit.verdict is verdict
    words = ["--parallel", "1", "--ctx-size", str(fit.estimate.context)]
    for key, value in fit.chosen.items():
        if key != "context":
            words += [f"--{key.replace('_', '-')}", str(value)]
    with rpc_devices([size * GiB for size in sizes]) as endpoints:
        decision = engine.decision(path, endpoints, words)
    assert decision.context == fit.estimate.context
    theirs = {usage.name: usage.total for usage in decision.usage.devices}
    for device, usage in zip(fit.devices, fit.estimate.devices, strict=True):
        assert near(usage.total / MiB, theirs.get(device.name, 0), 0.08), (theirs, usage)
    assert near(fit.estimate.host.total / MiB, decision.usage.host.total, 0.08)
