"""Rows of the history as curves: one point for each span of time."""

from __future__ import annotations

import math
from collections.abc import Callable

from llm_studio.schema import Curve
from llm_studio.studio.samples.tiers import Slice


def curves(
    slices: list[Slice], resolution: float, wanted: Callable[[str], bool]
) -> tuple[list[float], dict[str, Curve]]:
    """Times and curves of what was sliced, with one point for each span of the resolution."""
    names = sorted({name for each in slices for name in each.columns if wanted(name)})
    points = sorted({time - time % resolution for each in slices for time in each.times})
    places = {time: place for place, time in enumerate(points)}
    lows, sums, highs, counts = (
        {name: [start] * len(points) for name in names} for start in (math.inf, 0.0, -math.inf, 0.0)
    )
    for each in slices:
        positions = [places[time - time % resolution] for time in each.times]
        width = len(each.columns) * each.parts
        for at, name in enumerate(each.columns):
            if name not in lows:
                continue
            low, total, high, count = lows[name], sums[name], highs[name], counts[name]
            first = at * each.parts
            minima = each.values[first::width]
            means = each.values[first + 1 :: width] if each.parts == 3 else minima
            maxima = each.values[first + 2 :: width] if each.parts == 3 else minima
            for place, least, mean, most in zip(positions, minima, means, maxima, strict=True):
                if mean == mean:  # a number
                    low[place] = min(low[place], least)
                    high[place] = max(high[place], most)
                    total[place] += mean
                    count[place] += 1
    found = {}
    for name in names:
        count = counts[name]
        found[name] = Curve(
            min=_plain(lows[name], count),
            mean=_plain(
                [each / (n or 1) for each, n in zip(sums[name], count, strict=True)], count
            ),
            max=_plain(highs[name], count),
        )
    return points, found


def _plain(values: list[float], counts: list[float]) -> list[float | None]:
    return [round(value, 3) if count else None for value, count in zip(values, counts, strict=True)]
