"""Monitor: what GPUs, machine and engine do, now and in the time before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

ACTIONS = (
    Action("monitor.window", "w", "More time", "Show a longer time in the curves.", "time"),
    Action("monitor.window_back", "W", "Less time", "Show a shorter time in the curves."),
    Action(
        "monitor.curves", "g", "Other curves",
        "Memory, use, temperature, power, tokens, host: which curves are shown first.", "curves",
    ),
    Action(
        "monitor.pause", "space", "Pause", "Hold the curves as they are; again lets them go on.",
        "pause",
    ),
    Action(
        "monitor.earlier", "left", "Earlier", "Read the curves at an earlier moment; they hold.",
        "inspect",
    ),
    Action("monitor.later", "right", "Later", "Read the curves at a later moment."),
    Action(
        "monitor.below", "p", "Requests or processes",
        "Show the last requests, or the processes that use the GPUs.", "processes",
    ),
    Action("monitor.back", "escape", "Now", "Back to the present.", palette=False),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.monitor.pane import MonitorPane

    return MonitorPane()


PANE = PaneSpec(2, "monitor", "Monitor", ACTIONS, _create)
