"""Random screens as Textual would draw them, and a terminal behind the layer to show them on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import strategies as st
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from tests.tui.output.emulator import Cell, Terminal
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from llm_studio.tui.output.abilities import Abilities
from llm_studio.tui.output.outlet import Outlet
from llm_studio.tui.output.pace import Pace
from llm_studio.tui.output.painter import Painter

Rows = list[list[Strip]]
"""A screen: for each row the strips of the widgets beside each other."""

ALL = Abilities(erases_in_colour=True, repeats=True)

_colours = st.sampled_from(
    [
        None,
        Color.default(),
        Color.from_rgb(214, 218, 225),
        Color.from_rgb(21, 24, 29),
        Color.parse("red"),
        Color.parse("bright_blue"),
        Color.from_ansi(123),
    ]
)
_links = st.sampled_from([None, None, None, None, "https://example.org/a", "file:///b;c"])
styles = st.builds(
    Style,
    color=_colours,
    bgcolor=_colours,
    bold=st.sampled_from([None, None, True]),
    dim=st.sampled_from([None, None, None, True]),
    italic=st.sampled_from([None, None, True]),
    underline=st.sampled_from([None, None, True]),
    underline2=st.sampled_from([None, None, None, None, True]),
    reverse=st.sampled_from([None, None, None, True]),
    strike=st.sampled_from([None, None, None, True]),
    overline=st.sampled_from([None, None, None, None, True]),
    conceal=st.sampled_from([None, None, None, None, None, True]),
    link=_links,
)
narrow = st.one_of(
    st.text("ab xyz-", min_size=1, max_size=8),
    st.builds(lambda letter, count: letter * count, st.sampled_from(" ─█a⣿"), st.integers(1, 30)),
    st.sampled_from(["é–…", "│ ", "▏▎▍", "\ue0b0"]),
)
wide = st.sampled_from(["漢字", "한", "カナ", "！", "語 語"])
odd = st.sampled_from(
    [
        "e\u0301", "👩\u200d🚀", "❤\ufe0f", "🇩🇪", "🇩", "👍🏽", "1\ufe0f\u20e3", "नि", "⚡", "กำ",
        "\U0010eeee\u0305\u030d", "☰", "𝔸",
    ]
)  # fmt: skip
EVERY_TEXT = st.one_of(narrow, narrow, wide, odd)
AGREED_TEXT = st.one_of(narrow, wide)


@st.composite
def strips(draw: st.DrawFn, width: int, texts: st.SearchStrategy[str]) -> Strip:
    """A line of exactly this width."""
    segments = [Segment(".", draw(styles))]
    for text in draw(st.lists(texts, max_size=4)):
        segments.append(Segment(text, draw(st.one_of(st.none(), styles))))
    return Strip(segments).adjust_cell_length(width, draw(styles))


@st.composite
def screens(draw: st.DrawFn, width: int, height: int, texts: st.SearchStrategy[str]) -> Rows:
    edge = draw(st.integers(1, width - 1))
    return [[draw(strips(edge, texts)), draw(strips(width - edge, texts))] for _ in range(height)]


def whole(rows: Rows) -> LayoutUpdate:
    width = sum(strip.cell_length for strip in rows[0])
    return LayoutUpdate([list(row) for row in rows], Region(0, 0, width, len(rows)))


def part(rows: Rows, spans: list[tuple[int, int, int]]) -> ChopsUpdate:
    """What Textual draws when these spans are dirty: nothing is known of the rows beside them."""
    dirty = {y for y, _, _ in spans}
    chops: list[dict[int, Strip | None]] = []
    ends: list[list[int]] = []
    for y, row in enumerate(rows):
        x, line, line_ends = 0, {}, []
        for strip in row:
            line[x] = strip if y in dirty else None
            x += strip.cell_length
            line_ends.append(x)
        chops.append(line)
        ends.append(line_ends)
    return ChopsUpdate(chops, spans, ends)


CONSOLE = Console(color_system="truecolor", force_terminal=True, legacy_windows=False)


def textuals_own(rows: Rows, console: Console = CONSOLE) -> list[list[Cell]]:
    """The screen that Textual's own output gives."""
    update = whole(rows)
    terminal = Terminal(update.region.width, update.region.height)
    for row in rows:  # strips and styles keep what they were rendered to, in whatever colours
        for strip in row:
            strip._render_cache = None
            for _, style, _ in strip:
                if style is not None:
                    style._ansi = None
    text = update.render_segments(console)
    for y, line in enumerate(text.split("\n")):
        assert line.startswith(f"\x1b[{y + 1};1H")
        terminal.feed(line)
    return terminal.seen()


class Wire(Outlet):
    """An outlet to an emulated terminal, which takes frames when the test says so."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self.pace = Pace()
        self.taking = True
        self.frames: list[str] = []
        self._take = take

    @property
    def ready(self) -> bool:
        return self.taking

    def send(self, text: str, *, ask: bool = False) -> None:
        self.frames.append(text)
        self._take(text)


def failed(fault: Exception) -> None:
    raise fault


class Behind:
    """The layer with an emulated terminal behind it."""

    def __init__(
        self, terminal: Terminal, can: Abilities = ALL, console: Console = CONSOLE
    ) -> None:
        self.terminal = terminal
        self.wire = Wire(terminal.feed)
        self.loop = asyncio.new_event_loop()
        self.painter = Painter(console, can, self.loop, failed)
        self.painter.attach(self.wire)

    def show(self, update: LayoutUpdate | ChopsUpdate, rows: Rows) -> None:
        width = sum(strip.cell_length for strip in rows[0])
        self.painter.show(update, (width, len(rows)), (0, 0))

    def settle(self) -> None:
        """The terminal has taken all that it was sent, and some time has passed."""
        self.wire.taking = True
        self.painter._held_until = 0.0
        self.painter.flush()

    def close(self) -> None:
        self.loop.close()
