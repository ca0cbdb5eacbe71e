"""The management API: what the studio can do, over HTTP, with an OpenAPI document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from html import escape
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from llm_studio import __version__
from llm_studio.bench.bench import Bench
from llm_studio.bench.lab.lab import Laboratory
from llm_studio.errors import NotFound, NotReady, StudioError, UsageError
from llm_studio.schema import (
    JobStatus,
    LogPage,
    ProfileSummary,
    RequestEntry,
    Status,
)
from llm_studio.server.agent_routes import agent_routes
from llm_studio.server.bench_look_routes import bench_look_routes
from llm_studio.server.bench_routes import bench_routes
from llm_studio.server.chat_routes import chat_routes
from llm_studio.server.hub_routes import hub_routes
from llm_studio.server.image_routes import image_routes
from llm_studio.server.job_status import job_status
from llm_studio.server.lab_routes import lab_routes
from llm_studio.server.log_routes import log_routes
from llm_studio.server.metrics import exposition
from llm_studio.server.profile_routes import profile_routes
from llm_studio.server.sample_routes import SampleEvents, sample_routes
from llm_studio.studio.serving.supervisor import Busy
from llm_studio.studio.studio import Studio

KEEP_ALIVE = 15.0
PING = 3
"""Seconds after which a stream of events says that it lives; whoever follows may count on it."""


class Problem(BaseModel):
    """What went wrong, after RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    hint: str = ""


class SwitchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    model: Annotated[str, Field(min_length=1, max_length=200)]
    beside: bool = False
    """Beside what is served, rather than instead of it."""
    drain: bool = True
    """Requests that run may end first, for half a minute; else they are cut off."""


class Switched(BaseModel):
    """What a switch came to: served already, or a job to follow."""

    success: bool
    model: str
    state: str
    job: JobStatus | None = None


class Stopped(BaseModel):
    """What a stop came to: a job for each engine that ends."""

    success: bool
    state: str
    jobs: list[JobStatus]


class Models(BaseModel):
    models: list[ProfileSummary]


_STATUS = {NotFound: 404, NotReady: 409, UsageError: 422}
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        401: "The studio's token is missing or wrong",
        403: "Not from a web page",
        404: "There is no such thing",
        409: "Another switch is under way",
        422: "The request cannot be understood",
    }.items()
}


