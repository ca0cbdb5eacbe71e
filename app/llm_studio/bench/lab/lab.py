"""Measures a lab as a job: variant by variant, each kept at once, so that an interrupted one goes
on where it was. The user's profile is written only when that is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_studio.bench.bench import Bench
from llm_studio.bench.estimate import estimate
from llm_studio.bench.lab.grid import require_modest, variants_of
from llm_studio.bench.lab.ranking import By, candidate, ranking, winner
from llm_studio.bench.lab.record import Lab, Labs, Variant
from llm_studio.bench.results import new_id
from llm_studio.bench.speed_suite import SpeedSuite
from llm_studio.bench.suite import Told
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.changed import Values
from llm_studio.profiles.changed import told as worded
from llm_studio.profiles.measured import settings_of
from llm_studio.studio.jobs import Job
from llm_studio.studio.studio import Studio

REPETITIONS = 7
"""As few as can tell a difference from chance among many variants."""


@dataclass(frozen=True, slots=True)
class Wish:
    profile: str
    grid: Mapping[str, Sequence[Any]]
    full: bool = False
    """All points of the speed suite, rather than those of `--quick`."""
    again: bool = False
    yes: bool = False
    """However long it takes."""
    apply: bool = False
    by: By = "speed"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a lab would be."""

    lab: Lab
    goes_on: bool
    """Part of it was measured before."""
    seconds: float | None
    """A variant takes, as earlier ones did; nothing where there was none."""


class Laboratory:
    """All labs of one studio."""

    def __init__(self, studio: Studio, bench: Bench) -> None:
        self._studio = studio
        self._bench = bench
        self.labs = Labs(bench.folder / "labs")

    def plan(self, wish: Wish) -> Plan:
        """Blocks."""
        entry = self._entry(wish.profile)
        variants = variants_of(entry, wish.grid)
        grid = {key: list(values) for key, values in wish.grid.items()}
        settings = settings_of(entry)
        old = None if wish.again else self.labs.unfinished(entry.id, grid, wish.full, settings)
        now = time.time()
        lab = old or Lab(
            id=new_id("lab", entry.id, now), profile=entry.id, grid=grid, full=wish.full,
            settings=settings, started=now, variants=variants,
        )  # fmt: skip
        return Plan(lab, old is not None, self._seconds(entry.id, wish.full))

    async def start(self, wish: Wish) -> Job:
        plan = await asyncio.to_thread(self.plan, wish)
        lab = plan.lab
        left = len(lab.variants) - lab.done
        if not wish.yes:
            require_modest(left, plan.seconds)
        await asyncio.to_thread(self.labs.keep, lab)

        async def work(job: Job) -> dict[str, Any]:
            async with self._bench.turn():
                await self._measure_all(job, lab)
                await self._make_sure(job, lab, wish.by)
            return await asyncio.to_thread(self._ended, job, lab, wish)

        title = f"Settings lab of {lab.profile}, {len(lab.variants)} variants"
        return self._studio.jobs.start("bench", title, work)

    async def _measure_all(self, job: Job, lab: Lab) -> None:
        suite = _suite(lab)
        for number, variant in enumerate(lab.variants):
            if variant.state != "waiting":
                continue
            label = f"{number + 1} of {len(lab.variants)}, {variant.words}: "
            told = self._bench.teller(job, number, len(lab.variants), label)
            lab.variants[number] = await self._measured(suite, lab, variant, told)
            await asyncio.to_thread(self.labs.keep, lab)

    async def _make_sure(self, job: Job, lab: Lab, by: By) -> None:
        """The best and the profile as it is, once more, each freshly loaded."""
        best = candidate(ranking(lab, by))
        for number in (0, best.number) if best else ():
            variant = lab.variants[number]
            if variant.again is not None or variant.run is None:
                continue
            told = self._bench.teller(job, 98 + bool(number), 100, f"once more, {variant.words}: ")
            found = await self._measured(_suite(lab), lab, variant, told)
            if found.state == "measured":
                lab.variants[number] = variant.model_copy(update={"again": found.run})
                await asyncio.to_thread(self.labs.keep, lab)

    async def _measured(self, suite: SpeedSuite, lab: Lab, variant: Variant, told: Told) -> Variant:
        entry = await asyncio.to_thread(self._entry, lab.profile)
        if settings_of(entry) != lab.settings:
            raise StudioError(
                f"The profile {lab.profile!r} was changed meanwhile",
                why="What was measured before and after would be of different things.",
                hint="Begin the lab anew.",
            )
        begun = time.monotonic()
        await self._bench.vacate()  # lest one that does not load brings the one before it back
        try:
            run = await self._bench.measure(suite, entry, variant.changes, told, lambda *_: None)
        except StudioError as error:
            found = Variant(changes=variant.changes, state="failed", why=error.sentence)
        else:
            whole = run.state == "done"
            found = Variant(
                changes=variant.changes, state="measured" if whole else "failed", run=run,
                why="" if whole else " ".join(run.notes[-1:]),
            )  # fmt: skip
        seconds = time.monotonic() - begun
        return found.model_copy(update={"seconds": seconds})

    def _ended(self, job: Job, lab: Lab, wish: Wish) -> dict[str, Any]:
        lab = lab.model_copy(update={"ended": time.time()})
        self.labs.keep(lab)
        measured = sum(each.state == "measured" for each in lab.variants)
        if not measured:
            raise StudioError(
                "No variant could be measured", why=lab.variants[0].why,
                hint=f"llm-studio bench lab {lab.profile}",
            )  # fmt: skip
        best = winner(lab, wish.by)
        job.message = f"{measured} of {len(lab.variants)} measured"
        applied: Values = {}
        if wish.apply and best is not None:
            applied = self.apply(lab, best.number)
        return {"lab": lab.id, "winner": best.number if best else None, "applied": dict(applied)}

    def apply(self, lab: Lab, number: int) -> Values:
        """Write a variant's values to the profile. Blocks."""
        if not 0 <= number < len(lab.variants):
            raise UsageError(f"The lab has no variant {number}")
        variant = lab.variants[number]
        if variant.state != "measured":
            raise UsageError(f"Variant {number} was not measured", why=variant.why)
        if settings_of(self._entry(lab.profile)) != lab.settings:
            raise NotReady(
                f"The profile {lab.profile!r} was changed since",
                why="Its values may be other ones than those that were measured.",
                hint=f"Set them by hand: {worded(variant.changes)}",
            )
        self._studio.shelf.change(lab.profile, variant.changes)
        return variant.changes

    def _entry(self, id_: str) -> Entry:
        return Catalogue.load(self._studio.settings.paths.profiles).get(id_)

    def _seconds(self, profile: str, full: bool) -> float | None:
        """What a variant took in the last lab of that profile; else the last run of speed."""
        for lab in reversed(self.labs.all()):
            took = [each.seconds for each in lab.variants if each.state == "measured"]
            if took and (lab.profile, lab.full) == (profile, full):
                return sum(took) / len(took)
        return estimate(self._bench.overview.all(), "speed", profile, quick=not full).seconds


def _suite(lab: Lab) -> SpeedSuite:
    return SpeedSuite(quick=not lab.full, engine_alone=False, repetitions=REPETITIONS)
