"""The routes of samples and of their past, and their part of the stream of events."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sse_starlette import ServerSentEvent

from llm_studio.errors import UsageError
from llm_studio.schema import HistoryPage, Sample
from llm_studio.studio.samples.alerts import ALERTS
from llm_studio.studio.studio import Studio

Moment = Annotated[
    float | None,
    Query(ge=-1e7, le=1e10, description="seconds since 1970; below 1: before now, like -3600"),
]
HOUR = 3600.0


def sample_routes(studio: Studio) -> APIRouter:
    routes = APIRouter(tags=["samples"])
    samples = studio.samples

    @routes.get("/samples", summary="GPUs, host and engine, as they are now")
    async def latest() -> Sample:
        return await samples.now()

    @routes.get(
        "/history",
        summary="Curves of the past, and what happened beside them",
        response_model=HistoryPage,
    )
    async def history(
        from_: Annotated[Moment, Query(alias="from")] = -HOUR,
        to: Moment = None,
        resolution: Annotated[
            float, Query(ge=0, le=86_400, description="seconds a point; 0: as fine as sensible")
        ] = 0,
        series: Annotated[
            str,
            Query(max_length=2000, description="names, comma-separated; `nvidia0.*` for several"),
        ] = "",
    ) -> Response:
        start, end = _moment(from_, -HOUR), _moment(to, 0.0)
        if not start < end:
            raise UsageError("The range ends before it begins")
        wanted = [name for each in series.split(",") if (name := each.strip())]
        page = await samples.past(start, end, resolution, wanted)
        # Many numbers: written at once, and not by the loop that everybody waits for.
        content = await asyncio.to_thread(page.model_dump_json)
        return Response(content, media_type="application/json")

    return routes


def _moment(told: float | None, otherwise: float) -> float:
    value = otherwise if told is None or math.isnan(told) else told
    return value if value >= 1 else time.time() + value


class SampleEvents:
    """Marks and, for who wants them, samples: as events for one listener."""

    def __init__(self, studio: Studio, marks_seen: int | None, *, samples: bool) -> None:
        """`marks_seen` is the number of the last mark that the listener has; None: all of them."""
        self._marks = studio.samples.marks
        self._sampler = studio.samples.sampler
        self._samples = samples
        self._sample_seen = 0
        known = marks_seen is not None and marks_seen <= self._marks.last
        self.marks_seen = marks_seen if known and marks_seen is not None else self._marks.last

    def due(self, id_: str) -> list[ServerSentEvent]:
        """What the listener has not seen; `id_` is the number of the events before."""
        events = []
        for mark in self._marks.since(self.marks_seen):
            self.marks_seen = mark.seq
            kind = "alert" if mark.kind in ALERTS else "mark"
            number = f"{id_}.{self.marks_seen}"
            events.append(ServerSentEvent(mark.model_dump_json(), event=kind, id=number))
        sample = self._sampler.look() if self._samples else None
        if sample is not None and sample.seq > self._sample_seen:
            self._sample_seen = sample.seq
            events.append(ServerSentEvent(sample.model_dump_json(), event="sample"))
        return events

    def news(self, limit: float) -> list[Awaitable[object]]:
        """What to wait for, the first of which means that something is due."""
        waits: list[Awaitable[object]] = [self._marks.changed(self.marks_seen, limit)]
        if self._samples:
            waits.append(self._sampler.next(self._sample_seen, limit))
        return waits