def create_api(studio: Studio, *, shut_down: Callable[[], None]) -> FastAPI:
    """The application; who may call it is decided by `server.access` around it."""
    api = FastAPI(
        title="llm-studio",
        version=__version__,
        description=__doc__ or "",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    _handle_errors(api)

    @api.get("/models", summary="Every profile: context, fit, state")
    async def models() -> Models:
        return Models(models=await studio.profiles())

    api.include_router(profile_routes(studio.shelf))

    @api.get("/status", summary="What is served, and what is wished for")
    async def status() -> Status:
        return studio.status()

    @api.post("/switch", summary="Serve a profile", status_code=202)
    async def switch(
        body: SwitchRequest,
        response: Response,
        wait: Annotated[bool, Query(description="answer when it is done")] = False,
    ) -> Switched:
        return await _switch(studio, body, response, wait)

    @api.post("/models/load", summary="As /switch, by the name that llama.cpp's router has")
    async def load(body: SwitchRequest, response: Response) -> Switched:
        return await _switch(studio, body, response, False)

    @api.post("/stop", summary="Stop serving")
    async def stop(
        model: Annotated[str, Query(max_length=200, description="one profile; else all")] = "",
        wait: Annotated[bool, Query(description="answer when it is done")] = False,
        drain: Annotated[bool, Query(description="requests that run may end first")] = True,
    ) -> Stopped:
        return await _stop(studio, model, wait, drain)

    @api.post("/models/unload", summary="As /stop, by the name that llama.cpp's router has")
    async def unload() -> Stopped:
        return await _stop(studio, "", wait=False, drain=True)

    @api.get("/jobs", summary="Everything that takes long, the newest last")
    async def jobs() -> list[JobStatus]:
        return [job_status(job) for job in studio.jobs]

    @api.get("/jobs/{id_}", summary="One job")
    async def job(
        id_: str, wait: Annotated[bool, Query(description="answer when it is over")] = False
    ) -> JobStatus:
        found = studio.job(id_)
        return job_status(await studio.jobs.ended(found) if wait else found)

    @api.post("/jobs/{id_}/cancel", summary="Cancel a job")
    async def cancel(id_: str) -> JobStatus:
        return job_status(studio.cancel(id_))

    @api.get("/logs", summary="Log lines after a number", response_model=LogPage)
    async def logs(
        since: Annotated[
            int, Query(ge=-50_000, le=1 << 53, description="a negative one counts from the end")
        ] = -200,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 2000,
        wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait for news")] = 0,
    ) -> Response:
        if since > studio.log.last:
            since = 0  # the number is of an earlier studio
        if wait and since >= 0:
            await studio.log.changed(since, wait)
        # Written straight from what the log holds: an engine may chatter 20,000 lines a second.
        page = to_json(studio.log.since(since, limit))
        return Response(page, media_type="application/json")

    @api.get("/requests", summary="What was asked of the gateway: tokens and timings, no content")
    async def requests(
        since: Annotated[
            int, Query(ge=-2000, le=1 << 53, description="a negative one counts from the end")
        ] = -100,
        limit: Annotated[int, Query(ge=1, le=2000)] = 2000,
    ) -> list[RequestEntry]:
        found = studio.requests.since(since, limit)
        return [RequestEntry(seq=number, **asdict(record)) for number, record in found]

    @api.get("/metrics", response_class=PlainTextResponse, summary="For Prometheus")
    async def metrics() -> str:
        return exposition(studio, await studio.samples.soon())

    @api.get("/events", response_class=EventSourceResponse, summary="Changes as they happen")
    async def events(
        last_event_id: Annotated[str, Header()] = "",
        samples: Annotated[bool, Query(description="a sample each second too")] = False,
    ) -> EventSourceResponse:
        stream = _events(studio, last_event_id, samples=samples)
        return EventSourceResponse(stream, ping=PING)

    @api.post("/shutdown", summary="End the studio; the model goes on serving")
    async def shutdown() -> dict[str, bool]:
        asyncio.get_running_loop().call_later(0.05, shut_down)
        return {"success": True}

    @api.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> str:
        return _docs_page(api.openapi())

    api.include_router(log_routes(studio.log))
    api.include_router(hub_routes(studio))
    api.include_router(image_routes(studio))
    bench = Bench(studio)
    api.include_router(lab_routes(Laboratory(studio, bench)))
    api.include_router(bench_look_routes(bench))
    api.include_router(bench_routes(bench))
    api.include_router(sample_routes(studio))
    api.include_router(chat_routes(studio))
    api.include_router(agent_routes(studio))
    return api


async def _switch(studio: Studio, body: SwitchRequest, response: Response, wait: bool) -> Switched:
    id_ = studio.names.profile_of(body.model) or body.model
    await asyncio.to_thread(studio.require, id_)
    job = studio.switch(id_, beside=body.beside, drain=body.drain)
    if job is None:
        response.status_code = 200
        return Switched(success=True, model=id_, state=studio.status().state)
    if wait:
        await studio.jobs.ended(job)
        response.status_code = 200 if job.state == "done" else 502
    done = job.state in ("running", "done")
    return Switched(success=done, model=id_, state=studio.status().state, job=job_status(job))


async def _stop(studio: Studio, model: str, wait: bool, drain: bool) -> Stopped:
    id_ = studio.names.profile_of(model) or model
    jobs = studio.stop(id_, drain=drain)
    for job in jobs if wait else ():
        await studio.jobs.ended(job)
    return Stopped(
        success=all(job.state in ("running", "done") for job in jobs),
        state=studio.status().state,
        jobs=[job_status(job) for job in jobs],
    )


async def _events(
    studio: Studio, last_event_id: str, *, samples: bool = False
) -> AsyncIterator[ServerSentEvent]:
    """States, jobs and marks. Each event holds the whole of what it tells, so none has to be kept:
    who comes back with the last number gets what is newer, once, as it is now."""
    numbers = [int(each) if each.isdecimal() else None for each in last_event_id.split(".")]
    numbers += [None] * 3
    seen = -1 if numbers[0] is None else numbers[0]
    jobs_at = studio.jobs.version if numbers[1] is None else numbers[1]
    if seen > studio.store.state.version or jobs_at > studio.jobs.version:
        seen, jobs_at = -1, 0  # the number is of an earlier studio
    sampled = SampleEvents(studio, numbers[2], samples=samples)
    while True:
        if studio.store.state.version != seen:
            status = studio.status()
            seen = status.version
            number = f"{seen}.{jobs_at}.{sampled.marks_seen}"
            yield ServerSentEvent(status.model_dump_json(), event="status", id=number)
        for job in sorted(studio.jobs, key=lambda job: job.version):
            if job.version > jobs_at:
                jobs_at = job.version
                data = job_status(job).model_dump_json()
                number = f"{seen}.{jobs_at}.{sampled.marks_seen}"
                yield ServerSentEvent(data, event="job", id=number)
        for event in sampled.due(f"{seen}.{jobs_at}"):
            yield event
        await _first(
            studio.store.changed(seen, KEEP_ALIVE),
            studio.jobs.changed(jobs_at, KEEP_ALIVE),
            *sampled.news(KEEP_ALIVE),
        )


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def problem(status: int, title: str, detail: str = "", hint: str = "") -> JSONResponse:
    body = Problem(title=title, status=status, detail=detail, hint=hint).model_dump()
    return JSONResponse(body, status, media_type="application/problem+json")


def _handle_errors(api: FastAPI) -> None:
    @api.exception_handler(StudioError)
    async def told(_: Request, error: StudioError) -> Response:
        if isinstance(error, Busy):
            answer = problem(409, error.what, hint=error.hint)
            body = json.loads(bytes(answer.body)) | {"model": error.target, "job": error.job.id}
            return JSONResponse(body, 409, media_type="application/problem+json")
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
        return problem(status, error.what, error.why, error.hint)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, "The request cannot be understood", f"{where}: {first['msg']}"[:400])

    @api.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail))

    @api.exception_handler(Exception)
    async def defect(_: Request, error: Exception) -> Response:
        return problem(500, "A defect of llm-studio", type(error).__name__)


def _docs_page(document: dict[str, Any]) -> str:
    """A page without anything from elsewhere: what each route does and takes."""
    rows = []
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parameters = ", ".join(p["name"] for p in told.get("parameters", []))
            rows.append(
                f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
                f"<td>{escape(told.get('summary', ''))}</td><td>{escape(parameters)}</td></tr>"
            )
    return (
        "<!doctype html><meta charset=utf-8><title>llm-studio</title>"
        "<style>body{font:16px sans-serif;margin:2em}td{padding:.2em 1em .2em 0}</style>"
        f"<h1>llm-studio {escape(document['info']['version'])}</h1>"
        "<p>Writing needs the studio's token (<code>llm-studio token</code>) as "
        "<code>Authorization: Bearer …</code>. The whole document: "
        '<a href="/openapi.json">/openapi.json</a>.</p><table>' + "".join(rows) + "</table>"
    )
