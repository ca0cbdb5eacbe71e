"""The messages on the screen: only what is seen is laid out and drawn, whatever the length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message as Event
from textual.strip import Strip

from llm_studio.tui.panes.chat.entry import Entry
from llm_studio.tui.panes.chat.markdown.rows import Row
from llm_studio.tui.panes.chat.model import Message
from llm_studio.tui.widgets.painted import Painted

GUTTER = 2
WHEEL = 3
_STYLES = (
    "em", "code", "block", "said", "link", "struck", "title", "heading", "math", "keyword",
    "string", "number", "comment", "name",
)  # fmt: skip


class Transcript(Painted, can_focus=True):
    """Shows entries. It stays at the end until one goes up."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; width: 1fr; }
    Transcript .chat--em { text-style: italic; }
    Transcript .chat--code { color: $warning; }
    Transcript .chat--block { background: $panel; }
    Transcript .chat--said { background: $panel; }
    Transcript .chat--link { text-style: underline; }
    Transcript .chat--struck { text-style: strike; }
    Transcript .chat--title { color: $accent; text-style: bold; }
    Transcript .chat--heading { text-style: bold; }
    Transcript .chat--math { text-style: italic; }
    Transcript .chat--keyword { color: $accent; }
    Transcript .chat--string { color: $success; }
    Transcript .chat--number { color: $warning; }
    Transcript .chat--comment { color: $dim; text-style: italic; }
    Transcript .chat--name { text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chat--{name}" for name in _STYLES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "select(-1)", show=False),
        Binding("down,j", "select(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    @dataclass
    class Moved(Event):
        """Another message is selected, or other rows are seen."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - as Textual names it
        super().__init__(id=id)
        self.entries: list[Entry] = []
        self.following = True
        self._known: dict[int, Entry] = {}
        self._selected = 0
        self._top = (0, 0)
        self._seen: list[tuple[int, int, Row]] = []
        self._styles: dict[str, Style] = {}

    # What it shows

    def show(self, messages: Sequence[Message], places: Sequence[str]) -> None:
        """Other messages, or the same in another state."""
        known, self._known = self._known, {}
        self.entries = []
        for message, place in zip(messages, places, strict=True):
            entry = known.get(message.id)
            if entry is None or entry.message is not message:
                entry = Entry(message)
            entry.place = place
            self._known[message.id] = entry
            self.entries.append(entry)
        self._top = (min(self._top[0], max(len(self.entries) - 1, 0)), self._top[1])
        self.grew()

    def grew(self) -> None:
        """A message changed: only rows that differ are drawn."""
        before = self._seen
        self._lay_out()
        if len(before) != len(self._seen):
            self.refresh()
            return
        changed = [
            y
            for y, (old, new) in enumerate(zip(before, self._seen, strict=True))
            if old[2] is not new[2] or old[0] != new[0]
        ]
        if len(changed) > len(before) // 2:
            self.refresh()
        else:
            for y in changed:
                self.refresh(Region(0, y, self.size.width, 1))

    @property
    def selected(self) -> Message | None:
        """The message that is acted upon: the last one, unless another was chosen."""
        if self._selected in self._known:
            return self._known[self._selected].message
        return self.entries[-1].message if self.entries else None

    def select(self, number: int) -> None:
        self._selected = number
        self.refresh()
        self.post_message(self.Moved())

    def fold(self) -> None:
        """Unfold the selected message, or fold it again."""
        if (message := self.selected) is not None:
            self._known[message.id].open ^= True
            self._keep_in_sight(self.entries.index(self._known[message.id]))
            self.redraw()

    def redraw(self) -> None:
        self._lay_out()
        self.refresh()
        self.post_message(self.Moved())

    # Laying out

    @property
    def _width(self) -> int:
        return max(self.size.width - GUTTER - 2, 10)

    def _rows(self, index: int) -> list[Row]:
        return self.entries[index].rows(self._width)

    def _lay_out(self) -> None:
        height = self.size.height
        if not height:
            return
        if self.following:
            self._top = self._above((len(self.entries), 0), height)
        self._seen = self._from(self._top, height)
        if len(self._seen) < height and not self.following:
            self.following = True  # the end is seen: there is nothing below to stay away from
            self._top = self._above((len(self.entries), 0), height)
            self._seen = self._from(self._top, height)

    def _from(self, top: tuple[int, int], height: int) -> list[tuple[int, int, Row]]:
        found: list[tuple[int, int, Row]] = []
        index, row = top
        while index < len(self.entries) and len(found) < height:
            rows = self._rows(index)
            found += [
                (index, at, rows[at])
                for at in range(row, min(len(rows), row + height - len(found)))
            ]
            index, row = index + 1, 0
        return found

    def _above(self, place: tuple[int, int], count: int) -> tuple[int, int]:
        """The place so many rows above another."""
        index, row = place
        while count > row and index > 0:
            count -= row
            index -= 1
            row = len(self._rows(index))
        return (index, max(row - count, 0))

    def _below(self, place: tuple[int, int], count: int) -> tuple[int, int]:
        index, row = place
        row += count
        while index < len(self.entries) and row >= len(self._rows(index)):
            row -= len(self._rows(index))
            index += 1
        return (index, row)

    # Moving

    def _go(self, place: tuple[int, int]) -> None:
        self.following = False
        self._top = place
        self.redraw()

    def action_scroll(self, count: int) -> None:
        if count < 0:
            self._go(self._above(self._top, -count))
        elif not self.following:
            self._go(self._below(self._top, count))

    def action_page(self, step: int) -> None:
        self.action_scroll(step * max(self.size.height - 2, 1))
        if self._seen:
            self._selected = self.entries[self._seen[0 if step < 0 else -1][0]].message.id

    def action_edge(self, side: int) -> None:
        if not self.entries:
            return
        self._selected = self.entries[0 if side < 0 else -1].message.id
        if side < 0:
            self._go((0, 0))
        else:
            self.follow()

    def follow(self) -> None:
        """To the end, and stay there."""
        self.following = True
        self._selected = 0
        self.redraw()

    def action_select(self, step: int) -> None:
        """The next message; one that is not wholly seen is read first."""
        if (message := self.selected) is None or not self._seen:
            return
        index = self.entries.index(self._known[message.id])
        rows = [row for at, row, _ in self._seen if at == index]
        more = bool(rows) and (rows[0] > 0 if step < 0 else rows[-1] < len(self._rows(index)) - 1)
        if more:
            self.action_scroll(step * WHEEL)
            return
        index = min(max(index + step, 0), len(self.entries) - 1)
        self._selected = self.entries[index].message.id
        self._keep_in_sight(index)
        self.redraw()

    def _keep_in_sight(self, index: int) -> None:
        seen = {at for at, _, _ in self._seen}
        if index not in seen or (index == self._seen[0][0] and self._seen[0][1]):
            last = index == len(self.entries) - 1
            self.following, self._top = last, (index, 0)

    def on_click(self, event: events.Click) -> None:
        if event.y < len(self._seen):
            self.select(self.entries[self._seen[event.y][0]].message.id)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_scroll(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_scroll(-WHEEL)

    # Drawing

    def on_resize(self) -> None:
        self.redraw()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    def _style(self, names: str) -> Style:
        style = self._styles.get(names)
        if style is None:
            if names.startswith("#"):  # of a picture: each pair of colours comes once or twice
                return Style.parse(names)
            style = Style.null()
            for name in names.split():
                kind = "chat" if name in _STYLES else "paint"
                style += self.get_component_rich_style(f"{kind}--{name}", partial=True)
            self._styles[names] = style
        return style

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        if y >= len(self._seen):
            return Strip.blank(width, base)
        index, _, row = self._seen[y]
        chosen = self.entries[index].message is self.selected and self.has_focus
        key = (width, base, chosen, len(self._styles) and self._styles.get("dim"))
        if isinstance(row.drawn, tuple) and row.drawn[0] == key:
            strip: Strip = row.drawn[1]
            return strip
        strip = self._drawn(row, width, base, chosen=chosen)
        row.drawn = (key, strip)
        return strip

    def _drawn(self, row: Row, width: int, base: Style, *, chosen: bool) -> Strip:
        mark = Segment("▌ " if chosen else "  ", base + self._style("accent"))
        under = base + self._style(row.under) if row.under else base
        segments, room = [mark], width - GUTTER - 1
        if row.under:
            segments.append(Segment(" ", under))
            room -= 1
        for text, style in row.spans:
            size = cell_len(text)
            if size > room:
                break
            segments.append(Segment(text, under + self._style(style)))
            room -= size
        segments += [Segment(" " * room, under), Segment(" ", base)]
        return Strip(segments).adjust_cell_length(width, base)
