"""Commands as they are used: cut short, in pipes, over the end of a studio, with wrong words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.e2e.seen import LIMIT
from tests.e2e.user import User, chat, line_of


def test_ctrl_c_ends_the_waiting_and_not_the_switch(user: User) -> None:
    gate = user.hold()
    user.serve()
    up = user.begin("up", "held")
    assert line_of(up, up.stderr)  # it follows the job
    user.until(state="loading")
    up.send_signal(signal.SIGINT)
    out, told = up.communicate(timeout=LIMIT)
    assert (up.returncode, out) == (130, "")
    (job,) = user.ask("GET", "/jobs")
    assert f"llm-studio jobs cancel {job['id']}" in told
    assert "Traceback" not in told
    assert user.status()["state"] == "loading"
    gate.open()
    assert user.ended(job)["state"] == "done"


def test_a_switch_of_somebody_else_is_joined_or_waited_for(user: User) -> None:
    gate = user.hold()
    user.serve()
    first = user.begin("up", "held")
    user.until(state="loading")
    second = user.begin("up", "held")
    assert line_of(second, second.stderr)
    other = user.run("up", "one")
    assert (other.code, "'held' is under way" in other.err) == (3, True), other.err
    assert "jobs cancel" in other.err
    gate.open()
    for each in (first, second):
        assert each.communicate(timeout=LIMIT)[0].startswith("held is ready")


def test_a_log_is_followed_into_the_next_studio(user: User) -> None:
    studio = user.serve()
    user.up("one")
    log = user.begin("logs", "-f")
    while "one is ready" not in line_of(log):
        pass
    os.kill(studio.pid, signal.SIGKILL)
    assert "goes on with the next one" in line_of(log, log.stderr)
    user.ok("status")
    while "adopted one" not in line_of(log):
        pass
    user.up("two")
    while "two is ready" not in line_of(log):
        pass
    log.send_signal(signal.SIGINT)
    assert (log.wait(LIMIT), log.communicate()[1]) == (130, "")


def test_a_reader_that_goes_ends_the_log(user: User) -> None:
    """`llm-studio logs -f | head -1`, though no further line comes."""
    user.serve()
    reading, writing = os.pipe()
    log = user.begin("logs", "-f", stdout=writing)
    os.close(writing)
    with open(reading) as reader:
        assert "started" in reader.readline()
    assert log.wait(LIMIT) == 0
    assert log.stderr is not None
    assert log.stderr.read() == ""


def test_chat_in_pipes(user: User) -> None:
    user.serve()
    user.up("one")
    piped = user.ok("chat", "--max-tokens", "6", stdin="Hello\n")
    assert piped.out.strip()
    assert user.ok("chat", "--max-tokens", "6", "Review:", stdin="text").out.strip()
    nothing = user.run("chat", stdin="  \n")
    assert (nothing.code, "nothing to ask" in nothing.err) == (2, True)
    absent = user.run("chat", "-m", "oen", "Hello")
    assert (absent.code, "'one'" in absent.err) == (4, True), absent.err
    binary = subprocess.run(
        [sys.executable, "-m", "llm_studio", "chat", "--max-tokens", "4"],
        input=b"\xff\xfe\x00 what is this?", env=user.environment, capture_output=True, check=False,
    )  # fmt: skip
    assert (binary.returncode, b"Traceback" in binary.stderr) == (0, False), binary.stderr


def test_chat_when_the_model_dies_in_the_midst(user: User) -> None:
    """What was said so far stays; that it was cut is told."""
    user.serve()
    user.up("one")
    asking = user.begin("chat", "Hello")
    assert asking.stdout is not None
    first = asking.stdout.read(1)
    user.engine.kill()
    out, told = asking.communicate(timeout=LIMIT)
    assert first + out
    assert (asking.returncode, "cut off" in told) == (1, True), told
    assert "→" in told


def test_ctrl_c_in_an_answer(user: User) -> None:
    user.serve()
    user.up("one")
    asking = user.begin("chat", "Hello")
    assert asking.stdout is not None
    asking.stdout.read(1)
    asking.send_signal(signal.SIGINT)
    told = asking.communicate(timeout=LIMIT)[1]
    assert (asking.returncode, told) == (130, "")
    user.until_counted(running=0)  # and the engine is free again


WRONG = [
    (("up", "../../etc/passwd"), 4, "There is no profile"),
    (("up", "\x1b]52;c;aGk=\x07"), 4, "There is no profile"),
    (("up", "oen"), 4, "'one'"),
    (("down", "one"), 4, "is not served"),
    (("jobs", "nosuch"), 4, "There is no job"),
    (("jobs", "cancel", "nosuch"), 4, "There is no job"),
    (("jobs", "a", "b", "c"), 2, "too much"),
    (("logs", "--lines", "many"), 2, "invalid"),
    (("chat", "Hello"), 3, "No model is served"),
    (("up",), 2, "Which profile?"),
]


def test_wrong_words(user: User) -> None:
    user.serve()
    for words, code, told in WRONG:
        refused = user.run(*words)
        assert (refused.code, told in refused.err, refused.out) == (code, True, ""), refused
        assert not {"\x1b", "\x07"} & set(refused.err)
        assert "Traceback" not in refused.err


def test_without_a_studio(user: User) -> None:
    for words in (("down",), ("logs",), ("jobs",), ("chat", "x"), ("shutdown",)):
        refused = user.run(*words)
        assert (refused.code, "No studio runs" in refused.err) == (3, True), refused.err
        assert "→" in refused.err
    assert user.no_studio()


def test_jobs_are_listed_and_outlive_the_studio(user: User) -> None:
    studio = user.serve()
    user.up("one")
    with user.gateway as gateway:
        assert chat(gateway).status_code == 200
    os.kill(studio.pid, signal.SIGKILL)
    studio.wait(10)
    user.ok("status")
    (line,) = user.ok("jobs").out.splitlines()[1:]
    assert line.split("\t")[1:3] == ["Serve one", "done"]


def test_the_last_lines_of_one_source_are_found_among_those_of_others(user: User) -> None:
    user.ok("up", "one")
    user.ok("chat", "--max-tokens", "2", "Hello")
    assert "studio" not in user.ok("logs", "-n", "3").out
    told = user.ok("logs", "-n", "2", "--source", "studio").out.splitlines()
    assert len(told) == 2
    assert all(line.split()[1] == "studio" for line in told)
    assert "one is ready" in told[-1]
