"""Bench: how fast and how good profiles are, what a run will take, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

ACTIONS = (
    Action(
        "bench.open", "enter", "Show it whole",
        "The result under the cursor with its tables and plots, or what a run has found so far.",
        "open",
    ),
    Action(
        "bench.new", "n", "Run a benchmark",
        "Choose what to measure and on which profiles, and see what it will take.", "run",
    ),
    Action(
        "bench.stop_it", "s", "Cancel the run",
        "Cancel the run under the cursor; what it measured so far is kept.", "cancel",
    ),
    Action(
        "bench.mark", "space", "Mark",
        "Mark a result, to compare it with another; again takes the mark away.", "mark",
    ),
    Action(
        "bench.compare", "c", "Compare",
        "The two that are marked; or the one that is with the one under the cursor; or that one "
        "with the one before it.", "compare",
    ),
    Action(
        "bench.quality", "v", "Quality against speed",
        "Every profile's newest score over its newest speed.", "quality",
    ),
    Action("bench.filter", "slash", "Filter", "Show only what matches as you type.", "filter"),
    Action("bench.sort", "o", "Sort", "By age, profile, suite, speed in turn.", "sort"),
    Action(
        "bench.back", "escape", "Back", "Back to the results; clear marks and filter.", "back",
        palette=False,
    ),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.bench.pane import BenchPane

    return BenchPane()


PANE = PaneSpec(5, "bench", "Bench", ACTIONS, _create)
