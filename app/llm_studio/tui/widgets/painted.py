"""Drawing by roles: a text is said to be good, bad or dim, and the theme says how that looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from llm_studio.text import untrusted_line

Role = Literal["", "dim", "good", "warn", "bad", "accent", "strong", "cursor", "match", "mark"]
Part = tuple[str, Role]
"""Some text and its role."""


class Terse(Widget):
    """A widget that draws its own lines, in few roles: each costs time whenever it is styled."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"paint--dim", "paint--accent"}

    _base: Style | None = None
    """The style that lies below all, while lines are drawn: to find it takes as long as a line."""

    def render_lines(self, crop: Region) -> list[Strip]:
        self._base = self.rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._base = None

    def watch_has_focus(self, _has_focus: bool) -> None:
        """No style sheet asks for the focus here, so nothing is styled anew, as Textual would."""

    def paint(self, role: Role) -> Style:
        """The role's own style, to be laid over another."""
        if not role:
            return Style.null()
        return self.get_component_rich_style(f"paint--{role}", partial=True)

    def line(self, parts: Iterable[Part], width: int, under: Role = "") -> Strip:
        """A line of exactly this width; `under` lies below all of it, as a cursor does."""
        base = (self._base or self.rich_style) + self.paint(under)
        # A cursor that is drawn in reverse would turn the roles' colours into backgrounds.
        flat = under == "cursor" and bool(base.reverse)
        segments, room = [], width
        for text, role in parts:
            if "\n" in text or "\t" in text:
                text = untrusted_line(text, limit=2000)
            taken = cell_len(text)
            if taken > room:
                text, taken = cut(text, room), room
            style = base if flat and role != "strong" else base + self.paint(role)
            segments.append(Segment(text, style))
            room -= taken
            if not room:
                break
        if room:
            segments.append(Segment(" " * room, base))
        return Strip(segments, width)


class Painted(Terse):
    """One that draws in any role."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"paint--{role}" for role in ("good", "warn", "bad", "strong", "cursor", "match", "mark")
    }


def cut(text: str, width: int) -> str:
    """Text of at most this many cells; what is cut off is told by an ellipsis."""
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Text of exactly this many cells."""
    shown = cut(text, width)
    blank = " " * (width - cell_len(shown))
    return blank + shown if right else shown + blank
