"""How far our memory plan is from the engine's own, per device, over many models and settings.

A real llama-server projects its memory for model files of true size (their data is a hole) on
stand-in GPUs; our estimate for the same file and settings is put beside it. Nothing is cached.
The exit code is 1 if a device's total is off by more than 5 per cent in any row.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tests.standins.architectures import (
    ARCHITECTURES,
    HELD_OUT,
    MAIN,
    write_architecture,
)
from tests.standins.engine_truth import Decision, Engine, EngineError, Projection, Usage
from tests.standins.rpc_device import GIB, rpc_devices

MIB = 1024**2
LIMIT_PERCENT = 5.0
ONE = (80,)
TWO = (24, 16)

Setting = bool | int | float | str | tuple[float, ...]
_FLAGS = {
    "context": "--ctx-size",
    "parallel": "--parallel",
    "gpu_layers": "--n-gpu-layers",
    "n_cpu_moe": "--n-cpu-moe",
    "tensor_split": "--tensor-split",
    "split_mode": "--split-mode",
    "main_gpu": "--main-gpu",
    "batch": "--batch-size",
    "ubatch": "--ubatch-size",
    "cache_type_k": "--cache-type-k",
    "cache_type_v": "--cache-type-v",
}
_SWITCHES: dict[tuple[str, bool], tuple[str, ...]] = {
    ("kv_unified", True): ("--kv-unified",),
    ("kv_unified", False): ("--no-kv-unified",),
    ("cpu_moe", True): ("--cpu-moe",),
    ("flash_attention", False): ("--flash-attn", "off"),
    ("kv_offload", False): ("--no-kv-offload",),
    ("swa_full", True): ("--swa-full",),
}


@dataclass(frozen=True)
class Row:
    """One comparison: a model with some settings on devices of some GiB."""

    group: str
    model: str
    gib: tuple[int, ...]
    settings: Mapping[str, Setting]

    @property
    def title(self) -> str:
        devices = "+".join(str(size) for size in self.gib) or "none"
        values = " ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.model} [{devices}] {values}"

    def args(self) -> list[str]:
        """The settings as the engine's flags."""
        flags: list[str] = []
        for key, value in self.settings.items():
            if isinstance(value, bool):
                flags += _SWITCHES[key, value]
            elif isinstance(value, tuple):
                flags += [_FLAGS[key], ",".join(f"{part:g}" for part in value)]
            else:
                flags += [_FLAGS[key], str(value)]
        return flags


@dataclass(frozen=True)
class Difference:
    """One device, or the host, of one row: the engine's MiB and ours."""

    row: Row
    engine: Usage
    weights: float
    context: float
    compute: float

    @property
    def total(self) -> float:
        return self.weights + self.context + self.compute

    @property
    def percent(self) -> float:
        return 100 * (self.total - self.engine.total) / max(self.engine.total, 1)


def main_rows(quick: bool) -> Iterator[Row]:
    """Every main model by context, cache type, devices and slots."""
    contexts = (32768,) if quick else (8192, 32768, 131072)
    caches = ("f16",) if quick else ("f16", "q8_0")
    slots: tuple[int | None, ...] = (None,) if quick else (None, 1)
    for model, gib, context, cache, parallel in itertools.product(
        MAIN, (ONE, TWO), contexts, caches, slots
    ):
        settings: dict[str, Setting] = {"context": context}
        if parallel is not None:
            settings["parallel"] = parallel
        if cache != "f16":
            settings |= {"cache_type_k": cache, "cache_type_v": cache}
        yield Row("one device" if gib == ONE else "two devices", model, gib, settings)


def variant_rows(quick: bool) -> Iterator[Row]:
    """Settings that move something: split, slots, batch, cache placement, layers on the host."""
    variants: list[tuple[tuple[int, ...], dict[str, Setting]]] = [
        (ONE, {"parallel": 4, "kv_unified": False}),
        (ONE, {"parallel": 8, "kv_unified": True}),
        (ONE, {"ubatch": 1024}),
        (ONE, {"ubatch": 2048, "batch": 4096}),
        (ONE, {"kv_offload": False}),
        (ONE, {"swa_full": True}),
        (ONE, {"cache_type_k": "q4_0", "cache_type_v": "q4_0"}),
        (ONE, {"gpu_layers": 20}),
        (ONE, {"gpu_layers": 0}),
        (TWO, {"gpu_layers": 20}),
        (TWO, {"tensor_split": (3.0, 1.0)}),
        (TWO, {"split_mode": "none", "main_gpu": 1}),
        (TWO, {"parallel": 4, "kv_unified": False}),
        ((24, 24, 24), {}),
        ((), {}),
    ]
    for model in MAIN:
        for gib, settings in variants[:1] if quick else variants:
            yield Row("variants", model, gib, {"context": 32768, **settings})


