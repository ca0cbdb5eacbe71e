"""The terminal UI as a user has it: a real terminal, a real studio, a real engine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.e2e.terminal import CTRL_Z, DOWN, ENTER, ESCAPE, Terminal
from tests.e2e.user import User, talking

from llm_studio.errors import StudioError

Open = Callable[..., Terminal]


@pytest.fixture
def ui(user: User) -> Iterator[Open]:
    """Opens the program in a terminal of this user's."""
    opened: list[Terminal] = []

    def open_(*words: str, **options: object) -> Terminal:
        opened.append(Terminal(user.environment, *words, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for terminal in opened:
        terminal.close()
    with suppress(StudioError, OSError):  # the UI started it, so the user does not know of it
        os.kill(user.status()["studio"]["pid"], signal.SIGKILL)


def test_a_day_in_the_terminal(user: User, ui: Open) -> None:
    """Started by the UI, loaded, switched, left serving, found again, stopped."""
    screen = ui()
    screen.until("PROFILE")
    screen.until("one")
    screen.press(ENTER)
    screen.until("● ready  one")
    screen.press(DOWN, ENTER)
    screen.until("● ready  two")
    screen.press("3")
    screen.until("listening on http://127.0.0.1:")
    screen.press("q")
    screen.until("Leave llm-studio")
    screen.press("l")
    assert screen.wait() == 0
    assert "two goes on serving at http://127.0.0.1:" in screen.text
    assert user.status()["profile"] == "two"

    again = ui("--theme", "light")
    again.until("● ready  two")
    again.press("q")
    again.until("Leave llm-studio")
    again.press("s")
    assert again.wait() == 0
    user.until(state="stopped")


def test_first_run_with_nothing(user: User, ui: Open) -> None:
    for path in (user.home / "profiles").iterdir():
        path.unlink()
    (user.models / "tiny.gguf").unlink()
    screen = ui(columns=80, rows=24)
    screen.until("No model of yours is here yet")
    assert "llm-studio config models" in screen.text
    (user.home / "models/here.gguf").write_bytes(b"")
    screen.press("q")
    assert screen.wait() == 0


def test_a_load_is_cancelled(user: User, ui: Open) -> None:
    user.hold()
    screen = ui()
    screen.until("held")
    screen.press(ENTER)
    screen.until("◐ loading  held")
    screen.press(ESCAPE)
    screen.until("cancelled")
    screen.until("○ stopped")
    assert user.status()["profile"] is None


def test_a_stop_or_switch_asks_while_a_request_runs(user: User, ui: Open) -> None:
    screen = ui()
    screen.until("one")
    screen.press(ENTER)
    screen.until("● ready  one")
    with user.gateway as http, talking(http) as answer:
        screen.press("S")
        screen.until("1 request not done yet")
        screen.press("n")
        screen.until(lambda: "not done yet" not in screen.text)
        screen.press(DOWN, ENTER)
        screen.until("Switch to two?")
        screen.press("y")
        screen.until("◐ draining  two  waiting for 1 request")
        while not next(answer):  # it goes on
            pass
    screen.until("● ready  two")
    with user.gateway as http, talking(http):
        screen.press("S")
        screen.until("1 request not done yet")
        screen.press("c")
        screen.until("○ stopped")


def test_engine_and_studio_are_killed_and_the_screen_tells_the_truth(user: User, ui: Open) -> None:
    screen = ui()
    screen.until("one")
    screen.press(ENTER)
    screen.until("● ready  one")
    user.engine.kill()
    screen.until(lambda: "● ready" not in screen.lines[0])
    screen.until("● ready  one")
    engine = user.engine
    user.kill_studio()
    screen.until("⚠")
    screen.until("● ready  one")
    assert engine.alive
    assert user.status()["engine"]["adopted"]


def test_resize_suspend_and_edit(user: User, ui: Open) -> None:
    editor = user.home / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/^name = .*/name = "Edited"/\' "$1"\n')
    editor.chmod(0o755)
    user.environment["EDITOR"] = str(editor)
    screen = ui(shell=True)
    screen.until("PROFILE")
    screen.resize(60, 20)
    screen.until(lambda: len(screen.lines) == 20 and "q detach" in screen.lines[-1])
    screen.resize(140, 40)
    screen.until(lambda: "│" in screen.lines[10] and "q detach" in screen.lines[-1])
    screen.press("e")
    screen.until("Edited")
    screen.until("--alias")  # all of it is there
    screen.until(lambda: "q detach" in screen.lines[-1])
    before = screen.lines[1:]
    screen.press(CTRL_Z)
    screen.until("IN THE SHELL")
    screen.press("\n")
    screen.until(lambda: screen.lines[1:] == before)
    screen.press("3")
    screen.until("following")


@pytest.mark.parametrize("before", ["", "trap '' HUP;"])
def test_a_lost_terminal_ends_the_ui_and_nothing_else(user: User, ui: Open, before: str) -> None:
    screen = ui(before=before)
    screen.until("one")
    screen.press(ENTER)
    screen.until("● ready  one")
    screen.lose()
    assert screen.process.wait(timeout=15) is not None
    assert user.status()["state"] == "ready"


def test_hostile_bytes_never_reach_the_terminal(user: User, ui: Open) -> None:
    evil = "[/INST] \\u001b]52;c;aGk=\\u0007 \\u009b2J 漢字 e\\u0301"
    user.profile("evil", more="")
    path = user.home / "profiles/evil.toml"
    path.write_text(path.read_text().replace('name = "evil"', f'name = "{evil}"'))
    path.with_name("worse.toml").write_bytes(b'name = "\x1b]0;owned\x07"\n')
    tiny = user.models / "tiny.gguf"
    hostile = "[INST]\x1b]52;c;aGk=\x07\x9b2J漢字e\u0301.gguf"
    tiny.with_name(hostile).write_bytes(tiny.read_bytes())
    screen = ui()
    screen.until("evil")
    screen.until("[INST]")
    for key in ("3", "1", DOWN, DOWN, "m", ESCAPE):
        screen.press(key)
    screen.until("PROFILE")
    assert b"\x1b]52" not in screen.received
    assert b"\xc2\x9b" not in screen.received
    assert b"owned" not in screen.received.split(b"PROFILE")[0]
    assert b"\x1b]0;owned" not in screen.received


def test_two_terminals_see_the_same(user: User, ui: Open) -> None:
    first, second = ui(), ui()
    first.until("one")
    second.until("one")
    first.press(ENTER)
    for screen in (first, second):
        screen.until("● ready  one")


def test_no_defect_was_met(user: User, ui: Open) -> None:
    """Keys of all kinds, fast, in both panes: nothing breaks, and it still answers."""
    screen = ui()
    screen.until("one")
    for key in "o/x\x1b3lloowwttG1+-[]tt\x1b\x1b\x10\x1bm\x1b?\x1b":
        screen.press(key)
        time.sleep(0.01)
    screen.press("1")
    screen.until("PROFILE")
    assert not (user.state / "ui-defect.txt").exists()
