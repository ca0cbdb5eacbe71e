"""What passes to the terminal besides text: pictures unharmed, anything else never."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import ControlType, Segment
from rich.style import Style
from tests.tui.output.emulator import Terminal
from tests.tui.output.screens import Behind, whole
from textual.strip import Strip

WIDTH = 20
OURS = re.compile(
    r"\x1b\[(?:[0-9;]*[mHKXbCDABG])|\x1b\]8;[^\x1b\x07]*\x1b\\|\r\n*|\x08|\x1b\[5n", re.DOTALL
)


@pytest.fixture
def layer() -> Iterator[Behind]:
    behind = Behind(Terminal(WIDTH, 4))
    yield behind
    behind.close()


def line(text: str, style: Style | None = None) -> Strip:
    return Strip([Segment(text, style)]).adjust_cell_length(WIDTH)


def sent(text: str, style: Style | None = None) -> str:
    behind = Behind(Terminal(WIDTH, 4, strict=False))
    rows = [[line(text, style)], *[[line("quiet")] for _ in range(3)]]
    behind.show(whole(rows), rows)
    behind.close()
    return "".join(behind.wire.frames)


hostile = st.sampled_from(
    ["\x1b]0;title\x07", "\x1b[2J", "\x1b]52;c;AAAA\x1b\\", "\x9b31m", "\x90q\x9c", "\r\n", "\x07",
     "\x1b_Gf=1", "\x1b", "\x00", "\x7f", "\u202e", "\u2028", "\ud800", "\x1bPq", "\t", "\x85"]
)  # fmt: skip


@given(st.lists(st.one_of(hostile, st.text(max_size=4)), max_size=5).map("".join))
def test_text_cannot_steer_the_terminal(text: str) -> None:
    if re.search(r"\x1bP[0-9;]*q|\x1b_G|\x1b\]1337;File=", text):
        return  # taken for a picture
    rest = OURS.sub("", sent(text))
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", rest), ascii(rest)


@pytest.mark.parametrize("address", ["https://x/\x1b\\\x1b[2J", "https://x/\x07", "a\nb"])
def test_a_link_cannot_either(address: str) -> None:
    assert "\x1b]8;id" not in sent("text", Style(link=address))
    assert "\x1b[2J" not in sent("text", Style(link=address))


def test_a_picture_passes_as_it_is_and_after_the_text(layer: Behind) -> None:
    pixels = "\x1bPq#0;2;0;0;0#0~~@@vv@@~~$\x1b\\"
    picture = Strip(
        [
            Segment("\x1b[1;1H", Style()),
            Segment(pixels, Style(), ((ControlType.CURSOR_FORWARD, 0),)),
            Segment("\x1b[3;9H", Style()),
        ],
        WIDTH,
    )
    rows = [[line("over")], [line("it")], [picture], [line("under")]]
    layer.show(whole(rows), rows)
    [frame] = layer.wire.frames
    assert f"\x1b[3;1H\x1b[1;1H{pixels}\x1b[3;9H" in frame
    assert frame.index("under") < frame.index(pixels)
    # What the picture covers is unknown now: the same text again is sent again.
    layer.show(whole(rows), rows)
    assert len(layer.wire.frames) == 2
    assert "over" in layer.wire.frames[1]


def test_what_has_a_place_of_its_own_comes_after_what_was_drawn_before_it(layer: Behind) -> None:
    rows = [[line(str(n))] for n in range(4)]
    layer.wire.taking = False
    layer.show(whole(rows), rows)
    layer.painter.write("\x07")
    layer.painter.write("\x1b_Ga=p,i=1\x1b\\")
    assert [frame[:3] for frame in layer.wire.frames] == [
        "\x07",
        layer.wire.frames[1][:3],
        "\x1b_G",
    ]
    assert "0" in layer.wire.frames[1]


def test_links_are_numbered_by_their_address(layer: Behind) -> None:
    rows = [[line("same", Style(link="https://a"))] for _ in range(4)]
    layer.show(whole(rows), rows)
    again = [[line("same", Style(link="https://a"))] for _ in range(4)]
    count = len(layer.wire.frames)
    layer.show(whole(again), again)
    assert len(layer.wire.frames) == count