def expert_rows(quick: bool) -> Iterator[Row]:
    """Experts of some or all layers on the host."""
    models = [key for key in MAIN if ARCHITECTURES[key]().has_experts]
    settings: list[dict[str, Setting]] = [{"n_cpu_moe": 20}, {"cpu_moe": True}]
    for model, gib, moved in itertools.product(models, (ONE, TWO), settings):
        if not quick or gib == ONE:
            yield Row("experts on the host", model, gib, {"context": 32768, **moved})


def held_out_rows(quick: bool) -> Iterator[Row]:
    """Models that no formula was derived from."""
    variants: list[tuple[tuple[int, ...], dict[str, Setting]]] = [
        (ONE, {"context": 32768}),
        (TWO, {"context": 32768}),
        (ONE, {"context": 8192, "parallel": 1}),
        (
            TWO,
            {"context": 131072, "parallel": 1, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        ),
        (ONE, {"context": 16384, "gpu_layers": 20}),
        (TWO, {"context": 65536, "parallel": 2, "kv_unified": False, "ubatch": 1024}),
    ]
    for model in HELD_OUT:
        for gib, settings in variants[:2] if quick else variants:
            yield Row("held-out models", model, gib, settings)
        if ARCHITECTURES[model]().has_experts and not quick:
            yield Row("held-out models", model, ONE, {"context": 32768, "n_cpu_moe": 12})


def decision_rows(quick: bool) -> Iterator[Row]:
    """What the engine's fit step decides by itself, where settings can say the same."""
    for model in MAIN:
        for gib in ((24,),) if quick else ((24,), (16,)):
            yield Row("fit decisions", model, gib, {})


def planned(row: Row, decision: Decision) -> Row | None:
    """The engine's decision as settings; None if it moved single tensors, which none can say."""
    if decision.overridden:
        return None
    return Row(
        row.group,
        row.model,
        row.gib,
        {"context": decision.context, "gpu_layers": decision.gpu_layers},
    )


def estimated(row: Row, path: Path, projection: Projection) -> list[Difference]:
    """Our plan for a row beside the engine's projection, each device and then the host."""
    from llm_studio.models.gguf import read_header
    from llm_studio.models.memory import Device, Serving, estimate

    devices = [
        Device(name=f"GPU {number}", total=size * GIB, free=size * GIB)
        for number, size in enumerate(row.gib)
    ]
    settings: dict[str, Any] = dict(row.settings)
    ours = estimate(read_header(path), Serving(**settings), devices)
    parts = {f"RPC{number}": part for number, part in enumerate(ours.devices)}
    found = [(usage, parts.get(usage.name)) for usage in projection.devices]
    return [
        Difference(
            row,
            usage,
            part.weights / MIB if part else 0.0,
            part.context / MIB if part else 0.0,
            part.compute / MIB if part else 0.0,
        )
        for usage, part in [*found, (projection.host, ours.host)]
    ]


class Report:
    """Prints each row as it comes, and in the end the worst row of each group."""

    def __init__(self, markdown: TextIO | None, *, only_engine: bool) -> None:
        self._markdown = markdown
        self._only_engine = only_engine
        self._differences: list[Difference] = []
        self._failures = 0
        if markdown and not only_engine:
            markdown.write(
                "| row | device | engine MiB | ours MiB | off |\n| --- | --- | --: | --: | --: |\n"
            )

    def failed(self, row: Row, error: EngineError) -> None:
        self._failures += 1
        print(f"{row.title:<76} FAILED: {error}", flush=True)

    def engine(self, row: Row, projection: Projection) -> None:
        for usage in (*projection.devices, projection.host):
            print(f"{row.title:<76} {_parts(usage)}", flush=True)

    def add(self, differences: Sequence[Difference]) -> None:
        self._differences += differences
        for one in differences:
            ours = f"{one.weights:.0f}+{one.context:.0f}+{one.compute:.0f}"
            print(
                f"{one.row.title:<76} {_parts(one.engine)}   ours {one.total:7.0f} = {ours:<22}"
                f" {one.percent:+6.2f} %",
                flush=True,
            )
            if self._markdown:
                self._markdown.write(
                    f"| {one.row.title} | {one.engine.name} | {one.engine.total} |"
                    f" {one.total:.0f} | {one.percent:+.2f} % |\n"
                )

    def summary(self) -> int:
        """Print the worst of each group; return the exit code."""
        if self._only_engine:
            return 1 if self._failures else 0
        head = ("group", "rows", "worst device", "", "worst host", "")
        rows: list[tuple[str, ...]] = []
        for group in dict.fromkeys(one.row.group for one in self._differences):
            own = [one for one in self._differences if one.row.group == group]
            devices = _worst(one for one in own if one.engine.name != "Host")
            host = _worst(one for one in own if one.engine.name == "Host")
            rows.append((group, str(len({one.row.title for one in own})), *devices, *host))
        print("\n" + "  ".join(head))
        for row in rows:
            print("  ".join(row))
        if self._markdown:
            for row in [head, ("---",) * len(head), *rows]:
                self._markdown.write("| " + " | ".join(row) + " |\n")
        off = [
            one
            for one in self._differences
            if abs(one.percent) > LIMIT_PERCENT and one.engine.name != "Host"
        ]
        print(f"\n{len(off)} devices off by more than {LIMIT_PERCENT:g} %")
        if self._failures:
            print(f"{self._failures} rows without an answer of the engine")
        return 1 if off or self._failures else 0


def _parts(usage: Usage) -> str:
    compute = usage.compute if usage.compute_exact is None else usage.compute_exact
    parts = f"{usage.model}+{usage.context}+{compute:.2f}"
    return f"{usage.name:<5} engine {usage.total:6} = {parts:<22}"


def _worst(differences: Iterator[Difference]) -> tuple[str, str]:
    worst = max(differences, key=lambda one: abs(one.percent), default=None)
    return (f"{worst.percent:+.2f} %", worst.row.title) if worst else ("-", "-")


def _record(row: Row, path: Path, projection: Projection) -> dict[str, object]:
    return {
        "group": row.group,
        "model": row.model,
        "file": str(path),
        "gib": row.gib,
        "settings": dict(row.settings),
        "args": row.args(),
        "devices": [vars(usage) for usage in projection.devices],
        "host": vars(projection.host),
    }


def asked(
    engine: Engine, row: Row, path: Path, endpoints: Sequence[str]
) -> tuple[Row, Projection] | None:
    """The engine's answer to a row, and the row with the settings that the answer is for."""
    if row.group != "fit decisions":
        return row, engine.projection(path, endpoints, row.args())
    decision = engine.decision(path, endpoints, row.args())
    plan = planned(row, decision)
    if plan is None:
        moved = len(decision.overridden)
        print(f"{row.title:<76} moves {moved} tensors: no settings say the same", flush=True)
        return None
    return plan, decision.usage


def run(options: argparse.Namespace, folder: Path, report: Report) -> Iterator[dict[str, object]]:
    """Ask the engine and our estimate for every row; yield the engine's answers."""
    chosen = options.models.split(",") if options.models else list(ARCHITECTURES)
    sources = (main_rows, variant_rows, expert_rows, held_out_rows, decision_rows)
    rows = [row for source in sources for row in source(options.quick) if row.model in chosen]
    if options.groups:
        rows = [row for row in rows if row.group in options.groups.split(",")]
    with ExitStack() as stack:
        engine = stack.enter_context(Engine(folder))
        endpoints = {
            gib: stack.enter_context(rpc_devices([size * GIB for size in gib]))
            for gib in dict.fromkeys(row.gib for row in rows)
        }
        for row in rows:
            path = write_architecture(row.model, folder)
            try:
                answer = asked(engine, row, path, endpoints[row.gib])
            except EngineError as error:
                report.failed(row, error)
                continue
            if answer is None:
                continue
            row, projection = answer
            yield _record(row, path, projection)
            if options.engine_only:
                report.engine(row, projection)
            else:
                report.add(estimated(row, path, projection))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few settings of each model")
    parser.add_argument("--models", metavar="A,B", help=f"of: {', '.join(ARCHITECTURES)}")
    parser.add_argument("--groups", metavar="A,B", help="only these groups of rows")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--engine-only", action="store_true", help="ask the engine alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the engine's answers")
    parser.add_argument("--folder", type=Path, help="keep the model files there")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        # The engine runs as another user.
        folder.chmod(0o755)
        markdown = stack.enter_context(options.markdown.open("w")) if options.markdown else None
        report = Report(markdown, only_engine=options.engine_only)
        records: list[dict[str, object]] = []
        try:
            records.extend(run(options, folder, report))
        finally:
            if options.json:
                options.json.write_text(json.dumps(records, indent=1))
        return report.summary()


if __name__ == "__main__":
    sys.exit(main())
