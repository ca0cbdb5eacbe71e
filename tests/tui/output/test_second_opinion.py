"""Terminals that others wrote show the same with the layer and without it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tui.output.emulator import Cell, Terminal
from tests.tui.output.screens import CONSOLE, Behind, narrow, screens, whole

from llm_studio.tui.output.abilities import Abilities

ROOT = Path(__file__).parents[3]


def columns(screen: pyte.Screen) -> list[list[tuple[str, str]]]:
    return [
        [(screen.buffer[y][x].data, screen.buffer[y][x].bg) for x in range(screen.columns)]
        for y in range(screen.lines)
    ]


@settings(max_examples=40)
@given(st.data())
def test_pyte_shows_the_same(data: st.DataObject) -> None:
    ours, own = (pyte.Screen(30, 4) for _ in range(2))
    stream, plain = pyte.Stream(ours), pyte.Stream(own)
    layer = Behind(Terminal(30, 4), Abilities(erases_in_colour=True, repeats=False))
    layer.wire._take = stream.feed
    try:
        for _ in range(3):
            rows = data.draw(screens(30, 4, narrow))
            layer.show(whole(rows), rows)
        for row in rows:
            for strip in row:
                strip._render_cache = None
        own.reset_mode(pyte.modes.DECAWM)
        plain.feed(whole(rows).render_segments(CONSOLE))
    finally:
        layer.close()
    assert columns(ours) == columns(own)


Tmux = Callable[..., str]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        pytest.skip("there is no tmux")
    socket = str(tmp_path / "tmux")

    def run(*words: str) -> str:
        command = ["tmux", "-S", socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    yield run
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


@pytest.mark.parametrize("name", ["tmux-256color", "xterm-256color", "screen-256color"])
def test_tmux_shows_the_same(tmux: Tmux, name: str) -> None:
    def shown(pane: str) -> Terminal:
        terminal = Terminal(100, 30)
        lines = tmux("capture-pane", "-p", "-e", "-N", "-t", pane).split("\n")
        for y, line in enumerate(lines[:30]):
            terminal.feed(f"\x1b[{y + 1}H{line}")
        return terminal

    def told(terminal: Terminal) -> list[list[Cell]]:
        """tmux draws erased cells in their colour, but captures nothing of them."""
        erased = name.startswith("xterm")
        return [
            [Cell() if erased and cell.text in (" ", "?") else cell for cell in row]
            for row in terminal.seen()
        ]

    def begin(pane: str, words: str) -> None:
        settings = "PYTHONPATH=app:. COLORTERM=truecolor LANG=C.UTF-8"
        python = f"env -u COLUMNS -u LINES {settings} {sys.executable}"
        command = f"{python} tests/tui/output/small_app.py {words}"
        tmux("new-window", "-d", "-n", pane, "-c", str(ROOT), command)

    tmux("new-session", "-d", "-x", "100", "-y", "30", "-n", "idle", "sleep 60")
    tmux("set", "-g", "default-terminal", name)
    tmux("set", "-g", "status", "off")
    begin("layer", "skeleton")
    begin("plain", "plain")
    for key, text in (("", "line 99"), ("a", "PAGE A"), ("Tab", "PAGE A"), ("Home", "line 0")):
        for pane in ("layer", "plain"):
            tmux("send-keys", "-t", pane, key)
        deadline = time.monotonic() + 10
        while True:
            layer, plain = shown("layer"), shown("plain")
            if text in "\n".join(plain.lines()) and told(layer) == told(plain):
                break
            assert time.monotonic() < deadline, "\n".join(layer.lines() + plain.lines())
            time.sleep(0.02)
