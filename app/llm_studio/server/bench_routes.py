"""The routes of benchmarks: start them, and read their results."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field, create_model

from llm_studio.bench.bench import Bench
from llm_studio.bench.compare import compare
from llm_studio.bench.kinds import Kind, kinds
from llm_studio.bench.record import Run
from llm_studio.bench.report import report
from llm_studio.schema import JobStatus
from llm_studio.server.job_status import job_status

Id = Annotated[str, Field(min_length=1, max_length=200)]
Profiles = Annotated[list[Id], Field(max_length=200)]


class OptionTold(BaseModel):
    """A wish that a suite knows."""

    name: str
    form: Literal["switch", "number", "text", "file"]
    default: bool | int | str
    summary: str
    least: int | None
    most: int | None


class SuiteTold(BaseModel):
    """A suite, to choose from; it is begun by `POST /bench/NAME`."""

    name: str
    title: str
    summary: str
    options: list[OptionTold]


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
    figures: dict[str, float]
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

    for kind in kinds():
        _add_suite(routes, bench, kind)

    @routes.get("/suites", summary="What can be measured, and what can be wished of it")
    async def suites() -> list[SuiteTold]:
        return [_told(kind) for kind in kinds()]

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
        figures={name: figure.value for name, figure in run.figures.items()},
        disturbed=run.disturbed, build=run.stamp.build,
    )  # fmt: skip


def _add_suite(routes: APIRouter, bench: Bench, kind: Kind) -> None:
    """The route that begins a suite takes its options, and the profiles."""
    body = create_model(
        f"{kind.name.capitalize()}Request",
        __base__=kind.options,
        profiles=(
            Profiles,
            Field(default_factory=list, description="None: the one that is served."),
        ),
    )

    async def begin(wish: Any) -> JobStatus:
        chosen = kind.options.model_validate(wish.model_dump(exclude={"profiles"}))
        return job_status(await bench.start(kind.make(chosen, bench.settings), wish.profiles))

    begin.__annotations__["wish"] = body
    route = routes.post(f"/{kind.name}", summary=f"Measure: {kind.summary}", status_code=202)
    route(begin)


def _told(kind: Kind) -> SuiteTold:
    options = [
        OptionTold(
            name=each.name, form=each.form, default=each.default, summary=each.summary,
            least=each.least, most=each.most,
        )
        for each in kind.wishable()
    ]  # fmt: skip
    return SuiteTold(name=kind.name, title=kind.title, summary=kind.summary, options=options)
