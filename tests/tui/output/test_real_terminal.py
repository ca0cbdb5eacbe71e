"""The driver in a real pty: a terminal that is suspended, resized, slow, or lost."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
from tests.tui.output.emulator import Cell, Terminal

ROOT = Path(__file__).parents[3]
ANSWERS = {"\x1b[5n": b"\x1b[0n", "\x1b[?2026$p": b"\x1b[?2026;2$y"}


class Session:
    """A program in a terminal that answers, and takes so many bytes a second."""

    def __init__(
        self, *words: str, answers: bool = True, before: str = "", shell: bool = False
    ) -> None:
        self.answers = answers
        self.rate = 0.0
        self.received = b""
        self.screen = Terminal(80, 24, strict=False)
        self.master, slave = pty.openpty()
        self.size(80, 24)
        program = f"{sys.executable} tests/tui/output/small_app.py {' '.join(words)}"
        command = f"set -m; {program}; echo SHELL; read go; fg" if shell else f"exec {program}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("COLUMNS", "LINES", "NO_COLOR") and not name.startswith("TEXTUAL")
        }
        self.process = subprocess.Popen(
            ["sh", "-c", f"{before} {command}"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={
                **environment,
                "PYTHONPATH": f"{ROOT / 'app'}:{ROOT}",
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
            },
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def size(self, width: int, height: int) -> None:
        self.screen.resize(width, height)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def key(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, done: Callable[[], bool] | str, seconds: float = 10.0) -> float:
        """How long it took until the text was seen, or the condition came true."""
        wanted = done
        condition = wanted if callable(wanted) else lambda: wanted in "\n".join(self.screen.lines())
        began = time.monotonic()
        while not condition():
            left = began + seconds - time.monotonic()
            assert left > 0, "\n".join(self.screen.lines())
            self._take(min(left, 0.05))
        return time.monotonic() - began

    def wait(self, seconds: float = 10.0) -> int:
        """The exit code, once everything was taken."""
        self.until(lambda: self.process.poll() is not None, seconds)
        return self.process.wait()

    @property
    def state(self) -> str:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2][0]

    def _take(self, seconds: float) -> None:
        if not select.select([self.master], [], [], seconds)[0]:
            return
        with contextlib.suppress(OSError):
            data = os.read(self.master, 4096)
            if self.rate:
                time.sleep(len(data) / self.rate)  # this is what makes the terminal slow
            self.received += data
            self.screen.feed(self._decode(data))
            for question in self.screen.other:
                if self.answers and question in ANSWERS:
                    os.write(self.master, ANSWERS[question])
            self.screen.other.clear()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)


@pytest.fixture
def start() -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def begin(*words: str, **options: object) -> Session:
        session = Session(*words, **options)  # type: ignore[arg-type]
        sessions.append(session)
        return session

    yield begin
    for session in sessions:
        session.close()


Start = Callable[..., Session]


def smear(session: Session) -> None:
    """Another program wrote all over the screen."""
    session.screen.cells = [[Cell("#")] * 80 for _ in range(24)]


def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(start: Start) -> None:
    session = start(shell=True)
    modes = termios.tcgetattr(session.master)
    session.until("line 99")
    before = session.screen.seen()
    session.key("\x1a")
    session.until(lambda: b"SHELL" in session.received.rpartition(b"\x1b[?1049l")[2])
    assert termios.tcgetattr(session.master)[3] == modes[3]
    smear(session)
    session.key("\n")
    session.until(lambda: session.screen.seen() == before)
    session.key("a")
    session.until("PAGE A")


def test_ctrl_z_where_no_shell_could_bring_it_back_stops_nothing(start: Start) -> None:
    """As the only program of a window of tmux, or of a command of ssh."""
    session = start()
    session.until("line 99")
    session.key("\x1a")
    session.until("No shell is here to go back to")
    assert session.state != "T"
    session.key("a")
    session.until("PAGE A")


def test_a_stop_from_outside_is_recovered_from(start: Start) -> None:
    session = start()
    session.until("line 99")
    before = session.screen.seen()
    session.process.send_signal(signal.SIGSTOP)
    session.until(lambda: session.state == "T")
    smear(session)
    session.process.send_signal(signal.SIGCONT)
    session.until(lambda: session.screen.seen() == before)


def test_a_failure_while_another_program_has_the_terminal(start: Start) -> None:
    session = start()
    session.until("line 99")
    session.key("f")
    session.until("BACK: the editor failed")
    assert b"OUTSIDE" in session.received
    assert "OUTSIDE" not in "\n".join(session.screen.lines())
    assert "line 99" in "\n".join(session.screen.lines())


def test_smaller_and_back_at_once_leaves_no_hole(start: Start) -> None:
    session = start()
    session.until("line 99")
    before = session.screen.seen()
    session.size(40, 10)
    session.size(80, 24)
    assert session.screen.seen() != before
    session.until(lambda: session.screen.seen() == before)


def test_leaving_restores_the_terminal_and_leaves_no_answer_behind(start: Start) -> None:
    session = start("skeleton")
    modes = termios.tcgetattr(session.master)
    session.until("line 99")
    assert session.received.count(b"\x1b[?1049h") == 1
    session.key("a")
    session.until("PAGE A")
    session.key("q")
    assert session.wait() == 0
    assert termios.tcgetattr(session.master)[3] | termios.ECHO == modes[3] | termios.ECHO
    assert termios.tcgetattr(session.master)[3] & termios.ECHO
    assert session.received.count(b"\x1b[?1049l") == 1


@pytest.mark.parametrize("words", [(), ("plain",)])
def test_a_lost_terminal_ends_the_ui_though_hangups_are_ignored(
    start: Start, words: tuple[str, ...]
) -> None:
    session = start(*words, before="trap '' HUP;")
    session.until("line 99")
    os.close(session.master)
    assert session.process.wait(8) == 1


def test_a_hangup_ends_the_ui(start: Start) -> None:
    session = start()
    session.until("line 99")
    session.process.send_signal(signal.SIGHUP)
    assert session.wait() == 1


def test_a_termination_restores_the_terminal(start: Start) -> None:
    session = start()
    session.until("line 99")
    session.process.send_signal(signal.SIGTERM)
    session.wait()
    assert b"\x1b[?1049l" in session.received


@pytest.mark.parametrize(
    ("answers", "limit"),
    [(True, 0.5), (False, 3.0)],  # what the kernel buffers, only an answer can tell
)
def test_keys_are_answered_while_a_slow_terminal_is_flooded(
    start: Start, answers: bool, limit: float
) -> None:
    session = start("pace", answers=answers)
    session.until("line 99")
    session.rate = 20_000.0
    session.key("l")
    session.until(lambda: len(session.received) > 15_000)
    took = []
    for page in ("A", "B", "A"):
        session.key(page.lower())
        took.append(session.until(f"PAGE {page}"))
    assert median(took) < limit, took
    if answers:
        session.until("slow: True")
    session.rate = 0.0
    session.key("q")
    assert session.wait() == 0


def test_a_terminal_that_takes_nothing_stops_nothing(start: Start) -> None:
    session = start()
    session.until("line 99")
    session.key("l")
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:  # nobody reads meanwhile
        time.sleep(0.1)
    session.key("b")
    assert session.until("PAGE B") < 3
    session.key("q")
    assert session.wait() == 0
