"""What a benchmark leaves: one record a run, with everything needed to judge it later."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from llm_studio.bench.figures import outliers, wilson
from llm_studio.schema import Wire

FORMAT = 1
LATEST = 4e9
"""Seconds since the epoch beyond which a time is a mistake."""
Facts = dict[str, str | int | float | bool | None]
State = Literal["done", "cancelled", "failed"]


class Finite(Wire):
    """Results come from elsewhere too, and what is no number spoils all that is made of it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Spread(Finite):
    """The values of all repetitions, in their order; none is left out."""

    values: list[float] = Field(min_length=1)
    outliers: list[int] = Field(default_factory=list)

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        return cls(values=list(values), outliers=outliers(values)) if values else None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation; nothing to tell of a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


class Point(Finite):
    """One thing measured, several times."""

    kind: Literal["prompt", "answer", "depth", "users", "alone"]
    source: str = "server"
    """"server": through llama-server, as clients feel it; "llama-bench": the engine alone."""
    prompt: int = 0
    """Tokens that were read; """
    depth: int = 0
    """tokens in the context before them; """
    answer: int = 0
    """tokens that were generated; """
    users: int = 1
    """requests at a time."""
    cache: Literal["cold", "warm", "none"] = "cold"
    measures: dict[str, Spread] = Field(default_factory=dict)
    """By name, as `MEASURES` explains them."""
    seconds: float = 0.0
    power: float | None = None
    """Watts of all GPUs together, on average, where their drivers tell."""
    energy: float | None = None
    """Joules of all GPUs for each token, read or generated."""
    gpu_memory: int | None = None
    """Bytes in use on all GPUs at most, and"""
    host_memory: int | None = None
    """bytes of host memory that the engine had for itself."""
    errors: int = 0
    disturbed: list[str] = Field(default_factory=list)
    """What else the machine did meanwhile."""


MEASURES = {
    "prompt_speed": ("prompt tok/s", "tokens read a second, from the request to the first token"),
    "speed": ("tok/s", "tokens generated a second after the first, as the client sees them"),
    "first_token": ("first token s", "seconds from the request to the first token"),
    "gap_p50": ("gap p50 ms", "milliseconds between two tokens, half of the time at most"),
    "gap_p95": ("gap p95 ms", "the same, 95 % of the time"),
    "gap_p99": ("gap p99 ms", "the same, 99 % of the time"),
    "total_speed": ("all tok/s", "tokens generated a second, of all requests together"),
    "engine_prompt_speed": ("engine prompt tok/s", "as the engine's own timings say"),
    "engine_speed": ("engine tok/s", "as the engine's own timings say"),
}


class TaskOutcome(Finite):
    """One task of a quality suite."""

    task: str
    kind: str = ""
    """Which of the suite's kinds of tasks it is, where there are several."""
    verdict: Literal["passed", "failed", "timeout", "unanswered", "unparsed", "error"]
    """"unanswered": nothing to judge; "unparsed": a call of a tool that cannot be read; "error":
    not the model's fault, so not counted."""
    base: bool = False
    plus: bool = False
    why: str = ""
    truncated: bool = False
    answer: str = ""
    thought: str = ""
    code: str = ""
    extracted: str = ""
    """How the code was found in the answer."""
    tokens: int = 0
    seconds: float = 0.0
    attempts: int = 1


class Score(Finite):
    """A share of right answers, with its 95 % interval."""

    right: int
    of: int
    share: float
    low: float
    high: float

    @classmethod
    def counted(cls, right: int, of: int) -> Score:
        low, high = wilson(right, of)
        return cls(right=right, of=of, share=right / of if of else 0.0, low=low, high=high)


class Figure(Finite):
    """A figure that is no share, with its 95 % interval; the lower, the better."""

    value: float
    low: float
    high: float
    of: int
    """Of how many tokens, or bytes."""
    parts: list[float] = Field(default_factory=list)
    """Of each window of the text, in order: the means that the figure is made of."""


class Stamp(Wire):
    """On what it was measured."""

    studio: str
    engine: str = ""
    build: str = ""
    image: str = ""
    image_id: str = ""
    command: list[str] = Field(default_factory=list)
    model_file: str = ""
    settings: str = ""
    """The profile's [model], [engine] and [server] in one word; what differs is another one."""
    gpus: list[str] = Field(default_factory=list)
    driver: str = ""
    host: str = ""
    cpu: str = ""
    cores: int = 0
    memory: int = 0
    system: str = ""


class Run(Finite):
    """One run of one suite on one profile."""

    format: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9]{8}-[0-9]{6}-[A-Za-z0-9._-]{1,120}$")
    suite: str = Field(max_length=40)
    profile: str = Field(max_length=120)
    name: str = Field(default="", max_length=200)
    state: State
    started: float = Field(ge=0, le=LATEST)
    ended: float = Field(ge=0, le=LATEST)
    stamp: Stamp
    settings: Facts = Field(default_factory=dict)
    points: list[Point] = Field(default_factory=list)
    tasks: list[TaskOutcome] = Field(default_factory=list)
    scores: dict[str, Score] = Field(default_factory=dict)
    figures: dict[str, Figure] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)

    @property
    def speed(self) -> float | None:
        """Tokens a second for one user with an empty context, as the server gives them."""
        for kind in ("answer", "depth"):
            for point in self.points:
                plain = point.kind == kind and point.source == "server" and not point.depth
                if plain and point.users == 1 and "speed" in point.measures:
                    return point.measures["speed"].median
        return None

    @property
    def disturbed(self) -> bool:
        return any(point.disturbed for point in self.points)
