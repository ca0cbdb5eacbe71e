"""The last line: the keys that work here and now, made from the bindings themselves."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from textual.strip import Strip

from llm_studio.tui.actions import key_name
from llm_studio.tui.widgets.painted import Part, Terse

LAST = ("cancel", "failure", "help", "palette", "quit")
"""Actions that stay when there is room for few."""


class Footer(Terse):
    DEFAULT_CSS = "Footer { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._known: list[tuple[str, str, str]] | None = None
        """The keys, until there is news of them."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._news)
        self.call_after_refresh(self._news)

    def _news(self, _: Any = None) -> None:
        self._known = None
        self.refresh()

    def _keys(self) -> list[tuple[str, str, str]]:
        """Key, word and action of each binding, without doubles; what is near comes first."""
        found: dict[str, tuple[str, str, str]] = {}
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in found:
                found[binding.action] = (key_name(key), binding.description, binding.action)
        return list(found.values())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        keys = self._known = self._known or self._keys()
        kept = [each for each in keys if each[2] in LAST]
        room = width - 1 - sum(_cells(each) for each in kept)
        shown = []
        for each in keys:
            if each in kept:
                continue
            room -= _cells(each)
            if room < 0:
                break
            shown.append(each)
        parts: list[Part] = [(" ", "")]
        for key, word, _ in [*shown, *kept]:
            parts += [(key, "accent"), (f" {word}  ", "dim")]
        return self.line(parts, width)


def _cells(key: tuple[str, str, str]) -> int:
    return cell_len(key[0]) + cell_len(key[1]) + 3
