"""The keys that work here, read off the bindings themselves, so that remapped ones are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from llm_studio.tui.actions import Action, every_action, key_name

MOVING = (
    ("↑ ↓ PgUp PgDn", "Move in a list or text"),
    ("Home End", "Go to its begin or its end"),
    ("Tab Shift+Tab", "Go to the next or the previous part"),
)


FRAMED = 7
"""Columns that border, padding and scroll bar take."""


class Help(ModalScreen[None]):
    DEFAULT_CSS = """
    Help { align: center middle; }
    Help > VerticalScroll {
        width: 84; max-width: 96%; height: auto; max-height: 94%;
        background: $background; border: round $border; padding: 0 2;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "back")
    ]

    def __init__(self, active: Mapping[str, ActiveBinding], place: str) -> None:
        super().__init__()
        self._sections = sections(active, place)

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static()

    def on_resize(self) -> None:
        inside = min(self.size.width * 96 // 100, 84) - FRAMED
        self.query_one(Static).update(self._content(inside))

    def _content(self, width: int) -> Content:
        keys_width = max(len(keys) for _, rows in self._sections for keys, _ in rows) + 2
        lines: list[Content] = []
        for title, rows in self._sections:
            lines += [Content(""), Content.styled(title, "bold")]
            for keys, doc in rows:
                first, *rest = wrap(doc, max(width - keys_width, 20)) or [""]
                lines.append(Content.assemble((f"{keys:<{keys_width}}", "$accent"), first))
                lines += [Content(" " * keys_width + line) for line in rest]
        return Content("\n").join(lines[1:])


Section = tuple[str, list[tuple[str, str]]]


def sections(active: Mapping[str, ActiveBinding], place: str) -> list[Section]:
    """The bindings that hold, as sections: this pane, everywhere, moving."""
    keys: dict[str, list[str]] = {}
    for key, each in active.items():
        if each.binding.id and each.enabled:
            keys.setdefault(each.binding.id, []).append(key_name(key))
    actions = [action for id_, action in every_action().items() if id_ in keys]
    here = _rows((each for each in actions if each.where != "app"), keys)
    everywhere = _rows((each for each in actions if each.where == "app"), keys)
    found: list[Section] = [(place, here), ("Everywhere", everywhere), ("Moving", list(MOVING))]
    return [section for section in found if section[1]]


def _rows(actions: Iterable[Action], keys: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    return [(" ".join(keys[action.id]), action.doc) for action in actions]
