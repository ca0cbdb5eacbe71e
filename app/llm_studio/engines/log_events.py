"""What a line of llama-server's log can tell. Sizes are MiB, speeds tokens per second.

A value that the line does not hold is None: older builds spread over lines what newer ones say in
one, and `RequestSpeed.plus` and `Context.plus` put the parts together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, TypeVar

STARTING = "starting"
FITTING = "fitting"
LOADING = "loading model"
WARMING = "warming up"
READY = "ready"
STAGES = (STARTING, FITTING, LOADING, WARMING, READY)
"""In the order in which an engine goes through them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a start has come."""

    name: str
    fraction: float | None = None
    address: str = ""
    """Where it listens, once it says so. Only /health tells that it answers."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that was allocated on a device, or on the host (`CPU`, `CUDA_Host` …)."""

    device: str
    kind: Literal["weights", "context", "compute", "output", "recurrent"]
    mib: float


@dataclass(frozen=True, slots=True)
class FitDecision:
    """A step of the engine's fitting: what it needs, what it cut, where it put layers, the end."""

    fits: bool | None = None
    reason: str = ""
    context: int | None = None
    context_before: int | None = None
    device: str = ""
    """The one that layers and MiB are of; of the first projection, all together."""
    layers: int | None = None
    overflowing: int | None = None
    """Layers of which a part (the experts) went to the host."""
    used: int | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Offloaded:
    """Layers that went to GPUs, of all of them and the output."""

    layers: int
    of: int


@dataclass(frozen=True, slots=True)
class Splits:
    """The compute graph: each split is a change of device, which costs time."""

    nodes: int | None
    splits: int | None


@dataclass(frozen=True, slots=True)
class Context:
    """Room for tokens, in all, for each slot, as trained; and the slots."""

    total: int | None = None
    per_slot: int | None = None
    trained: int | None = None
    slots: int | None = None
    unified: bool | None = None

    def plus(self, later: Context) -> Context:
        return _joined(self, later)


@dataclass(frozen=True, slots=True)
class Version:
    """The build that runs; 0 where whoever built it left it out."""

    build: int
    commit: str


@dataclass(frozen=True, slots=True)
class RequestStart:
    slot: int | None
    task: int | None


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """How much of a long prompt is read."""

    slot: int | None
    task: int | None
    fraction: float
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Generating:
    """How many tokens an answer has so far, how fast in all and in the last three seconds."""

    slot: int | None
    task: int | None
    tokens: int
    speed: float | None
    recent_speed: float | None


@dataclass(frozen=True, slots=True)
class RequestSpeed:
    """Figures of a request that is done, or some of them: the engine spreads them over lines."""

    slot: int | None = None
    task: int | None = None
    prompt_tokens: int | None = None
    """Without those that the cache still held."""
    prompt_speed: float | None = None
    generated_tokens: int | None = None
    generated_speed: float | None = None
    total_tokens: int | None = None
    total_ms: float | None = None
    accepted: int | None = None
    drafted: int | None = None

    def plus(self, later: RequestSpeed) -> RequestSpeed:
        return _joined(self, later)


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """A slot is free again; `tokens` stay in its cache."""

    slot: int | None
    task: int | None
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """A row of the engine's table: total = free + used + unaccounted, used = the three parts."""

    device: str
    total: int | None
    """None for the host and for kinds of buffers on it."""
    free: int | None
    used: int
    model: int
    context: int
    compute: int
    unaccounted: int | None = None
    """What others hold, and what the driver and libraries take for themselves."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class MemoryTable:
    """A whole table (--log-jsonl), or the head of one whose rows follow as `DeviceMemory`."""

    rows: tuple[DeviceMemory, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, in the engine's words. Of several the first tells the cause."""

    text: str


Event = (
    Stage | Buffer | FitDecision | Offloaded | Splits | Context | Version | RequestStart
    | PromptProgress | Generating | RequestSpeed | RequestEnd | DeviceMemory | MemoryTable | Problem
)  # fmt: skip

_Parts = TypeVar("_Parts", Context, RequestSpeed)


def _joined(first: _Parts, later: _Parts) -> _Parts:
    told = {field.name: getattr(later, field.name) for field in fields(later)}
    return replace(first, **{name: value for name, value in told.items() if value is not None})
