"""Jobs: progress, cancel, result; and what is left of them when the studio dies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from llm_studio.errors import NotFound, StudioError
from llm_studio.studio.jobs import Job, Jobs

pytestmark = pytest.mark.anyio


async def test_a_job_ends_with_its_result(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")

    async def work(job: Job) -> Any:
        job.message, job.fraction = "half", 0.5
        jobs.touch(job)
        return {"answer": 42}

    job = await jobs.ended(jobs.start("test", "Test", work))
    assert (job.state, job.result, job.fraction) == ("done", {"answer": 42}, 1.0)
    assert job.ended is not None


async def test_a_failure_is_told_with_its_hint(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")

    async def work(job: Job) -> Any:
        raise StudioError("It broke", why="It was old.", hint="Buy another.")

    job = await jobs.ended(jobs.start("test", "Test", work))
    assert (job.state, job.error, job.hint) == ("failed", "It broke. It was old.", "Buy another.")


async def test_a_defect_is_not_lost(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")

    async def work(job: Job) -> Any:
        raise ZeroDivisionError("x")

    job = await jobs.ended(jobs.start("test", "Test", work))
    assert job.state == "failed"
    assert "ZeroDivisionError" in job.error


async def test_a_job_is_cancelled(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.jsonl")
    begun = asyncio.Event()

    async def work(job: Job) -> Any:
        begun.set()
        await asyncio.Event().wait()

    job = jobs.start("test", "Test", work)
    await begun.wait()
    jobs.cancel(job.id)
    await jobs.ended(job)
    assert job.state == "cancelled"


async def test_jobs_outlive_the_studio_and_say_so(tmp_path: Path) -> None:
    journal = tmp_path / "jobs.jsonl"
    jobs = Jobs(journal)

    async def quick(job: Job) -> Any:
        return 1

    async def endless(job: Job) -> Any:
        await asyncio.Event().wait()

    done = await jobs.ended(jobs.start("test", "Done", quick))
    cut = jobs.start("test", "Cut", endless)
    with journal.open("a") as file:  # the studio died in the middle of a line
        file.write('{"kind": "te')
    again = Jobs(journal)
    assert again.get(done.id).state == "done"
    assert again.get(cut.id).state == "interrupted"
    with pytest.raises(NotFound):
        again.get("nothing")
    jobs.cancel(cut.id)
    await jobs.ended(cut)


async def test_a_long_journal_is_shortened(tmp_path: Path) -> None:
    journal = tmp_path / "jobs.jsonl"
    line = {"kind": "t", "title": "T", "state": "done", "started": 1.0, "ended": 2.0}
    journal.write_text(
        "".join(json.dumps({**line, "id": f"{number:08x}"}) + "\n" for number in range(5000))
    )
    jobs = Jobs(journal)
    assert len(list(jobs)) == 500
    assert len(journal.read_text().splitlines()) == 500


async def test_news_are_counted_anew_by_each_studio(tmp_path: Path) -> None:
    """Who follows by number would else take a job of before for the newest there is."""

    async def work(job: Job) -> Any:
        jobs.touch(job)

    jobs = Jobs(tmp_path / "jobs.jsonl")
    for _ in range(5):
        await jobs.ended(jobs.start("test", "Test", work))
    jobs = Jobs(tmp_path / "jobs.jsonl")
    assert max(job.version for job in jobs) == jobs.version == 0
    new = await jobs.ended(jobs.start("test", "Test", work))
    assert new.version == jobs.version > 0
