"""Records of requests: numbered, bounded, and there again after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_studio.studio import requests as module
from llm_studio.studio.requests import Requests
from llm_studio.studio.serving.desk import RequestRecord

pytestmark = pytest.mark.anyio


def record(route: str, **more: object) -> RequestRecord:
    return RequestRecord(route, "test", outcome="done", **more)  # type: ignore[arg-type]


async def test_readers_resume_by_number(tmp_path: Path) -> None:
    requests = Requests(tmp_path / "requests.jsonl")
    for number in range(5):
        requests.add(record(f"/{number}"))
    assert [r.route for _, r in requests.since(0, 2)] == ["/0", "/1"]
    assert [(n, r.route) for n, r in requests.since(3, 9)] == [(4, "/3"), (5, "/4")]
    assert [r.route for _, r in requests.since(-2, 9)] == ["/3", "/4"]
    await requests.close()


async def test_they_are_there_after_a_restart_and_sums_begin_anew(tmp_path: Path) -> None:
    first = Requests(tmp_path / "requests.jsonl")
    first.add(record("/a", prompt_tokens=3, generated_tokens=4, cached_tokens=1))
    first.add(record("/b"))
    assert (first.totals.requests, first.totals.prompt_tokens) == (2, 3)
    await first.close()
    with (tmp_path / "requests.jsonl").open("a") as file:
        file.write('{"route": "/cut of')
    second = Requests(tmp_path / "requests.jsonl")
    assert [r.route for _, r in second.since(0, 9)] == ["/a", "/b"]
    assert second.totals.requests == 0
    assert (tmp_path / "requests.jsonl").stat().st_mode & 0o777 == 0o600
    await second.close()


async def test_the_journal_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE_SIZE", 1000)
    for number in range(30):
        requests = Requests(tmp_path / "requests.jsonl")
        requests.add(record(f"/{number}"))
        await requests.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4000
    newest = Requests(tmp_path / "requests.jsonl").since(-1, 1)
    assert newest[0][1].route == "/29"


async def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    requests = Requests(tmp_path / "file" / "requests.jsonl")
    requests.add(record("/a"))
    await requests.close()
    assert requests.last == 1
