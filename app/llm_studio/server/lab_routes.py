"""The routes of the settings lab: what it would take, begin, look, write the winner's values."""

from __future__ import annotations

import asyncio
import statistics
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from llm_studio.bench.lab.lab import Laboratory, Wish
from llm_studio.bench.lab.ranking import By, Place, ranking, values_of, winner
from llm_studio.bench.lab.record import Lab, Variant
from llm_studio.bench.record import Run
from llm_studio.errors import NotReady
from llm_studio.schema import JobStatus
from llm_studio.server.job_status import job_status

Values = Annotated[list[Any], Field(min_length=1, max_length=100)]


class LabRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    profile: Annotated[str, Field(min_length=1, max_length=200)]
    grid: Annotated[dict[str, Values], Field(min_length=1, max_length=20)]
    """Values to try, by key: {"server.ubatch": [256, 512]}. All combinations are measured."""
    full: bool = False
    """All points of the speed suite, rather than the quick ones."""
    again: bool = False
    """Do not go on with an interrupted lab."""
    yes: bool = False
    """However long it takes."""
    apply: bool = False
    """Write the winner's values to the profile."""
    by: By = "speed"
    """What the winner is the best in."""


class LabPlan(BaseModel):
    variants: int
    measured: int
    """So many of them were measured before the lab was interrupted."""
    seconds: float | None
    """For all that are left, as earlier ones took; nothing where there was none."""


class PlaceTold(BaseModel):
    """A variant in the ranking."""

    number: int
    changes: dict[str, Any]
    median: float
    deviation: float | None
    ratio: float | None
    """To the profile as it is."""
    p: float
    """How often chance alone would part it so far from the best."""
    verdict: str
    """"best", "tie", "slower" or "too few"."""
    again: float | None
    """The median when it was loaded and measured once more."""
    disturbed: bool
    """Measured beside other load."""


class LabFailure(BaseModel):
    number: int
    changes: dict[str, Any]
    why: str


class LabTold(BaseModel):
    """A lab, ranked."""

    id: str
    profile: str
    started: float
    ended: float | None
    """Nothing: it runs, or was interrupted."""
    variants: int
    by: By
    places: list[PlaceTold]
    failed: list[LabFailure]
    winner: int | None
    """Nothing where the profile as it is may be as good, or where it was not measured again."""
    builds: list[str]
    """Of llama.cpp; several of them make the variants hard to compare."""


class LabChoice(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    variant: Annotated[int | None, Field(ge=0, le=1000)] = None
    """Unset: the winner."""
    by: By = "speed"


class Applied(BaseModel):
    profile: str
    changes: dict[str, Any]


def lab_routes(laboratory: Laboratory) -> APIRouter:
    routes = APIRouter(prefix="/bench", tags=["bench"])
    labs = laboratory.labs

    @routes.post("/lab", summary="Try values of a profile's settings", status_code=202)
    async def begin(body: LabRequest) -> JobStatus:
        return job_status(await laboratory.start(_wish(body)))

    @routes.post("/lab/plan", summary="What a settings lab would take")
    async def plan(body: LabRequest) -> LabPlan:
        found = await asyncio.to_thread(laboratory.plan, _wish(body))
        count, done = len(found.lab.variants), found.lab.done
        left = None if found.seconds is None else found.seconds * (count - done)
        return LabPlan(variants=count, measured=done, seconds=left)

    @routes.get("/labs", summary="All settings labs, the newest last")
    async def listing(by: By = "speed") -> list[LabTold]:
        return [_told(lab, by) for lab in await asyncio.to_thread(labs.all)]

    @routes.get("/labs/{id_}", summary="One settings lab, ranked; of a profile, the newest")
    async def one(id_: str, by: By = "speed") -> LabTold:
        return _told(await asyncio.to_thread(labs.get, id_), by)

    @routes.post("/labs/{id_}/apply", summary="Write a variant's values to the profile")
    async def apply(id_: str, body: LabChoice) -> Applied:
        def work() -> Applied:
            lab = labs.get(id_)
            number = body.variant
            if number is None:
                best = winner(lab, body.by)
                if best is None:
                    raise NotReady(
                        "Nothing is surely better than the profile as it is",
                        hint="Choose a variant by its number, if you want it all the same.",
                    )
                number = best.number
            changes = laboratory.apply(lab, number)
            return Applied(profile=lab.profile, changes=dict(changes))

        return await asyncio.to_thread(work)

    return routes


def _wish(body: LabRequest) -> Wish:
    return Wish(**dict(body))


def _told(lab: Lab, by: By) -> LabTold:
    places = ranking(lab, by)
    best = winner(lab, by)
    builds = {each.run.stamp.build for each in lab.variants if each.run}
    return LabTold(
        id=lab.id, profile=lab.profile, started=lab.started, ended=lab.ended,
        variants=len(lab.variants), by=by,
        places=[_place(lab, each, by) for each in places],
        failed=[
            LabFailure(number=number, changes=each.changes, why=each.why)
            for number, each in enumerate(lab.variants)
            if each.state == "failed"
        ],
        winner=best.number if best else None,
        builds=sorted(builds),
    )  # fmt: skip


def _place(lab: Lab, place: Place, by: By) -> PlaceTold:
    variant = lab.variants[place.number]
    return PlaceTold(
        number=place.number, changes=variant.changes, median=place.median,
        deviation=place.deviation, ratio=place.ratio, p=place.p, verdict=place.verdict,
        again=_again(variant, by), disturbed=any(run.disturbed for run in _runs(variant)),
    )  # fmt: skip


def _runs(variant: Variant) -> list[Run]:
    return [run for run in (variant.run, variant.again) if run is not None]


def _again(variant: Variant, by: By) -> float | None:
    values = values_of(variant.again, by) if variant.again else ()
    return statistics.median(values) if values else None
