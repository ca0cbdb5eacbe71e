"""Statistics that say how sure a figure is: spreads, intervals, what may be chance."""

from __future__ import annotations

import itertools
import math
import operator
import random
import statistics
from collections.abc import Sequence

SURE = 0.05
"""A difference that chance makes more often than this is a tie."""
FAR = 3.5
"""Scaled deviations from the median from which a value is called an outlier. It stays in."""
SHUFFLES = 5000
Z95 = 1.959963984540054


def written(value: float, digits: int = 4) -> str:
    """A figure as people read it: what is large in full, what is small in so many digits."""
    whole = abs(value) >= min(10**digits, 1000)
    return f"{value:,.0f}" if whole else f"{value:.{digits}g}"


def quantile(values: Sequence[float], part: float) -> float:
    """Between the two nearest values, as most tools do it."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * part
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def outliers(values: Sequence[float]) -> list[int]:
    """Which values lie far from the others; none where there are too few to say."""
    if len(values) < 4:
        return []
    middle = statistics.median(values)
    spread = statistics.median(abs(value - middle) for value in values)
    if not spread:
        return []
    return [at for at, value in enumerate(values) if abs(value - middle) * 0.6745 / spread > FAR]


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not of:
        return 0.0, 1.0
    share, square = right / of, Z95**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = Z95 * math.sqrt(share * (1 - share) / of + square / (4 * of**2)) / (1 + square / of)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """How often chance alone would part two runs so far on the tasks where they differ; exact."""
    of = only_first + only_second
    if not of:
        return 1.0
    tail = sum(math.comb(of, count) for count in range(min(only_first, only_second) + 1))
    return float(min(2 * tail / 2**of, 1.0))


def chance(first: Sequence[float], second: Sequence[float]) -> float:
    """How often chance alone would part the means of two series so far (a permutation test)."""
    together = [*first, *second]
    if not first or not second:
        return 1.0
    seen = abs(statistics.fmean(first) - statistics.fmean(second))
    total, count, size = sum(together), len(together), len(first)

    def apart(part: float) -> bool:
        distance = abs(part / size - (total - part) / (count - size))
        return distance >= seen * (1 - 1e-12)

    if math.comb(count, size) <= SHUFFLES:
        parts = [sum(each) for each in itertools.combinations(together, size)]
        return sum(map(apart, parts)) / len(parts)
    dice = random.Random(0)
    hits = sum(apart(sum(dice.sample(together, size))) for _ in range(SHUFFLES))
    return (hits + 1) / (SHUFFLES + 1)


def paired(first: Sequence[float], second: Sequence[float]) -> float:
    """How often chance alone would part two series so far that belong together one by one (their
    differences get random signs)."""
    apart = [two - one for one, two in zip(first, second, strict=True)]
    seen = abs(sum(apart))
    if not any(apart):
        return 1.0

    def far(distance: float) -> bool:
        return distance >= seen * (1 - 1e-12)

    if 2 ** len(apart) <= SHUFFLES:
        signs = itertools.product((1, -1), repeat=len(apart))
        sums: list[float] = [abs(sum(map(operator.mul, apart, each))) for each in signs]
        return sum(map(far, sums)) / len(sums)
    dice = random.Random(0)
    hits = sum(
        far(abs(sum(each * dice.choice((1, -1)) for each in apart))) for _ in range(SHUFFLES)
    )
    return (hits + 1) / (SHUFFLES + 1)
