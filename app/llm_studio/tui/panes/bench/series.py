"""What can be plotted of runs: speed over the depth of context, over users, over prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from llm_studio.tui.panes.bench.plot import Series, deepening, doubling, sign

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """One kind of plot: which points it takes, what they are placed by, which figure they give."""

    title: str
    kind: str
    measure: str
    scale: Callable[[float], float] = doubling


CURVES = (
    Curve("tok/s over tokens in the context", "depth", "speed", deepening),
    Curve("tok/s in all over requests at a time", "users", "total_speed"),
    Curve("prompt tok/s over its length", "prompt", "prompt_speed"),
)


def series_of(curve: Curve, runs: Sequence[tuple[str, Told]]) -> list[Series]:
    """Of each run with its label; none of those with fewer than two places."""
    found = [
        Series(label, _points(curve, run["points"]), sign(at, len(runs)))
        for at, (label, run) in enumerate(runs)
    ]
    return [each for each in found if len(each.points) > 1]


def _points(curve: Curve, points: Sequence[Told]) -> list[tuple[float, float, float, float]]:
    found: dict[float, tuple[float, float, float, float]] = {}
    for point in points:
        spread = point["measures"].get(curve.measure)
        if point["source"] != "server" or spread is None:
            continue
        # An answer with nothing before it is where the depths begin.
        place = 0 if curve.kind == "depth" and point["kind"] == "answer" else point[curve.kind]
        if point["kind"] not in (curve.kind, "answer" if curve.kind == "depth" else ""):
            continue
        values = spread["values"]
        found.setdefault(float(place), (float(place), min(values), median(values), max(values)))
    return [found[place] for place in sorted(found)]
