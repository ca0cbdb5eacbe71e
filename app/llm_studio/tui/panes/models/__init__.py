"""Models: what can be served here, what it would take, and serving it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

ACTIONS = (
    Action(
        "models.load", "enter", "Load, or switch to it",
        "Serve the profile under the cursor; fetch its model first, or make a profile for a model "
        "file. Where there is nothing yet, go the way under the cursor.", "load",
    ),
    Action(
        "models.beside", "b", "Start beside",
        "Serve it beside what is served now, where the memory is enough for both.",
    ),
    Action(
        "models.stop_it", "s", "Stop",
        "Stop the profile under the cursor, or its download; that goes on later where it was.",
        "stop",
    ),
    Action(
        "models.get", "g", "Download",
        "Fetch the model of the profile under the cursor, or go on with a download; where there is "
        "nothing yet, choose one that fits this machine.", "get",
    ),
    Action(
        "models.hub", "G", "Search the hub",
        "Find a repository by words, and download one of its quantisations.",
    ),
    Action(
        "models.demo", "D", "Try the demo model",
        "Serve a script that needs no download, and chat with it.",
    ),
    Action(
        "models.back", "escape", "Cancel, or clear",
        "Clear the filter, or what is tried out; else cancel the load that runs. Where there is "
        "nothing yet, show all profiles.", "back",
        palette=False,
    ),
    Action(
        "models.more", "plus,equals_sign", "Try more context",
        "Show what the next larger context would take. Nothing is written.",
    ),
    Action(
        "models.less", "minus", "Try less context",
        "Show what the next smaller context would take. Nothing is written.",
    ),
    Action(
        "models.finer", "right_square_bracket", "Try a larger cache type",
        "Show what keys and values of more bits would take.",
    ),
    Action(
        "models.coarser", "left_square_bracket", "Try a smaller cache type",
        "Show what keys and values of fewer bits would take.",
    ),
    Action(
        "models.write", "w", "Keep what is tried",
        "Write context and cache type into the profile.",
    ),
    Action(
        "models.filter", "slash", "Filter",
        "Show only what matches as you type; #tag for a tag.", "filter",
    ),
    Action("models.tags", "t", "Filter by tag", "Choose a tag."),
    Action(
        "models.sort", "o", "Sort", "By state, name, size, context, speed or last use.",
        "sort",
    ),
    Action(
        "models.edit", "e", "Edit",
        "Edit the profile in $EDITOR; a shipped one becomes your copy.", "edit",
    ),
    Action(
        "models.form", "f", "Change values",
        "Context, cache, layers, samplers in a form; a shipped profile becomes your copy.", "form",
    ),
    Action(
        "models.new", "n", "New profile",
        "Make a profile for a model file that has none.", "new",
    ),
    Action("models.duplicate", "d", "Duplicate", "Copy the profile under another id."),
    Action(
        "models.delete", "delete,X", "Delete",
        "Move the profile to the trash folder. Asks first.",
    ),
    Action(
        "models.copy", "y", "Copy the command",
        "Put the llama-server command into the clipboard.",
    ),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.models.pane import ModelsPane

    return ModelsPane()


PANE = PaneSpec(1, "models", "Models", ACTIONS, _create)
