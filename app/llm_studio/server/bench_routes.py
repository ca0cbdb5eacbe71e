"""The routes of benchmarks: start them, and read their results."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import Field, create_model

from llm_studio.bench.bench import Bench
from llm_studio.bench.compare import compare
from llm_studio.bench.kinds import Kind, kinds
from llm_studio.bench.overview import RunSummary, summary_of
from llm_studio.bench.record import Run
from llm_studio.bench.regressions import DifferenceTold, told_of
from llm_studio.bench.report import report
from llm_studio.schema import JobStatus
from llm_studio.server.job_status import job_status

Id = Annotated[str, Field(min_length=1, max_length=200)]
Profiles = Annotated[list[Id], Field(max_length=200)]


def bench_routes(bench: Bench) -> APIRouter:
    routes = APIRouter(prefix="/bench", tags=["bench"])
    results = bench.results

    for kind in kinds():
        _add_suite(routes, bench, kind)

    @routes.get("/report", summary="Results as Markdown", response_class=PlainTextResponse)
    async def markdown(
        ids: Annotated[list[str], Query(alias="id", min_length=1, max_length=50)],
    ) -> str:
        return await asyncio.to_thread(lambda: report([results.get(id_) for id_ in ids]))

    @routes.get("/compare", summary="Two results beside each other")
    async def compared(first: str, second: str) -> list[DifferenceTold]:
        def work() -> list[DifferenceTold]:
            return [told_of(each) for each in compare(results.get(first), results.get(second))]

        return await asyncio.to_thread(work)

    @routes.post("/import", summary="Take in a result from elsewhere")
    async def take_in(request: Request) -> RunSummary:
        raw = await request.body()
        return summary_of(await asyncio.to_thread(results.take_in, raw))

    @routes.get("/{id_}", summary="One result, whole")
    async def one(id_: str) -> Run:
        return await asyncio.to_thread(results.get, id_)

    return routes


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
