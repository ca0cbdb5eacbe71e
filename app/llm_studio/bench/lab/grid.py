"""From values to try to variants; what is absurd is refused before anything is measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from llm_studio.bench.lab.record import Variant
from llm_studio.errors import NotReady, UsageError
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.changed import changed, without_idle

SECTIONS = ("model", "engine", "server")
"""What the speed of a profile depends on."""
MANY = 24
MOST = 400
LONG = 6 * 3600.0
"""Variants and seconds beyond which a yes is needed; the most that a yes can allow."""


def variants_of(entry: Entry, grid: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """The profile as it is, then every combination that differs from it."""
    if entry.require().engine.kind == "external":
        raise NotReady("Its settings are somebody else's", why="The engine is external.")
    if not any(grid.values()):
        raise UsageError("There is nothing to try", hint="--set server.ubatch=256,512")
    if math.prod(map(len, grid.values())) > MOST:
        raise UsageError(
            f"That are more than {MOST} variants", hint="Try fewer values, or fewer at a time."
        )
    for key, values in grid.items():
        if key.partition(".")[0] not in SECTIONS:
            raise UsageError(
                f"{key} has no part in the speed of a model",
                hint=f"Try keys of [{'], ['.join(SECTIONS)}].",
            )
        for value in values:  # a slip of the finger is no variant
            changed(entry, {key: value}, "on trial")
    found: list[Variant] = [Variant()]
    for combination in itertools.product(*grid.values()):
        changes = without_idle(entry, dict(zip(grid, combination, strict=True)))
        if all(changes != each.changes for each in found):
            found.append(Variant(changes=changes))
    if len(found) == 1:
        raise UsageError("The profile has these values already")
    return found


def require_modest(count: int, seconds: float | None) -> None:
    """Raises where it would take so much that it should be meant."""
    if count > MANY:
        raise NotReady(f"That are {count} variants", hint="Say that you mean it: --yes")
    if seconds is not None and count * seconds > LONG:
        raise NotReady(
            f"That may take {count * seconds / 3600:.0f} hours", hint="Say that you mean it: --yes"
        )
