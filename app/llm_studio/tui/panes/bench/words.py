"""Figures and points of benchmarks in few words."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median, stdev
from typing import Any

from llm_studio.tui.widgets.painted import Role

Told = Mapping[str, Any]
VERDICTS: dict[str, Role] = {
    "better": "good", "worse": "bad", "tie": "dim", "too few": "warn", "passed": "good",
    "failed": "bad", "timeout": "bad", "unanswered": "warn", "unparsed": "bad", "error": "warn",
}  # fmt: skip


def figure(value: float) -> str:
    """Three digits that matter, without exponents."""
    if value and abs(value) < 0.01:
        return f"{value:.5f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(told: Told) -> str:
    """The median with the standard deviation; values that lie far off are counted."""
    values = told["values"]
    text = figure(median(values))
    if len(values) > 1:
        text += f" ± {figure(stdev(values))}"
    return text + (f" ({len(told['outliers'])} far off)" if told["outliers"] else "")


def point_name(point: Told) -> str:
    match point["kind"]:
        case "prompt":
            return f"prompt {point['prompt']:,} {point['cache']}"
        case "answer":
            return f"answer {point['answer']:,}"
        case "depth":
            return f"depth {point['depth']:,}"
        case "users":
            return f"{point['users']} at a time"
        case _:
            part = "prompt" if point["prompt"] else "answer"
            deep = f", depth {point['depth']:,}" if point["depth"] else ""
            return f"{part} {point[part]:,}{deep}"


def span(seconds: float) -> str:
    """How long something takes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def share(score: Told) -> str:
    return f"{score['share']:.1%} ({score['low']:.0%} to {score['high']:.0%})"


def suite_of(run: Told) -> str:
    return f"{run['suite']} (quick)" if run.get("quick") else str(run["suite"])


def worse(change: Told) -> str:
    """A run that is worse than the one before it, by how much at most."""
    worst = max(change["worse"], key=_apart)
    word = "slower" if worst["measure"].endswith("tok/s") else "worse"
    return f"⚠ {_apart(worst):.0%} {word}{'' if change['sure'] else '?'}"


def _apart(figure: Told) -> float:
    return float(abs(1 - figure["second"] / (figure["first"] or 1)))
