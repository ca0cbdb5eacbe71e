"""The routes of benchmarks: start them, and read their results."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from llm_studio.bench.bench import Bench
from llm_studio.bench.coding.fetch import place
from llm_studio.bench.coding.suite import CodingSuite, Wish
from llm_studio.bench.compare import compare
from llm_studio.bench.record import Run
from llm_studio.bench.report import report
from llm_studio.bench.speed_suite import SpeedSuite
from llm_studio.engines.registry import home_label
from llm_studio.schema import JobStatus
from llm_studio.server.job_status import job_status

Id = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SpeedRequest(_Body):
    profiles: Annotated[list[Id], Field(max_length=200)] = Field(default_factory=list)
    """None: the one that is served."""
    quick: bool = False
    alone: bool = True
    """Measure the engine alone too, where it has a llama-bench."""


class CodingRequest(_Body):
    profiles: Annotated[list[Id], Field(max_length=200)] = Field(default_factory=list)
    """None: the one that is served."""
    suite: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")] = "humaneval"
    file: Annotated[str, Field(max_length=4096)] = ""
    """Tasks in EvalPlus's format on this machine; else those that were fetched."""
    limit: Annotated[int, Field(ge=0, le=100_000)] = 0
    concurrency: Annotated[int, Field(ge=0, le=64)] = 0
    """Requests at a time; 0: as many as the engine has slots."""
    again: bool = False
    """Do not go on with an interrupted run."""


class RunSummary(BaseModel):
    """A run in a listing."""

    id: str
    suite: str
    profile: str
    state: str
    started: float
    seconds: float
    speed: float | None
    scores: dict[str, float]
    disturbed: bool
    build: str


class Estimate(BaseModel):
    seconds: float | None
    """Nothing where there was none."""


class DifferenceTold(BaseModel):
    what: str
    measure: str
    first: float
    second: float
    p: float
    verdict: str


def bench_routes(bench: Bench) -> APIRouter:
    routes = APIRouter(prefix="/bench", tags=["bench"])
    results = bench.results

    @routes.post("/speed", summary="Measure how fast profiles are", status_code=202)
    async def speed(body: SpeedRequest) -> JobStatus:
        suite = SpeedSuite(quick=body.quick, engine_alone=body.alone)
        return job_status(await bench.start(suite, body.profiles))

    @routes.post("/coding", summary="Measure how well profiles write code", status_code=202)
    async def coding(body: CodingRequest) -> JobStatus:
        settings = bench.settings
        file = Path(body.file) if body.file else place(settings.paths.cache, body.suite)
        wish = Wish(
            body.suite, file, bench.folder / "unfinished", home_label(settings), body.limit,
            body.concurrency, body.again,
        )  # fmt: skip
        return job_status(await bench.start(CodingSuite(wish), body.profiles))

    @routes.get("", summary="All results, the newest last")
    async def listing(
        profile: Annotated[str, Query(max_length=200)] = "",
    ) -> list[RunSummary]:
        runs = await asyncio.to_thread(results.all)
        return [_summary(run) for run in runs if profile in ("", run.profile)]

    @routes.get("/estimate", summary="What a benchmark will take, as the last one did")
    async def estimate(
        profile: Annotated[str, Query(max_length=200)], suite: str = "speed"
    ) -> Estimate:
        seconds = await asyncio.to_thread(bench.estimate, suite, profile)
        return Estimate(seconds=seconds)

    @routes.get("/report", summary="Results as Markdown", response_class=PlainTextResponse)
    async def markdown(
        ids: Annotated[list[str], Query(alias="id", min_length=1, max_length=50)],
    ) -> str:
        return await asyncio.to_thread(lambda: report([results.get(id_) for id_ in ids]))

    @routes.get("/compare", summary="Two results beside each other")
    async def compared(first: str, second: str) -> list[DifferenceTold]:
        def work() -> list[DifferenceTold]:
            found = compare(results.get(first), results.get(second))
            return [
                DifferenceTold(
                    what=each.what, measure=each.measure, first=each.first, second=each.second,
                    p=each.p, verdict=each.verdict,
                )
                for each in found
            ]  # fmt: skip

        return await asyncio.to_thread(work)

    @routes.post("/import", summary="Take in a result from elsewhere")
    async def take_in(request: Request) -> RunSummary:
        raw = await request.body()
        return _summary(await asyncio.to_thread(results.take_in, raw))

    @routes.get("/{id_}", summary="One result, whole")
    async def one(id_: str) -> Run:
        return await asyncio.to_thread(results.get, id_)

    return routes


def _summary(run: Run) -> RunSummary:
    return RunSummary(
        id=run.id, suite=run.suite, profile=run.profile, state=run.state, started=run.started,
        seconds=run.ended - run.started, speed=run.speed,
        scores={name: score.share for name, score in run.scores.items()},
        disturbed=run.disturbed, build=run.stamp.build,
    )  # fmt: skip
