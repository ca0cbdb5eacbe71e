"""Terminals that answer in full, in part, late or not at all; each is left as it was."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_studio.probes.doctor.system import Terminal
from llm_studio.probes.doctor.tty import understood

SCRIPT = """
import dataclasses, json, os, sys, termios
from llm_studio.probes.doctor.tty import ask_terminal
before = termios.tcgetattr(0)
told = ask_terminal(os.environ)
same = termios.tcgetattr(0) == before
line = json.dumps({"told": dataclasses.asdict(told), "same": same})
with open(sys.argv[1], "w") as file:
    file.write(line)
"""


@dataclass
class Asked:
    """What the program understood, and what the terminal was sent."""

    told: dict[str, object]
    same: bool
    sent: bytes
    seconds: float


def _take_terminal() -> None:
    """As a shell does: the terminal is the program's own, and it may ask it."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ask(tmp_path: Path, answers: dict[bytes, bytes], **environment: str) -> Asked:
    """The program in a terminal that answers so."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    result = f"{tmp_path}/told.json"
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, result],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environment},
        preexec_fn=_take_terminal,
    )
    os.close(slave)
    sent, answered = b"", set()
    try:
        while part := os.read(master, 4096):
            sent += part
            for question, answer in answers.items():
                if question in sent and question not in answered:
                    answered.add(question)
                    os.write(master, answer)
    except OSError:
        pass
    finally:
        os.close(master)
    assert process.wait(30) == 0, sent
    seconds = time.monotonic() - begun
    with open(result) as file:
        told = json.load(file)
    return Asked(told["told"], told["same"], sent, seconds)


FULL = {
    b"\x1b[>0q": b"\x1bP>|kitty(0.42.1)\x1b\\",
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
    b"\x1b[?1006$p": b"\x1b[?1006;2$y",
    b"\x1b[6n": b"\x1b[5;2R",
    b"\x1b[c": b"\x1b[?62;c",
}


def test_a_terminal_that_answers_everything(tmp_path: Path) -> None:
    asked = ask(tmp_path, FULL)
    assert asked.told == {
        "columns": 120, "rows": 40, "answered": True, "synchronized": True, "mouse": True,
        "unicode": True, "name": "kitty(0.42.1)",
    }  # fmt: skip
    assert asked.same
    assert asked.sent.endswith(b"\r\x1b[K\x1b[c")  # what was drawn is gone again


def test_a_terminal_that_says_nothing_is_waited_for_for_a_moment(tmp_path: Path) -> None:
    asked = ask(tmp_path, {})
    assert asked.told["answered"] is False
    assert asked.told["synchronized"] is None
    assert asked.same
    assert asked.seconds < 8


def test_one_that_knows_half(tmp_path: Path) -> None:
    answers = {b"\x1b[?2026$p": b"\x1b[?2026;0$y", b"\x1b[6n": b"\x1b[1;4R", b"\x1b[c": b"\x1b[?6c"}
    told = ask(tmp_path, answers).told
    assert (told["answered"], told["synchronized"], told["mouse"]) == (True, False, None)
    assert told["unicode"] is False


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": "linux"}, {"TERM_PROGRAM": "Apple_Terminal"}]
)
def test_one_that_would_print_the_questions_is_not_asked(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    asked = ask(tmp_path, {}, **environment)
    assert asked.sent == b""
    assert (asked.told["answered"], asked.told["columns"]) == (None, 120)


@pytest.mark.parametrize(
    "heard",
    [b"", b"\x1b", b"\x1b[?2026;$y", b"\x1bP>|\x1b\\", b"\xff" * 100, b"\x1b[99999999;9999R"],
)
def test_nonsense_is_understood_as_nothing(heard: bytes) -> None:
    terminal = understood(80, 24, heard)
    assert isinstance(terminal, Terminal)
    assert (terminal.answered, terminal.synchronized, terminal.name) == (False, None, "")


def test_a_hostile_name_is_defused() -> None:
    name = understood(80, 24, b"\x1bP>|evil\x07\x9b2J\x1b\\\x1b[?6c").name
    assert name.startswith("evil")
    assert not re.search("[\x00-\x1f\x80-\x9f]", name)
