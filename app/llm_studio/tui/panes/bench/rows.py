"""Runs as rows: those that go on first, then what came of earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time as now
from typing import Any

from llm_studio.tui.figures import ago
from llm_studio.tui.panes.bench.plot import SIGNS
from llm_studio.tui.panes.bench.record import Record
from llm_studio.tui.panes.bench.words import suite_of, worse
from llm_studio.tui.view import Job
from llm_studio.tui.widgets.listing import Column, Row
from llm_studio.tui.widgets.painted import Part

JOB = "job:"
"""Begins the keys of runs that go on."""
COLUMNS = (
    Column(""),
    Column("PROFILE", flexible=True, least=12),
    Column("SUITE", yields=1),
    Column("RESULT", flexible=True, least=14),
    Column("AGE", right=True),
    Column("BUILD", flexible=True, yields=3, least=6),
    Column("", flexible=True, yields=2, least=14, fills=True),
)
Told = Mapping[str, Any]
ORDERS: dict[str, Callable[[Told], tuple[Any, ...]]] = {
    "age": lambda run: (-run["started"],),
    "profile": lambda run: (run["profile"], -run["started"]),
    "suite": lambda run: (run["suite"], -run["started"]),
    "speed": lambda run: (-(run["speed"] or 0), -run["started"]),
}


def bench_jobs(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.kind == "bench"]


def rows_of(
    record: Record, jobs: Sequence[Job], marked: Sequence[str], *, wanted: str, order: str
) -> list[Row]:
    rows = [_job(job, record.running.get(job.id)) for job in jobs]
    runs = [run for run in record.runs or () if _matches(run, wanted)]
    for run in sorted(runs, key=ORDERS[order]):
        sign = SIGNS[marked.index(run["id"])] if run["id"] in marked else " "
        rows.append(
            Row(
                run["id"],
                (
                    (sign, "accent"),
                    (run["profile"], ""),
                    (suite_of(run), "dim"),
                    (run["result"] or "—", ""),
                    (ago(now() - run["started"]), "dim"),
                    (run["build"], "dim"),
                    _remark(run, record.changes.get(run["id"])),
                ),
            )
        )
    return rows


def _job(job: Job, partial: Told | None) -> Row:
    far = f"{job.fraction:.0%}" if job.fraction is not None else "…"
    return Row(
        JOB + job.id,
        (
            ("◐", "warn"),
            (partial["profile"] if partial else job.title, ""),
            (partial["suite"] if partial else "", "dim"),
            (far, "accent"),
            ("now", "dim"),
            ("", ""),
            (job.message, ""),
        ),
    )


def _remark(run: Told, change: Told | None) -> Part:
    if run["state"] != "done":
        return run["state"], "warn"
    if change is not None and change["verdict"] == "worse":
        return worse(change), "bad" if change["sure"] else "warn"
    return ("other load", "warn") if run["disturbed"] else ("", "")


def _matches(run: Told, wanted: str) -> bool:
    text = " ".join(
        (run["profile"], run["name"], run["suite"], run["build"], run["image"], run["state"])
    ).lower()
    return all(word in text for word in wanted.lower().split())
