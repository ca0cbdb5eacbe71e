"""Reads tokens and speeds out of a response that passes by, whole or as a stream of events.

It keeps the first and the last bytes alone: what engines tell of tokens stands there. In JSON the
search for a key is safe, since a quote within a string is never bare.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

WINDOW = 16_384
_OVERLAP = 64
_COUNTS = re.compile(rb'"(usage|timings)"\s*:\s*\{')
# What a model says, thinks, or calls, in any of the dialects; an empty string is no token.
_TOKEN = re.compile(
    rb'"(?:content|text|reasoning_content|reasoning|thinking|partial_json|arguments|delta)"'
    rb'\s*:\s*"[^"]|"tool_calls"\s*:\s*\[\s*\{|"type"\s*:\s*"tool_use"'
)
_STOP = re.compile(rb'"(?:stop_reason|finish_reason)"\s*:\s*"(\w{1,24})"')
_CALLED = re.compile(rb'"type"\s*:\s*"function_call"')
_FAILURE = re.compile(rb'(?:\A|\n)(?:event: ?error|(?:data|error): ?\{\s*"error"\s*:)')
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the engine said of its work; None where it did not."""

    prompt: int | None = None
    """All of the prompt, with what was cached."""
    cached: int | None = None
    generated: int | None = None
    prompt_speed: float | None = None
    speed: float | None = None
    stop: str = ""
    """Why the answer ended, in the words of its API."""
    failed: bool = False
    """The stream told of an error, whatever its status."""


class TokenReader:
    """Sees the bytes of one response; alters and holds up none."""

    def __init__(self, *, stream: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._searching = stream
        self._stream = stream
        self._overlap = b""
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.first: float | None = None
        """When the first token passed, by the clock."""

    def feed(self, data: bytes) -> None:
        if self._searching:
            window = self._overlap + data
            if _TOKEN.search(window):
                self.first, self._searching, self._overlap = self._clock(), False, b""
            else:
                self._overlap = window[-_OVERLAP:]
        if len(self._head) < WINDOW:
            self._head += data[: WINDOW - len(self._head)]
        if len(data) > WINDOW:
            data = data[-WINDOW:]
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= WINDOW:
            self._tail_size -= len(self._tail.popleft())

    def tokens(self) -> Tokens:
        """What is known by now."""
        usage: dict[str, Any] = {}
        timings: dict[str, Any] = {}
        tail = b"".join(self._tail)
        for key, found in _counts(bytes(self._head) + b"\n" + tail):
            (usage if key == b"usage" else timings).update(
                {name: value for name, value in found.items() if value is not None}
            )
        prompt, cached, generated = _used(usage)
        fresh, reused = _count(timings.get("prompt_n")), _count(timings.get("cache_n"))
        if prompt is None and fresh is not None:
            prompt, cached = fresh + (reused or 0), reused
        return Tokens(
            prompt=prompt,
            cached=reused if cached is None else cached,
            generated=_count(timings.get("predicted_n")) if generated is None else generated,
            prompt_speed=_speed(timings.get("prompt_per_second")),
            speed=_speed(timings.get("predicted_per_second")),
            stop=_stop(tail),
            failed=self._stream and bool(_FAILURE.search(self._head) or _FAILURE.search(tail)),
        )

    def window(self) -> bytes:
        """The begin and the end of the answer; a short one twice, which does no harm."""
        return bytes(self._head) + b"\n" + b"".join(self._tail)


def _stop(tail: bytes) -> str:
    if stops := _STOP.findall(tail):
        return str(stops[-1].decode())
    if b'"response.' not in tail:
        return ""
    if _CALLED.search(tail):
        return "function_call"
    return "incomplete" if b'"response.incomplete"' in tail else "completed"


def _counts(window: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for match in _COUNTS.finditer(window):
        text = window[match.end() - 1 : match.end() + 4096].decode("utf-8", "replace")
        try:
            found, _ = _decoder.raw_decode(text)
        except (ValueError, RecursionError):
            continue
        yield match[1], found


def _used(usage: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Prompt, cached and generated tokens of OpenAI's or Anthropic's `usage`."""
    generated = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    prompt = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    read = _count(usage.get("cache_read_input_tokens"))
    if read is not None:  # Anthropic's count leaves out what was cached
        written = _count(usage.get("cache_creation_input_tokens")) or 0
        return (prompt or 0) + read + written, read, generated
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return prompt, cached, generated


def _count(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return int(value) if good else None  # type: ignore[call-overload]


def _speed(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        speed = float(value)
    except OverflowError:
        return None
    return speed if math.isfinite(speed) and speed > 0 else None
