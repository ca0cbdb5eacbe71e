"""What the log means: one line explained, and where in it a load or a request begins."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from llm_studio.engines.line_meaning import Landmark, Seeker, meaning_of
from llm_studio.errors import NotFound
from llm_studio.studio.log import Log

PAGE = 1000
"""Lines that are looked at before others have their turn."""
_LAST = 1 << 53


class Explained(BaseModel):
    """What a line means; all is empty where nothing is known of it."""

    seq: int
    kind: str = ""
    """"stage", "memory", "request", "fact", "warning" or "problem"."""
    what: str = ""
    why: str = ""
    hint: str = ""


class Found(BaseModel):
    """A line's number; null where no line in memory is one."""

    seq: int | None


def log_routes(log: Log) -> APIRouter:
    routes = APIRouter()

    @routes.get("/logs/{seq}/explained", summary="What one line of an engine's log means")
    async def explained(seq: Annotated[int, Path(ge=1, le=_LAST)]) -> Explained:
        lines = log.since(seq - 1, 1).lines
        if not lines or lines[0].seq != seq:
            raise NotFound(f"Line {seq} is not in memory", hint="It is too old, or yet to come.")
        meaning = meaning_of(lines[0].text) if lines[0].source == "engine" else None
        if meaning is None:
            return Explained(seq=seq)
        return Explained(
            seq=seq, kind=meaning.kind, what=meaning.what, why=meaning.why, hint=meaning.hint
        )

    @routes.get("/logs/landmark", summary="Where the load or the request before a line begins")
    async def landmark(
        what: Landmark,
        before: Annotated[int, Query(ge=1, le=_LAST, description="a line's number")] = _LAST,
    ) -> Found:
        seeker = Seeker(what)
        end = min(before, log.last + 1)
        while end > 1:
            lines = [each for each in log.since(max(end - 1 - PAGE, 0), PAGE).lines
                     if each.seq < end]  # fmt: skip
            if not lines:
                break
            seq = seeker.take(
                [(each.seq, each.text) for each in reversed(lines) if each.source == "engine"]
            )
            if seq is not None:
                return Found(seq=seq)
            end = lines[0].seq
            await asyncio.sleep(0)
        return Found(seq=seeker.rest)

    return routes
