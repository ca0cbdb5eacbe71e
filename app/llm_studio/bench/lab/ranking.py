"""Which variants are the fastest, and between which only chance decides."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llm_studio.bench.compare import FEWEST
from llm_studio.bench.figures import SURE, chance
from llm_studio.bench.lab.record import Lab
from llm_studio.bench.record import Run

By = Literal["speed", "prompt_speed", "total_speed"]
KINDS: dict[By, str] = {"speed": "answer", "prompt_speed": "prompt", "total_speed": "users"}


@dataclass(frozen=True, slots=True)
class Place:
    """A variant that was measured, in the ranking."""

    number: int
    """Of the lab's variants."""
    median: float
    deviation: float | None
    ratio: float | None
    """To the profile as it is."""
    p: float
    """How often chance alone would part it so far from the best, for all variants together."""
    verdict: Literal["best", "tie", "slower", "too few"]


def values_of(run: Run, by: By) -> Sequence[float]:
    """All repetitions of what stands for the variant; of several users, of the most."""
    kind = KINDS[by]
    found: Sequence[float] = ()
    for point in run.points:
        plain = point.kind == kind and point.source == "server" and not point.depth
        if plain and by in point.measures and (kind != "prompt" or point.cache == "cold"):
            found = point.measures[by].values
            if kind != "users":
                break
    return found


def ranking(lab: Lab, by: By) -> list[Place]:
    """The best first. Each is held against the best; with many, chance has many chances, so the
    level is Holm's."""
    measured = [
        (number, values)
        for number, variant in enumerate(lab.variants)
        if variant.run is not None and (values := values_of(variant.run, by))
    ]
    measured.sort(key=lambda each: -statistics.median(each[1]))
    if not measured:
        return []
    first, best = measured[0]
    usual = next((statistics.median(v) for number, v in measured if number == 0), None)
    chances = _holm([chance(best, values) for _, values in measured[1:]])
    found = []
    for (number, values), p in zip(measured, [1.0, *chances], strict=True):
        verdict: Literal["best", "tie", "slower", "too few"] = "tie" if p > SURE else "slower"
        if number == first:
            verdict = "best"
        elif min(len(values), len(best)) < FEWEST:
            verdict = "too few"
        middle = statistics.median(values)
        spread = statistics.stdev(values) if len(values) > 1 else None
        found.append(Place(number, middle, spread, middle / usual if usual else None, p, verdict))
    return found


def candidate(places: Sequence[Place]) -> Place | None:
    """The best, unless the profile as it is may be as good."""
    if not places or places[0].number == 0:
        return None
    tied = any(each.number == 0 and each.verdict != "slower" for each in places)
    return None if tied else places[0]


def winner(lab: Lab, by: By) -> Place | None:
    """The candidate, if it was better when both were loaded and measured once more: a machine that
    was slower for a while makes a difference too, and repetitions in a row cannot tell."""
    best = candidate(ranking(lab, by))
    usual, other = lab.variants[0].again, lab.variants[best.number].again if best else None
    if best is None or other is None:
        return None
    if usual is None:  # as it is, it does not even load
        return best if lab.variants[0].run is None else None
    one, two = values_of(usual, by), values_of(other, by)
    if not one or not two or statistics.median(two) <= statistics.median(one):
        return None
    return best if chance(one, two) <= SURE else None


def _holm(chances: Sequence[float]) -> list[float]:
    """Chances of a family of tests, so that all of them together are wrong as seldom as one."""
    order = sorted(range(len(chances)), key=lambda at: chances[at])
    found = [0.0] * len(chances)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(chances[at] * (len(chances) - rank), 1.0))
        found[at] = highest
    return found
