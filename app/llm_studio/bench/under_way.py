"""What a benchmark found so far, while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from llm_studio.bench.record import Facts, Figure, Point, Score
from llm_studio.bench.suite import Bout
from llm_studio.schema import Wire


class PartialRun(Wire):
    """A run that goes on: what it measured so far is true, and will be kept."""

    job: str
    suite: str
    profile: str
    name: str
    started: float
    seconds: float
    settings: Facts
    points: list[Point]
    tasks: int
    """How many were judged."""
    scores: dict[str, Score]
    figures: dict[str, Figure]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class UnderWay:
    job: str
    suite: str
    bout: Bout
    begun: float

    def told(self) -> PartialRun:
        bout = self.bout
        return PartialRun(
            job=self.job, suite=self.suite, profile=bout.entry.id, name=bout.entry.require().name,
            started=self.begun, seconds=time.time() - self.begun, settings=dict(bout.settings),
            points=list(bout.points), tasks=len(bout.tasks), scores=dict(bout.scores),
            figures=dict(bout.figures), notes=list(bout.notes),
        )  # fmt: skip
