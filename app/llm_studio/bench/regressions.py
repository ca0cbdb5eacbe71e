"""Did a new image or build make a profile slower, or worse? Each run is held against the last one
of the same profile under another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from llm_studio.bench.compare import FEWEST, Difference, circumstances, compare, place_of
from llm_studio.bench.figures import SURE
from llm_studio.bench.overview import Overview
from llm_studio.bench.record import MEASURES, Point, Run
from llm_studio.bench.results import Results
from llm_studio.errors import UsageError
from llm_studio.schema import Wire

SLIGHT = 0.03
"""A loss of speed below this part is no matter: two runs of the same differ by as much."""
SPEEDS = {MEASURES[name][0] for name in ("prompt_speed", "speed")}
ASIDE = {MEASURES[name][0] for name in ("first_token", "gap_p95", "total_speed")}
"""Figures that are not looked at: they follow from the speeds, and among many figures some would
look worse by chance."""


class DifferenceTold(Wire):
    """One figure of both runs."""

    what: str
    measure: str
    first: float
    second: float
    p: float
    """How often chance alone would part them so far."""
    verdict: str
    """"better", "worse" (the second than the first), "tie" or "too few"."""


class Change(Wire):
    """A run beside the last one under another image or build."""

    run: str
    against: str
    verdict: Literal["worse", "no worse", "too few"]
    sure: bool
    """Whether both were measured without other load."""
    worse: list[DifferenceTold]
    changed: list[str]
    """What else was different."""


class Regressions:
    """Reads the disk and remembers what came of it, so all of it is for a thread."""

    def __init__(self, results: Results, overview: Overview) -> None:
        self._results = results
        self._overview = overview
        self._told: dict[tuple[str, str], Change | None] = {}

    def all(self) -> list[Change]:
        """Of each run that has another to be held against, the oldest first."""
        runs = [each.run for each in self._overview.all()]
        found = []
        for at, run in enumerate(runs):
            before = forerunner(run, runs[:at])
            if before is not None:
                found.append(self._change(before.id, run.id))
        return [each for each in found if each is not None]

    def _change(self, before: str, now: str) -> Change | None:
        if (before, now) not in self._told:
            self._told[before, now] = change(self._results.get(before), self._results.get(now))
        return self._told[before, now]


def forerunner(run: Run, earlier: Sequence[Run]) -> Run | None:
    """The last one of the same profile, as it was then and on this machine, under another image."""
    like = [each for each in earlier if each.state == "done" and _circle(each) == _circle(run)]
    others = [each for each in like if _program(each) != _program(run)]
    return others[-1] if others else None


def _circle(run: Run) -> tuple[object, ...]:
    """What must be the same, lest it be the reason."""
    stamp = run.stamp
    return (
        run.suite, run.profile, stamp.settings, stamp.model_file, stamp.host, tuple(stamp.gpus),
        run.settings.get("quick"),
    )  # fmt: skip


def _program(run: Run) -> tuple[str, str]:
    return run.stamp.build, run.stamp.image_id


def change(first: Run, second: Run) -> Change | None:
    """Nothing where the two have no figure in common."""
    try:
        found = compare(_narrowed(first, second), _narrowed(second, first))
    except UsageError:
        return None
    found = [each for each in found if each.measure not in ASIDE]
    tested = [each for each in found if each.verdict != "too few"]
    if not found:
        return None
    worse = [each for each in _beyond_chance(tested) if each.verdict == "worse" and _grave(each)]
    return Change(
        run=second.id, against=first.id,
        verdict="worse" if worse else "no worse" if tested else "too few",
        sure=not (first.disturbed or second.disturbed),
        worse=[told_of(each) for each in worse], changed=circumstances(first, second),
    )  # fmt: skip


def told_of(each: Difference) -> DifferenceTold:
    return DifferenceTold(
        what=each.what, measure=each.measure, first=each.first, second=each.second, p=each.p,
        verdict=each.verdict,
    )  # fmt: skip


def _narrowed(run: Run, other: Run) -> Run:
    """With one point of each kind: the usual answer, the longest prompt, the deepest context, of
    those that both measured often enough to tell."""
    enough = {place_of(point) for point in other.points if _often(point)}
    kept: dict[str, Point] = {}
    for point in run.points:
        stands = point.source == "server" and point.users == 1 and point.kind != "alone"
        if point.kind == "prompt" and point.cache != "cold":
            stands = False
        if not stands or (point.kind == "answer" and point.kind in kept):
            continue
        if point.kind not in kept or (_often(point) and place_of(point) in enough):
            kept[point.kind] = point
    return run.model_copy(update={"points": list(kept.values())})


def _often(point: Point) -> bool:
    return max((len(each.values) for each in point.measures.values()), default=0) >= FEWEST


def _grave(each: Difference) -> bool:
    """Whether it is more than two runs of the same may differ by."""
    slight = each.measure in SPEEDS and each.second > each.first * (1 - SLIGHT)
    return not slight


def _beyond_chance(tested: Sequence[Difference]) -> list[Difference]:
    """Holm's way: among several figures, the least likely must be the less likely by chance."""
    found = []
    for rank, each in enumerate(sorted(tested, key=lambda each: each.p)):
        if each.p * (len(tested) - rank) > SURE:
            break
        found.append(each)
    return found
