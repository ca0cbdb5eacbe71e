"""What a real llama-server says it will allocate: its own projection, before it loads anything.

The server runs in a container that lives as long as the `Engine`, sees the devices that it is
given as RPC endpoints, and is killed as soon as it has said what it would do.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import uuid
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

IMAGE = os.environ.get("LLM_STUDIO_TEST_IMAGE", "llm-studio/llama.cpp:cpu")
HOST = "Host"

_MODELS = "/models"
_LIFETIME_S = 3600
_ROW_TIMEOUT_S = 120
# At this level the log has the exact size of each compute buffer, and where each layer goes.
_DEBUG = 5
# The server ends when its standard input does, so none outlives the process that asked.
_RUN_UNTIL_EOF = """
exec 3<&0
llama-server "$@" 2>&1 &
pid=$!
(read -r _ <&3; kill -9 $pid) >/dev/null 2>&1 &
wait $pid 2>/dev/null
"""
# The first thing that a load prints once every tensor has its place.
_PLACED = re.compile(r"load_tensors: offload|(failed|unable) to allocate")
_FITTED = "fitting params to free memory took"
_TABLE_HEAD = "memory breakdown [MiB]"
_TABLE_ROW = re.compile(r"\|   - (\S+)(?: \(([^)]*)\))?\s*\|([^|]*)\|")
_COMPUTE = re.compile(r"sched_reserve:\s+(\S+) compute buffer size =\s+([\d.]+) MiB")
_CONTEXT = re.compile(r"llama_context: n_ctx\s+= (\d+)")
_REDUCED = re.compile(r"context size reduced from \d+ to (\d+)")
_SETTLED = re.compile(r"fit_impl:   - (\S+) \([^)]*\)\s*:\s*\d+ layers.*?(\d+) MiB used")
_ASSIGNED = re.compile(r"load_tensors: layer\s+(\d+) assigned to device (\S+?),")
_OVERRIDDEN = re.compile(r"tensor (\S+) \(.*\) buffer type overridden to (\S+)")


def require_engine() -> None:
    """On a test machine the engine must be there; elsewhere a test is skipped without it."""
    why = _why_not()
    if why and os.environ.get("CI"):
        pytest.fail(f"{why} On a test machine tests/engine/prepare must have made it.")
    if why:
        pytest.skip(f"{why} tests/engine/prepare makes it.")


def _why_not() -> str:
    try:
        found = subprocess.run(
            ["docker", "image", "inspect", IMAGE], capture_output=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return "There is no Docker engine."
    return "" if found.returncode == 0 else f"There is no image {IMAGE}."


class EngineError(Exception):
    """The engine ended, or fell silent, before it said what was asked."""


@dataclass(frozen=True)
class Usage:
    """One device, or the host, in MiB; `compute_exact` where the engine prints fractions."""

    name: str
    model: int
    context: int
    compute: int
    compute_exact: float | None = None

    @property
    def total(self) -> int:
        return self.model + self.context + self.compute


@dataclass(frozen=True)
class Projection:
    """One measurement of the engine, the host with its repacked weights included."""

    devices: tuple[Usage, ...]
    host: Usage


@dataclass(frozen=True)
class Decision:
    """What the engine's fit step settled on, and what it would allocate then."""

    context: int
    gpu_layers: int
    layers: tuple[str, ...]
    overridden: tuple[tuple[str, str], ...]
    usage: Projection

    def layer_counts(self) -> dict[str, int]:
        """Layers by device, the output counting as one."""
        return {name: self.layers.count(name) for name in dict.fromkeys(self.layers)}


