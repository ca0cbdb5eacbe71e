"""Estimates against what a real llama-server asked for, recorded row by row."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.standins.architectures import write_architecture

from llm_studio.models.architecture import Architecture
from llm_studio.models.gguf import read_header
from llm_studio.models.memory import Device, Footprint, GiB, MiB, Serving, Usage, estimate

RECORDED = json.loads((Path(__file__).parents[1] / "data/engine-memory.json").read_text())
MODELS = sorted({row["model"] for row in RECORDED["rows"]})
WITHIN = 0.05
"""The promise: every device's total within five per cent."""


@pytest.fixture(scope="module")
def footprint_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("models")

    @cache
    def footprint(model: str) -> Footprint:
        return Footprint(Architecture(read_header(write_architecture(model, folder))))

    return footprint


def gpus(*sizes: int) -> list[Device]:
    return [Device(f"RPC{i}", size * GiB, size * GiB) for i, size in enumerate(sizes)]


def serving(settings: dict[str, Any]) -> Serving:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    return Serving(**values)


@pytest.mark.parametrize("model", MODELS)
def test_within_five_per_cent_of_the_engine(model: str, footprint_of: Any) -> None:
    rows = [row for row in RECORDED["rows"] if row["model"] == model]
    for row in rows:
        devices = gpus(*row["gib"])
        ours = footprint_of(model).estimate(serving(row["settings"]), devices)
        pairs: list[tuple[str, list[int], Usage]] = [("host", row["host"], ours.host)]
        for device, usage in zip(devices, ours.devices, strict=True):
            pairs.append((device.name, row["devices"].get(device.name, [0, 0, 0]), usage))
        for name, engine, usage in pairs:
            told = f"{row['settings']} on {row['gib']}, {name}: {engine} against {usage}"
            assert abs(usage.total / MiB - sum(engine)) <= WITHIN * sum(engine) + 1, told


def test_the_record_covers_what_is_promised() -> None:
    """Seven models at three contexts, two caches, one and two devices, default slots and one."""
    main = [row for row in RECORDED["rows"] if set(row["settings"]) <= {
        "context", "parallel", "cache_type_k", "cache_type_v"
    } and row["settings"]["context"] in (8192, 32768, 131072)]  # fmt: skip
    cells = {
        (row["model"], len(row["gib"]), row["settings"]["context"],
         row["settings"].get("cache_type_k", "f16"), row["settings"].get("parallel"))
        for row in main
    }  # fmt: skip
    complete = [
        model
        for model in MODELS
        if all(
            (model, count, context, kind, slots) in cells
            for count in (1, 2)
            for context in (8192, 32768, 131072)
            for kind in ("f16", "q8_0")
            for slots in (None, 1)
        )
    ]
    assert len(complete) >= 7


def test_more_context_never_takes_less(footprint_of: Any) -> None:
    for model in MODELS:
        totals = [
            sum(
                u.total
                for u in footprint_of(model).estimate(Serving(context=c), gpus(24, 16)).devices
            )
            for c in (256, 4096, 65536, 131072)
        ]
        assert totals == sorted(totals), model


def test_all_weights_are_somewhere(footprint_of: Any) -> None:
    """Wherever layers and experts go, each tensor is on one device or on the host."""
    for model in ("llama-3.1-8b-q4km", "qwen3-30b-a3b-q4km", "gpt-oss-120b-mxfp4"):
        footprint = footprint_of(model)
        size = footprint.architecture.size
        for settings in (
            Serving(),
            Serving(gpu_layers=7),
            Serving(cpu_moe=True),
            Serving(n_cpu_moe=3, tensor_split=(3, 1)),
            Serving(split_mode="none", main_gpu=1),
        ):
            ours = footprint.estimate(settings, gpus(24, 16))
            weights = ours.host.weights + sum(u.weights for u in ours.devices)
            assert 0 <= weights - size < MiB, (model, settings)


def test_a_header_that_lies_about_its_layers_is_harmless(tmp_path: Path) -> None:
    from tests.standins.gguf_writer import TensorSpec, Typed, Value, write_gguf

    path = tmp_path / "liar.gguf"
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.block_count": Typed("u32", 2**32 - 1),
        "llama.context_length": Typed("u32", 2**32 - 1),
        "llama.embedding_length": Typed("u64", 2**60),
        "llama.attention.head_count": 0,
        "llama.attention.sliding_window": 5,
        "llama.attention.sliding_window_pattern": Typed("i32", -5),
    }
    write_gguf(path, metadata, [TensorSpec("blk.4000000000.x", (32,)), TensorSpec("x", (32,))])
    estimate(read_header(path), Serving(), gpus(24))
