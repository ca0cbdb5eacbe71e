"""The values that are right: what the known solution gives, run in the sandbox like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_studio.bench.coding.tasks import Task
from llm_studio.bench.sandbox.job import Job, Sandbox

SHORTEST = 4.0
FACTOR = 4.0
"""A call may take so many times what the known solution took, and as many seconds at least."""
PATIENCE = 60.0
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Truth:
    """What is expected of a task."""

    values: Sequence[Any] = ()
    limits: Sequence[float] = ()
    fault: str = ""
    """Why nothing can be expected; then no answer can be judged."""


async def truths(place: Sandbox, chosen: Sequence[Task]) -> dict[str, Truth]:
    """By task. It takes a moment, and it is done anew for each run: the machine may be slower."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(task: Task) -> tuple[str, Truth]:
        async with turn:
            return task.id, await truth(place, task)

    return dict(await asyncio.gather(*map(one, chosen)))


async def truth(place: Sandbox, task: Task) -> Truth:
    inputs = [*task.base, *task.plus]
    ran = await place.run(Job(task.solution, task.entry, inputs, [PATIENCE] * len(inputs)))
    if ran.end != "whole":
        return Truth(fault=f"the known solution does not run here ({ran.end} {ran.why})".strip())
    return Truth(ran.values, [max(SHORTEST, FACTOR * seconds) for seconds in ran.took])