class Engine:
    """A container in which one llama-server after another is asked, half a second each."""

    def __init__(self, models: Path, *, image: str = IMAGE) -> None:
        self._models = models
        self._image = image
        self._name = f"llm-studio-truth-{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> Engine:
        subprocess.run(
            [
                *("docker", "run", "--detach", "--rm", "--init", "--name", self._name),
                *("--network", "host", "--cap-drop", "ALL", "--memory", "6g"),
                *("--volume", f"{self._models.resolve()}:{_MODELS}:ro"),
                *("--entrypoint", "sleep", self._image, str(_LIFETIME_S)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        subprocess.run(
            ["docker", "rm", "--force", self._name], check=False, stdout=subprocess.DEVNULL
        )

    def projection(
        self, model: Path, endpoints: Sequence[str], args: Sequence[str] = ()
    ) -> Projection:
        """What the engine would use with exactly these arguments, whether it fits or not."""
        lines: list[str] = []
        with closing(self._log(model, endpoints, args)) as log:
            for line in log:
                lines.append(line)
                if "common_params_fit_impl: " in line and "projected " in line:
                    return _projections(lines)[-1]
        raise EngineError(_end(lines))

    def decision(self, model: Path, endpoints: Sequence[str], args: Sequence[str] = ()) -> Decision:
        """What the engine's fit step changes these arguments to."""
        lines: list[str] = []
        with closing(self._log(model, endpoints, args)) as log:
            for line in log:
                lines.append(line)
                if _PLACED.search(line) and any(_FITTED in earlier for earlier in lines):
                    return self._decided(lines, model, endpoints, args)
        raise EngineError(_end(lines))

    def _decided(
        self, lines: list[str], model: Path, endpoints: Sequence[str], args: Sequence[str]
    ) -> Decision:
        fitted = next(number for number, line in enumerate(lines) if _FITTED in line)
        fit, load = lines[:fitted], lines[fitted:]
        contexts = [int(found[1]) for line in fit if (found := _CONTEXT.search(line))]
        reduced = [int(found[1]) for line in fit if (found := _REDUCED.search(line))]
        context = (reduced or contexts)[-1]
        used = {found[1]: int(found[2]) for line in fit if (found := _SETTLED.search(line))}
        usage = _matching(_projections(fit), used) if used else None
        if usage is None:
            # A smaller context is interpolated and not measured again: measure it here.
            usage = self.projection(model, endpoints, [*args, "--ctx-size", str(context)])
        layers = tuple(found[2] for line in load if (found := _ASSIGNED.search(line)))
        return Decision(
            context=context,
            gpu_layers=len(layers) - layers.count("CPU"),
            layers=layers,
            overridden=tuple(
                (found[1], found[2]) for line in load if (found := _OVERRIDDEN.search(line))
            ),
            usage=usage,
        )

    def _log(
        self, model: Path, endpoints: Sequence[str], args: Sequence[str]
    ) -> Generator[str, None, None]:
        """The server's lines; the server is gone when the caller stops reading."""
        inside = f"{_MODELS}/{model.resolve().relative_to(self._models.resolve())}"
        command = [
            *("docker", "exec", "--interactive", self._name),
            *("sh", "-c", _RUN_UNTIL_EOF, "sh"),
            *("--model", inside, "--verbosity", str(_DEBUG), "--port", "0"),
            *("--load-mode", "none", "--log-colors", "off"),
            *(("--rpc", ",".join(endpoints)) if endpoints else ()),
            *args,
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            watchdog = threading.Timer(_ROW_TIMEOUT_S, process.stdin.close)
            watchdog.start()
            try:
                for line in process.stdout:
                    if "_input_tensors:" not in line:
                        yield line.rstrip("\n")
            finally:
                watchdog.cancel()
                process.stdin.close()
                process.stdout.close()


def _projections(lines: Iterable[str]) -> list[Projection]:
    """Every memory table of a log, with the exact compute buffers reported just before it."""
    tables: list[Projection] = []
    exact: dict[str, float] = {}
    rows: list[Usage] | None = None
    for line in lines:
        found = _COMPUTE.search(line)
        if found:
            exact[_endpoint(found[1])] = float(found[2])
        row = _TABLE_ROW.search(line)
        if _TABLE_HEAD in line:
            rows = []
        elif row and rows is not None:
            key = "CPU" if row[1] == HOST else row[2] or row[1]
            rows.append(_usage(row[1], row[3], exact.get(key)))
        elif rows:
            tables.append(_merged(rows))
            rows, exact = None, {}
    return tables


def _endpoint(buffer: str) -> str:
    """The device a buffer belongs to: RPC0[127.0.0.1:1234] is named after its server."""
    return buffer.partition("[")[2].rstrip("]") or buffer


def _usage(name: str, cells: str, exact: float | None) -> Usage:
    # "24576 = 24576 + (23241 = 23074 + 72 + 95) + -23241" for a device, "614 = 586 + 0 + 27" else.
    inner = cells.partition("(")[2].partition(")")[0] or cells
    model, context, compute = (int(part) for part in inner.partition("=")[2].split("+"))
    return Usage(name, model, context, compute, exact)


def _merged(rows: list[Usage]) -> Projection:
    """Devices as they are; the host with weights that the CPU keeps in a layout of its own."""
    devices = tuple(row for row in rows if not row.name.startswith((HOST, "CPU")))
    own = [row for row in rows if row not in devices]
    return Projection(
        devices,
        Usage(
            HOST,
            sum(row.model for row in own),
            sum(row.context for row in own),
            sum(row.compute for row in own),
            next((row.compute_exact for row in own if row.name == HOST), None),
        ),
    )


def _matching(tables: list[Projection], used: dict[str, int]) -> Projection | None:
    """The last measurement in which every device uses what the fit step settled on."""
    for table in reversed(tables):
        # The engine adds bytes before it rounds, so a row's parts may add up to two less.
        if all(0 <= used.get(row.name, 0) - row.total <= 2 for row in table.devices):
            return table
    return None


def _end(lines: list[str]) -> str:
    return "no projection; the log ends with\n" + "\n".join(lines[-12:])
