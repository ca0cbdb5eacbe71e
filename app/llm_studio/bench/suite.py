"""What every benchmark is: one suite on one profile, which fills in what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from llm_studio.bench.asking import Asker
from llm_studio.bench.disturbance import Observer
from llm_studio.bench.record import Facts, Figure, Point, Score, TaskOutcome
from llm_studio.profiles.catalogue import Entry
from llm_studio.studio.studio import Studio

Told = Callable[[str, float | None], None]


@dataclass(slots=True)
class Bout:
    """A suite on a profile that is served; what it has found so far outlives its end."""

    studio: Studio
    entry: Entry
    told: Told
    settings: Facts = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    tasks: list[TaskOutcome] = field(default_factory=list)
    scores: dict[str, Score] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.points or self.tasks or self.scores or self.figures)

    async def pid(self) -> int:
        """Of the engine, on this machine; 0 where that cannot be known."""
        running = self.studio.berths.main.supervisor.serving
        engine = self.studio.engines.get(running.kind) if running else None
        if running is None or engine is None:
            return 0
        return (await engine.vitals(running)).pid

    def observer(self, asker: Asker, pid: int) -> Observer:
        """Begins to watch what else goes on."""
        desk, requests = self.studio.berths.main.desk, self.studio.requests
        before = requests.last

        def foreign() -> int:
            return max(desk.running - asker.running, 0) + requests.last - before

        return Observer(self.studio.samples.sampler.look, foreign, pid)


class Suite(Protocol):
    """One kind of benchmark."""

    name: str
    title: str
    own_context: bool
    """Served with the profile's own context, rather than with that of its [bench]."""

    async def prepare(self) -> None:
        """Whatever can be known beforehand is, before the present model is touched."""
        ...

    async def run(self, bout: Bout) -> None: ...
