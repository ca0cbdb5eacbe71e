"""What a benchmark will take, told from what earlier ones took; nothing is guessed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from llm_studio.bench.overview import Known
from llm_studio.schema import Wire


class Estimate(Wire):
    """For one profile."""

    profile: str
    seconds: float | None
    """To measure it; loading comes on top. Nothing where no such run was done."""
    basis: str
    """What that rests on, in words."""


def estimate(
    known: Sequence[Known], suite: str, profile: str, *, quick: bool = False, limit: int = 0
) -> Estimate:
    """As long as the last such run; one over other tasks is scaled to as many as are wanted."""
    done = [each for each in known if each.run.suite == suite and each.run.state == "done"]
    own = [each for each in done if each.run.profile == profile]
    like = [each for each in own if each.summary.quick == quick]
    if not like:
        how = "quick" if not quick else "full"
        other = f"only {how} ones were done" if own else "never done on this profile"
        return Estimate(profile=profile, seconds=None, basis=other)
    last = like[-1]
    day = time.strftime("%Y-%m-%d", time.localtime(last.run.started))
    tasks = _tasks(last)
    wanted = limit or max(map(_tasks, done))
    if tasks and wanted != tasks:
        seconds = last.effort * wanted / tasks
        return Estimate(profile=profile, seconds=seconds, basis=f"{tasks} of them on {day}")
    return Estimate(profile=profile, seconds=last.effort, basis=f"the last one, {day}")


def estimates(
    known: Sequence[Known], suite: str, *, quick: bool = False, limit: int = 0
) -> list[Estimate]:
    """For each profile that was measured before."""
    profiles = sorted({each.run.profile for each in known if each.run.suite == suite})
    return [estimate(known, suite, each, quick=quick, limit=limit) for each in profiles]


def _tasks(known: Known) -> int:
    """Or windows of a text."""
    settings = known.run.settings
    count = settings.get("tasks", settings.get("windows"))
    return count if isinstance(count, int) else 0
