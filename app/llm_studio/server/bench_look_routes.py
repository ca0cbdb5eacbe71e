"""The routes that tell of benchmarks: what can be run and what it takes, what goes on, what came
of it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from llm_studio.bench.bench import Bench
from llm_studio.bench.coding.published import published
from llm_studio.bench.compare import LOWER_IS_BETTER, circumstances
from llm_studio.bench.estimate import Estimate, estimate, estimates
from llm_studio.bench.kinds import Kind, kinds
from llm_studio.bench.overview import RunSummary
from llm_studio.bench.record import MEASURES, Run
from llm_studio.bench.regressions import Change, Regressions
from llm_studio.bench.under_way import PartialRun
from llm_studio.schema import Wire

Limit = Annotated[int, Query(ge=0, le=100_000)]


class Measure(Wire):
    """What a figure of a point is."""

    name: str
    title: str
    about: str
    lower_is_better: bool


class OptionTold(Wire):
    """A wish that a suite knows."""

    name: str
    form: Literal["switch", "number", "text", "file"]
    default: bool | int | str
    summary: str
    least: int | None
    most: int | None


class SuiteTold(Wire):
    """A suite, to choose from; it is begun by `POST /bench/NAME`."""

    name: str
    title: str
    summary: str
    options: list[OptionTold]


class PublishedTold(Wire):
    words: str
    """The scores, whose they are, and in what they may be of something else."""
    url: str


def bench_look_routes(bench: Bench) -> APIRouter:
    routes = APIRouter(prefix="/bench", tags=["bench"])
    results, overview = bench.results, bench.overview
    regressions = Regressions(results, overview)

    @routes.get("", summary="All results, the newest last")
    async def listing(
        profile: Annotated[str, Query(max_length=200)] = "",
    ) -> list[RunSummary]:
        known = await asyncio.to_thread(overview.all)
        return [each.summary for each in known if profile in ("", each.run.profile)]

    @routes.get("/suites", summary="What can be measured, and what can be wished of it")
    async def suites() -> list[SuiteTold]:
        return [suite_told(kind) for kind in kinds()]

    @routes.get("/measures", summary="What the figures of results are")
    async def measures() -> list[Measure]:
        return [
            Measure(name=name, title=title, about=about, lower_is_better=name in LOWER_IS_BETTER)
            for name, (title, about) in MEASURES.items()
        ]

    @routes.get("/estimate", summary="What a benchmark will take, as the last one did")
    async def one_estimate(
        profile: Annotated[str, Query(max_length=200)], suite: str = "speed", quick: bool = False,
        limit: Limit = 0,
    ) -> Estimate:  # fmt: skip
        known = await asyncio.to_thread(overview.all)
        return estimate(known, suite, profile, quick=quick, limit=limit)

    @routes.get("/estimates", summary="The same, for every profile that was measured")
    async def all_estimates(
        suite: str = "speed", quick: bool = False, limit: Limit = 0
    ) -> list[Estimate]:
        known = await asyncio.to_thread(overview.all)
        return estimates(known, suite, quick=quick, limit=limit)

    @routes.get("/running", summary="What goes on, with what was measured so far")
    async def running() -> list[PartialRun]:
        return [bench.under_way.told()] if bench.under_way else []

    @routes.get("/regressions", summary="Runs beside the last under another image or build")
    async def changes() -> list[Change]:
        return await asyncio.to_thread(regressions.all)

    @routes.get("/circumstances", summary="What else differs between two results")
    async def differing(first: str, second: str) -> list[str]:
        def work() -> list[str]:
            return circumstances(results.get(first), results.get(second))

        return await asyncio.to_thread(work)

    @routes.get("/result/{id_}", summary="One result, without the texts of answers")
    async def brief(id_: str) -> Run:
        def work() -> Run:
            run = results.get(id_)
            bare = {"answer": "", "thought": "", "code": ""}
            return run.model_copy(
                update={"tasks": [task.model_copy(update=bare) for task in run.tasks]}
            )

        return await asyncio.to_thread(work)

    @routes.get("/published/{id_}", summary="Scores that others published for its model")
    async def others(id_: str) -> list[PublishedTold]:
        def work() -> list[PublishedTold]:
            return [PublishedTold(words=e.words, url=e.url) for e in published(results.get(id_))]

        return await asyncio.to_thread(work)

    return routes


def suite_told(kind: Kind) -> SuiteTold:
    options = [
        OptionTold(
            name=each.name, form=each.form, default=each.default, summary=each.summary,
            least=each.least, most=each.most,
        )
        for each in kind.wishable()
    ]  # fmt: skip
    return SuiteTold(name=kind.name, title=kind.title, summary=kind.summary, options=options)
