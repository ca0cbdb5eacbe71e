"""What if: another context, another type of cache. Steps from what is to what could be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_studio.tui.panes.models.detail import Detail


CACHE_TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "f32")
"""From few bits to many."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Values that are tried out; None is what the profile has."""

    context: int | None = None
    cache: str | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """As keys of a profile."""
        changes: dict[str, Any] = {}
        if self.context is not None:
            changes["server.context"] = self.context
        if self.cache is not None:
            changes |= {"server.cache_type_k": self.cache, "server.cache_type_v": self.cache}
        return changes


NOTHING = Trial()


def ladder(detail: Detail) -> list[int]:
    """Contexts worth trying: powers of two, and as much as fits."""
    most = detail.trained_context or 1 << 20
    steps = {1 << power for power in range(10, 31) if 1 << power <= most} | {most}
    if detail.largest_context:
        steps.add(min(detail.largest_context, most))
    return sorted(steps)


def more(trial: Trial, detail: Detail) -> Trial:
    context = detail.summary.context or 0
    return replace(trial, context=next((n for n in ladder(detail) if n > context), context))


def less(trial: Trial, detail: Detail) -> Trial:
    context = detail.summary.context or 0
    smaller = [step for step in ladder(detail) if step < context]
    return replace(trial, context=smaller[-1] if smaller else context)


def finer(trial: Trial, detail: Detail) -> Trial:
    return _other_cache(trial, detail, 1)


def coarser(trial: Trial, detail: Detail) -> Trial:
    return _other_cache(trial, detail, -1)


def _other_cache(trial: Trial, detail: Detail, step: int) -> Trial:
    now = detail.cache_type_k if detail.cache_type_k in CACHE_TYPES else "f16"
    index = CACHE_TYPES.index(now) + step
    return replace(trial, cache=CACHE_TYPES[min(max(index, 0), len(CACHE_TYPES) - 1)])
