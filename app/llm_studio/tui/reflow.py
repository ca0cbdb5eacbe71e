"""Every widget hears of its size.

Textual's compositor may arrange a new widget while it only looks up where others are; the next
layout then takes it for an old one, and the widget never gets the Resize and Show events that it
lays itself out by. Here what widgets were told is remembered apart from where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import screen
from textual._compositor import Compositor, ReflowResult
from textual.geometry import Size
from textual.widget import Widget


class TellingCompositor(Compositor):
    """Textual's, with a memory of the sizes that widgets were told."""

    def __init__(self) -> None:
        super().__init__()
        self._told: Mapping[Widget, Size] = {}

    def clear(self) -> None:
        super().clear()
        self._told = {}

    def reflow(self, parent: Widget, size: Size) -> ReflowResult:
        hidden = super().reflow(parent, size).hidden
        before = self._told
        self._told = {widget: place.region.size for widget, place in self._full_map.items()}
        return ReflowResult(
            hidden=hidden,
            shown=self._told.keys() - before.keys(),
            resized={w for w, size in self._told.items() if before.get(w, size) != size},
        )


def install() -> None:
    """From now on screens are made with it; Textual offers no other place to say so."""
    module: Any = screen
    module.Compositor = TellingCompositor
