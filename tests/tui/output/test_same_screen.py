"""Whatever Textual draws, in whatever order: the terminal shows the same as with its own output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from tests.tui.output.emulator import (
    Clusters,
    Terminal,
    all_emoji_narrow,
    one_by_one,
)
from tests.tui.output.screens import (
    AGREED_TEXT,
    ALL,
    EVERY_TEXT,
    Behind,
    Rows,
    part,
    screens,
    strips,
    textuals_own,
    whole,
)
from textual.strip import Strip

from llm_studio.tui.output.abilities import Abilities

BAR = Style(color="red", bgcolor="blue")


@contextmanager
def behind(terminal: Terminal, can: Abilities = ALL) -> Iterator[Behind]:
    layer = Behind(terminal, can)
    try:
        yield layer
    finally:
        layer.close()


def play(data: st.DataObject, layer: Behind, texts: st.SearchStrategy[str]) -> Rows:
    """A random session; the rows that Textual has on its screen at the end."""
    width, height = layer.terminal.width, layer.terminal.height
    rows = data.draw(screens(width, height, texts), "first")
    layer.show(whole(rows), rows)
    for _ in range(data.draw(st.integers(0, 6), "steps")):
        match data.draw(st.sampled_from(["whole", "part", "scroll", "resize", "wait", "again"])):
            case "whole":
                rows = data.draw(screens(width, height, texts))
                layer.show(whole(rows), rows)
            case "part":
                y = data.draw(st.integers(0, height - 1))
                column = data.draw(st.integers(0, 1))
                strip = data.draw(strips(rows[y][column].cell_length, texts))
                rows = [list(row) for row in rows]
                rows[y][column] = strip
                x = rows[y][0].cell_length if column else 0
                layer.show(part(rows, [(y, x, x + strip.cell_length)]), rows)
            case "scroll":
                rows = [*rows[1:], rows[0]]
                layer.show(whole(rows), rows)
            case "resize":
                width, height = data.draw(st.integers(2, 40)), data.draw(st.integers(1, 6))
                layer.terminal.resize(width, height)
                layer.painter.resizing()
                rows = data.draw(screens(width, height, texts))
                layer.show(whole(rows), rows)
            case "wait":
                layer.wire.taking = not layer.wire.taking
                layer.painter.flush()
            case "again":
                layer.painter.repaint()
    layer.settle()
    return rows


@settings(max_examples=70)
@given(st.data())
def test_the_terminal_shows_what_textual_shows(data: st.DataObject) -> None:
    can = data.draw(st.builds(Abilities, st.booleans(), st.booleans()))
    terminal = Terminal(30, 5, erases_in_colour=can.erases_in_colour)
    with behind(terminal, can) as layer:
        rows = play(data, layer, EVERY_TEXT)
        assert terminal.seen() == textuals_own(rows)
        assert (terminal.x, terminal.y) == (0, 0)
        assert not terminal.look.attributes
        assert not terminal.look.link


@pytest.mark.parametrize("clusters", [one_by_one, all_emoji_narrow])
@settings(max_examples=40)
@given(data=st.data())
def test_where_terminals_disagree_only_the_odd_characters_suffer(
    clusters: Clusters, data: st.DataObject
) -> None:
    terminal = Terminal(30, 5, clusters=clusters, strict=False)
    with behind(terminal) as layer:
        rows = play(data, layer, EVERY_TEXT)
        screen = layer.painter._screen
        shown, own = terminal.seen(), textuals_own(rows)
        for y, wanted in enumerate(screen.wanted):
            for x, cell in enumerate(wanted):
                certain = type(cell) is str and cell and (x + 1 >= len(wanted) or wanted[x + 1])
                if certain and cell != "\U0010eeee\u0305\u030d":
                    assert shown[y][x] == own[y][x], (x, y)


def log(first: int, height: int) -> Rows:
    """A log between two lines that stay, beside a scrollbar that moves as it likes."""
    lines = [
        f"{n} task {n * 31 % 97} 漢字 n_past = {n * 7919 % 8192}"
        for n in range(first, first + height)
    ]
    bar = [Strip([Segment("▇▇" if n == first % height else "  ", BAR)], 2) for n in range(height)]
    rows = [[Strip([Segment(line)]).adjust_cell_length(58), bar[n]] for n, line in enumerate(lines)]
    rows[0] = [Strip([Segment("header")]).adjust_cell_length(58), bar[0]]
    rows[-1] = [Strip([Segment("footer")]).adjust_cell_length(58), bar[-1]]
    return rows


@settings(max_examples=40)
@given(st.lists(st.integers(0, 60), max_size=8))
def test_lines_that_scroll_are_moved_by_the_terminal(places: list[int]) -> None:
    terminal = Terminal(60, 14)
    with behind(terminal) as layer:
        for first in (0, 30, *places):
            rows = log(first, 14)
            layer.show(whole(rows), rows)
            assert terminal.seen() == textuals_own(rows)


@pytest.mark.parametrize("by", [1, 2, -1, -2])
def test_a_scrolled_log_costs_little_more_than_its_new_lines(by: int) -> None:
    terminal = Terminal(60, 14)
    with behind(terminal) as layer:
        layer.show(whole(log(20, 14)), log(20, 14))
        before = terminal.received
        layer.show(whole(log(20 + by, 14)), log(20 + by, 14))
        assert terminal.received - before < 120 + 50 * abs(by)


@settings(max_examples=60)
@given(st.data())
def test_nothing_is_sent_for_what_is_there_already(data: st.DataObject) -> None:
    terminal = Terminal(30, 5)
    with behind(terminal) as layer:
        rows = data.draw(screens(30, 5, AGREED_TEXT))
        layer.show(whole(rows), rows)
        sent = terminal.received
        layer.show(whole([list(row) for row in rows]), rows)
        assert terminal.received == sent
