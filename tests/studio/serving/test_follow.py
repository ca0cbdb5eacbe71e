"""An engine's log on its way into the studio's: fair to all else, and silent about nothing."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.studio.scripted import ScriptedEngine

from llm_studio.engines.base import EngineError, RawLine, Running
from llm_studio.studio import log_files
from llm_studio.studio.log import Log
from llm_studio.studio.serving import follow as module
from llm_studio.studio.serving.follow import LogFollower

pytestmark = pytest.mark.anyio
RUNNING = Running("scripted", "1", "one", "http://127.0.0.1:1", "key", 0.0, ("llama-server",))


class Chatty(ScriptedEngine):
    """Its log is these lines; at an error it breaks off, and goes on when it is asked again."""

    def __init__(self, *lines: RawLine | Exception) -> None:
        super().__init__()
        self.lines = list(lines)
        self.marks: list[str] = []

    async def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        self.marks.append(mark)
        while self.lines:
            line = self.lines.pop(0)
            if isinstance(line, Exception):
                raise line
            yield line


def line(number: int, **more: Any) -> RawLine:
    return RawLine(f"line {number}", 1.0, str(number), **more)


async def followed(engine: Chatty) -> Log:
    log = Log()
    follower = LogFollower(engine, RUNNING, log)
    follower.start()
    async with asyncio.timeout(10):
        await follower.wait(10)
    return log


async def test_a_gap_is_said_where_it_is() -> None:
    engine = Chatty(line(1), line(7, gap="5 lines are left out", missing=5), line(8))
    log = await followed(engine)
    assert (log.gaps, log.missing) == (1, 5)
    assert [(each.source, each.level, each.text) for each in log.since(0).lines] == [
        ("engine", "info", "line 1"),
        ("studio", "warning", "5 lines are left out"),
        ("engine", "info", "line 7"),
        ("engine", "info", "line 8"),
    ]


async def test_a_log_that_breaks_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.0)
    engine = Chatty(line(1), line(2), EngineError("Docker has stopped"), line(3))
    lines = (await followed(engine)).since(0).lines
    assert [each.text for each in lines if each.source == "engine"] == [
        "line 1",
        "line 2",
        "line 3",
    ]
    assert [each.text for each in lines if each.source == "studio"] == [
        "the engine's log is cut off: Docker has stopped"
    ]
    assert engine.marks == ["", "2"]


async def test_a_defect_does_not_vanish() -> None:
    lines = (await followed(Chatty(line(1), KeyError("x")))).since(0).lines
    assert lines[-1].level == "error"
    assert "KeyError" in lines[-1].text


async def test_a_storm_leaves_turns_to_others_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many lines wait, all others have their turn between a few of them."""
    monkeypatch.setattr("llm_studio.studio.log.MAX_LINES", 1000)
    log = Log()
    follower = LogFollower(Chatty(*map(line, range(20_000))), RUNNING, log)
    follower.start()
    seen: list[int] = []
    while not follower.over:
        seen.append(log.last)
        await asyncio.sleep(0)
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(steps) <= module.BATCH
    page = log.since(0)
    assert (page.dropped, len(page.lines), log.last) == (19_000, 1000, 20_000)


def test_what_a_slow_disk_does_not_take_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "ROOM", 100)
    monkeypatch.setattr(log_files, "GATHER", 60.0)  # as if the disk took so long
    files = log_files.LogFiles(tmp_path)
    now = time.time()
    for number in range(10):
        files.write([(now, "engine", "info", f"{number} " + "x" * 60)], 62)
    files.close()
    written = (tmp_path / "studio.log").read_text().splitlines()
    assert [each.split()[3] for each in written] == ["0", "1", "8"]
    assert written[-1].endswith("8 lines are missing here: the disk was full, or too slow")


def test_what_a_full_disk_did_not_take_is_told_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, append = threading.Event(), log_files.LogFiles._append

    def watched(*arguments: Any) -> int:
        missing = append(*arguments)
        tried.set()
        return missing

    monkeypatch.setattr(log_files.LogFiles, "_append", watched)
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    files = log_files.LogFiles(folder)
    files.write([(time.time(), "engine", "info", "lost")] * 3, 12)
    assert tried.wait(10)
    folder.unlink()
    files.write([(time.time(), "engine", "info", "kept")], 4)
    files.close()
    note, kept = (folder / "studio.log").read_text().splitlines()
    assert "3 lines are missing here" in note
    assert kept.endswith("kept")


async def test_whoever_waits_for_it_hears_at_once_that_it_is_ready() -> None:
    said = RawLine("0.01.0 I main: server is listening on http://127.0.0.1:1", 1.0, "1")
    follower = LogFollower(Chatty(line(1), said), RUNNING, Log())
    waiting = asyncio.create_task(follower.until_ready_said(60))
    await asyncio.sleep(0)
    follower.start()
    async with asyncio.timeout(10):
        await waiting
    await follower.until_ready_said(0)  # said once: whoever comes later waits for the next time
