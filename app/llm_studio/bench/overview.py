"""All results at a glance. A result never changes, so each file is read once and then remembered
without its bulk."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

from llm_studio.bench.record import Run
from llm_studio.bench.results import Results, parse
from llm_studio.errors import StudioError
from llm_studio.schema import Wire


class RunSummary(Wire):
    """A run in a listing."""

    id: str
    suite: str
    profile: str
    name: str
    state: str
    started: float
    seconds: float
    result: str
    """The figure that it comes down to, in words, and"""
    score: str | None
    """the name of the score that stands for it."""
    speed: float | None
    """Tokens a second for one user with an empty context."""
    scores: dict[str, float]
    """Shares of right answers, from 0 to 1."""
    figures: dict[str, float]
    """What is no share; the lower, the better."""
    intervals: dict[str, tuple[float, float]]
    """The 95 % interval of each of both."""
    quick: bool
    disturbed: bool
    """Whether the machine did other things meanwhile."""
    engine: str
    build: str
    image: str


@dataclass(frozen=True, slots=True)
class Known:
    """A run without its points and tasks, and what is kept of them."""

    run: Run
    summary: RunSummary
    effort: float
    """Seconds that it took; of a run that was interrupted, with what came before."""


class Overview:
    """Reads the disk, so all of it is for a thread."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._known: dict[str, tuple[int, Known]] = {}
        self._turn = threading.Lock()

    def all(self) -> list[Known]:
        """The oldest first; files that cannot be read are left out."""
        with self._turn:
            paths = {path.name: path for path in self._results.folder.glob("*.json")}
            for name in self._known.keys() - paths.keys():
                del self._known[name]
            for name, path in paths.items():
                with contextlib.suppress(StudioError, OSError):
                    self._read(name, path)
            known = [each for _, each in self._known.values()]
        return sorted(known, key=lambda each: each.run.started)

    def _read(self, name: str, path: Path) -> None:
        changed = path.stat().st_mtime_ns
        if name not in self._known or self._known[name][0] != changed:
            self._known[name] = changed, known_of(parse(path.read_bytes()))


def known_of(run: Run) -> Known:
    slim = run.model_copy(update={"points": [], "tasks": [], "figures": {}})
    return Known(slim, summary_of(run), max(run.ended - run.started, _asking(run)))


def _asking(run: Run) -> float:
    """Seconds that its answers took, in whichever run they were given."""
    users = run.settings.get("requests at a time")
    at_once = users if isinstance(users, int) and users > 0 else 1
    return sum(task.seconds for task in run.tasks) / at_once


def summary_of(run: Run) -> RunSummary:
    return RunSummary(
        id=run.id, suite=run.suite, profile=run.profile, name=run.name, state=run.state,
        started=run.started, seconds=run.ended - run.started, result=headline(run),
        score=strictest(run) if run.scores else None,
        speed=run.speed, scores={name: score.share for name, score in run.scores.items()},
        figures={name: figure.value for name, figure in run.figures.items()},
        intervals={
            **{name: (score.low, score.high) for name, score in run.scores.items()},
            **{name: (figure.low, figure.high) for name, figure in run.figures.items()},
        },
        quick=run.settings.get("quick") is True, disturbed=run.disturbed,
        engine=run.stamp.engine, build=run.stamp.build, image=run.stamp.image,
    )  # fmt: skip


def headline(run: Run) -> str:
    """What one would tell of a run in a line, with how sure it is."""
    if run.scores:
        score = run.scores[strictest(run)]
        return f"{score.share:.1%} ({score.low:.0%} to {score.high:.0%})"
    if run.figures:
        name, figure = next(iter(run.figures.items()))
        return f"{name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
    return f"{run.speed:.1f} tok/s" if run.speed else ""


def strictest(run: Run) -> str:
    """The score that stands for the run: the one over most tasks, of those the last."""
    most = max(score.of for score in run.scores.values())
    return [name for name, score in run.scores.items() if score.of == most][-1]
