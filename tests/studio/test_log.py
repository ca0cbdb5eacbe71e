"""The log: numbered, bounded, safe, and honest about what it dropped."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from llm_studio.studio import log as log_module
from llm_studio.studio import log_files
from llm_studio.studio.log import Log

pytestmark = pytest.mark.anyio


async def test_lines_are_numbered_and_resumed_by_number() -> None:
    log = Log()
    for number in range(5):
        log.add(f"line {number}")
    first = log.since(0, limit=2)
    assert [line.text for line in first.lines] == ["line 0", "line 1"]
    rest = log.since(first.last)
    assert [line.seq for line in rest.lines] == [3, 4, 5]
    assert log.since(rest.last).lines == ()
    assert [line.text for line in log.since(-2).lines] == ["line 3", "line 4"]


async def test_what_fell_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_LINES", 10)
    log = Log()
    log.extend([(str(number), "info", 0.0) for number in range(100)], source="engine")
    page = log.since(0)
    assert page.dropped == 90
    assert [line.seq for line in page.lines] == list(range(91, 101))
    assert log.since(95).dropped == 0


async def test_memory_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_BYTES", 1000)
    log = Log()
    for _ in range(50):
        log.add("x" * 100)
    assert 5 <= len(log.since(0).lines) <= 10


async def test_controls_are_made_visible_once_for_all() -> None:
    log = Log()
    log.add("\x1b]52;c;x\x07\nsecond\x9b2J", source="engine")
    (line,) = log.since(0).lines
    assert not set("\x1b\x07\n\x9b") & set(line.text)


async def test_a_reader_is_woken_by_the_next_line() -> None:
    log = Log()
    waiting = asyncio.create_task(log.changed(0, 30))
    await asyncio.sleep(0)
    log.add("news")
    await asyncio.wait_for(waiting, 1)


async def test_everything_is_on_disk_and_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "FILE_SIZE", 2000)
    log = Log(tmp_path)
    for number in range(300):
        log.add(f"line {number}")
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [
        "studio.log", "studio.log.1", "studio.log.2", "studio.log.3",
    ]  # fmt: skip
    assert "line 299" in files[0].read_text()
    assert files[0].stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_stops_no_log(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    log = Log(tmp_path / "logs")
    log.add("kept in memory")
    assert log.since(0).lines[0].text == "kept in memory"


async def test_a_storm_costs_little() -> None:
    log = Log()
    batch = [("a line of an engine that chatters " * 2, "info", 1.0)] * 1000
    start = time.perf_counter()
    for _ in range(50):
        log.extend(batch, source="engine")  # type: ignore[arg-type]
    assert time.perf_counter() - start < 2.5  # 50,000 lines, a second's worth of a storm
    assert log.since(0).last <= log.last
