"""Measures one answer: by the engine's own figures where it tells them, else by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llm_studio.schema_chat import Figures, PromptProgress
from llm_studio.studio.conversations.engine import Part
from llm_studio.studio.serving.desk import RequestRecord


class Meter:
    """Is shown every part of a stream; `before` is what a continued answer took already."""

    def __init__(
        self, before: Figures | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._before = before or Figures()
        self._begun = clock()
        self._asked = self._begun
        self._first: float | None = None
        self._thought_from: float | None = None
        self._thought_until: float | None = None
        self._thought_tokens: int | None = None
        self._parts = 0
        self._thought_parts = 0
        self._timings: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._told_prompt = False
        self.context: int | None = None

    def asked(self) -> None:
        """The engine has the request now: waiting for a model is not its time."""
        self._asked = self._clock()

    def saw(self, part: Part) -> None:
        now = self._clock()
        if part.timings:
            self._timings.update(part.timings)
        if part.usage:
            self._usage.update(part.usage)
        if not (part.text or part.thought or part.tools):
            return
        self._parts += 1
        if self._first is None:
            self._first = now
        if part.thought:
            self._thought_parts += 1
            self._thought_from = self._thought_from or now
        elif self._thought_from is not None and self._thought_until is None:
            self._thought_until = now
            generated = _count(self._timings.get("predicted_n"))
            self._thought_tokens = self._thought_parts if generated is None else generated - 1

    def progress(self, part: Part) -> PromptProgress | None:
        told = part.progress or {}
        done, total = _count(told.get("processed")), _count(told.get("total"))
        if done is None or not total:
            return None
        return PromptProgress(done=done, total=total, cached=_count(told.get("cache")) or 0)

    @property
    def figures(self) -> Figures:
        """What is known by now."""
        now, usage, before = self._clock(), self._usage, self._before
        # Until it answers, the engine counts what it has read by now: the prompt is longer.
        timings = self._timings if _count(self._timings.get("predicted_n")) else {}
        fresh, cached = _count(timings.get("prompt_n")), _count(timings.get("cache_n"))
        prompt = None if fresh is None else fresh + (cached or 0)
        if prompt is None:
            prompt = _count(usage.get("prompt_tokens"))
            details = usage.get("prompt_tokens_details")
            cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        generated = _count(timings.get("predicted_n"))
        if generated is None:
            generated = _count(usage.get("completion_tokens"))
        thought_end = self._thought_until or now
        thought = None if self._thought_from is None else thought_end - self._thought_from
        earlier = before.generated_tokens or 0
        return Figures(
            seconds=now - self._asked + (before.seconds or 0.0),
            first_token=before.first_token
            if before.first_token is not None
            else self._since_asked(self._first),
            thought_seconds=before.thought_seconds if thought is None else thought,
            thought_tokens=self._thought_tokens or before.thought_tokens,
            # What was generated before is prompt to the engine now, but not to people.
            prompt_tokens=None if prompt is None else max(prompt - earlier, 0),
            cached_tokens=before.cached_tokens if earlier else cached,
            generated_tokens=None if generated is None else generated + earlier,
            prompt_speed=_speed(timings.get("prompt_per_second")),
            speed=_speed(timings.get("predicted_per_second")) or self._measured(generated, now),
            context=self.context,
        )

    def _since_asked(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._asked

    def _measured(self, generated: int | None, now: float) -> float | None:
        if generated is None or generated < 2 or self._first is None or now <= self._first:
            return None
        return (generated - 1) / (now - self._first)

    def fill(self, record: RequestRecord) -> None:
        """The same for the studio's list of requests."""
        figures = self.figures
        earlier = self._before.generated_tokens or 0
        record.seconds = self._clock() - self._begun
        if self._first is not None:
            record.first_token = self._first - self._begun
        record.prompt_tokens, record.cached_tokens = figures.prompt_tokens, figures.cached_tokens
        if figures.generated_tokens is not None:
            record.generated_tokens = figures.generated_tokens - earlier
        record.prompt_speed, record.speed = figures.prompt_speed, figures.speed


def _count(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return int(value) if good else None  # type: ignore[call-overload]


def _speed(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good and 0 < value < 1e7 else None  # type: ignore[arg-type, operator]
