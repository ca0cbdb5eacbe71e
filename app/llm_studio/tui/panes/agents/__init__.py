"""Agents: coding agents on the model that is served, and the sessions that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.tui.actions import Action
from llm_studio.tui.panes.spec import PaneSpec

if TYPE_CHECKING:
    from llm_studio.tui.pane import Pane

ACTIONS = (
    Action(
        "agents.launch", "enter", "Launch an agent",
        "In a project's folder; inside tmux in a window of its own.", "launch",
    ),
    Action(
        "agents.configuration", "e", "What would be set",
        "The agent's environment and settings, or what to enter in an editor.", "settings",
    ),
    Action(
        "agents.test", "t", "Test the connection",
        "Send what the agent would send, and see what works.", "test",
    ),
)  # fmt: skip


def _create() -> Pane:
    from llm_studio.tui.panes.agents.pane import AgentsPane

    return AgentsPane()


PANE = PaneSpec(6, "agents", "Agents", ACTIONS, _create)
