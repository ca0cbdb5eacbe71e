from __future__ import annotations

import pytest

from llm_studio.bench.figures import chance, mcnemar, outliers, quantile, wilson


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(156, 164, 0.907, 0.975), (149, 164, 0.855, 0.944), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)],
)
def test_an_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert wilson(right, of) == pytest.approx((low, high), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 0.021484), (0, 6, 0.03125)],
)
def test_mcnemar_is_exact(lost: int, won: int, p: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p, abs=1e-6)
    assert mcnemar(won, lost) == mcnemar(lost, won)


def test_chance_counts_every_way_to_part_the_values() -> None:
    assert chance([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert chance([1, 2, 3], [1, 2, 3]) == 1.0
    assert chance([5.0] * 4, [5.0] * 4) == 1.0
    assert chance([float(n) for n in range(20)], [n + 100.0 for n in range(20)]) < 0.001


def test_a_value_far_off_is_seen_and_a_spread_is_not() -> None:
    assert outliers([10, 10.1, 9.9, 10.05, 3]) == [4]
    assert outliers([10, 11, 12, 13, 14]) == []
    assert outliers([1, 100]) == []


def test_quantiles_lie_between_values() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 2.5
    assert quantile([7], 0.99) == 7
