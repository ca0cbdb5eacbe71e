"""Logs: what the engine, the studio and the gateway say, as they say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

ACTIONS = (
    Action(
        "logs.follow", "f,G", "Follow",
        "Go to the newest line and stay there as more come.", "follow"
    ),
    Action(
        "logs.search", "slash", "Search",
        "Find lines by a regular expression; small letters find capitals too.", "search",
    ),
    Action("logs.next", "n", "Next match", "Go to the next match, towards the newer lines."),
    Action("logs.previous", "N", "Previous match", "Go to the match before, towards the older."),
    Action(
        "logs.filter", "ampersand,i", "Filter",
        "Show only the lines that a regular expression finds.", "filter",
    ),
    Action(
        "logs.level", "l", "Filter by level",
        "All lines, without debug, warnings and errors, errors alone, in turn.", "level",
    ),
    Action(
        "logs.source", "o", "Filter by source", "All, engine, studio, gateway in turn.", "source"
    ),
    Action(
        "logs.error", "e", "Last error",
        "Go to the last error, then to the one before.", "error",
    ),
    Action(
        "logs.load", "L", "Last load",
        "Go to where the last load begins, then to the one before.",
    ),
    Action(
        "logs.request", "r", "Last request",
        "Go to where the last request begins, then to the one before.",
    ),
    Action("logs.wrap", "w", "Wrap", "Break long lines, or cut them at the edge."),
    Action("logs.times", "t", "Times", "The time of day, how long ago, or none."),
    Action(
        "logs.mark", "space", "Select",
        "Begin to select lines at the cursor; arrows choose how many.", palette=False,
    ),
    Action(
        "logs.copy", "y", "Copy",
        "Put the selected lines, or the one under the cursor, into the clipboard.",
    ),
    Action("logs.save", "s", "Save", "Write the lines that are shown into a file."),
    Action(
        "logs.back", "escape", "Clear",
        "Drop the selection, the search or the filter.", palette=False,
    ),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.logs.pane import LogsPane

    return LogsPane()


PANE = PaneSpec(3, "logs", "Logs", ACTIONS, _create)
