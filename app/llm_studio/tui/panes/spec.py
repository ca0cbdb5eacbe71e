"""What a pane tells of itself before its widget is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_studio.tui.actions import Action
    from llm_studio.tui.pane import Pane


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """One tab. Numbers are fixed, so that fingers learn them."""

    number: int
    id: str
    title: str
    actions: tuple[Action, ...]
    create: Callable[[], Pane]
    """Imports the widget; called when it is first shown."""
