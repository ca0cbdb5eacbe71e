"""Perplexity of a text, counted as `llama-perplexity` counts it: the text in windows of equal
length, of each the second half, with the first half as what was read before."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from llm_studio.bench.asking import NoAnswer
from llm_studio.bench.figures import Z95
from llm_studio.bench.perplexity.scorer import Scorer, Text
from llm_studio.bench.record import Figure
from llm_studio.bench.suite import Bout
from llm_studio.errors import NotReady, StudioError, UsageError

LARGEST = 8 << 20
LONGEST_TOKEN = 12
"""Bytes that a token has at most, on average over a text."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class Scored:
    """One window: the logarithms of its scored tokens, and their bytes."""

    logs: list[float]
    size: int


class PerplexitySuite:
    name = "perplexity"
    title = "Perplexity"
    own_context = False

    def __init__(self, *, file: Path | None, windows: int, length: int, concurrency: int) -> None:
        self._file = file
        self._most = windows
        self._length = length
        self._concurrency = concurrency
        self._raw = b""

    async def prepare(self) -> None:
        self._raw = await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        if self._file is None:
            raise UsageError("Perplexity needs a text", hint="Give one: --data FILE")
        try:
            with self._file.open("rb") as file:
                raw = file.read(LARGEST + 1)
        except OSError as error:
            raise StudioError(
                f"Cannot read {self._file}", why=error.strerror or str(error)
            ) from error
        if len(raw) > LARGEST:
            raise UsageError(f"{self._file.name} is larger than {LARGEST >> 20} MiB")
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"{self._file.name} is no text in UTF-8", why=str(error)) from None
        return raw

    async def run(self, bout: Bout) -> None:
        async with Scorer(bout.studio.reception, bout.entry.id) as scorer:
            props = await scorer.props()
            slots = int(props.get("total_slots") or 1)
            context = int(props["default_generation_settings"].get("n_ctx") or 0)
            if context < self._length:
                raise NotReady(
                    f"The context of {context} tokens is shorter than a window of {self._length}",
                    hint=f"--length {context}, or a longer context in the profile.",
                )
            bout.told("reading the text", None)
            text = await self._text(scorer)
            windows = self._windows(text)
            users = min(self._concurrency or slots, slots, len(windows))
            used = json.dumps([text.tokens[a:b] for a, b in windows]).encode()
            bout.settings |= {
                "data": self._file.name if self._file else "", "window": self._length,
                "data sha256": hashlib.sha256(self._raw).hexdigest(),
                "tokens sha256": hashlib.sha256(used).hexdigest(), "requests at a time": users,
            }  # fmt: skip
            await self._score_all(bout, scorer, text, windows, users)

    async def _text(self, scorer: Scorer) -> Text:
        """No more of it than is needed."""
        text = self._raw.decode()
        needed = self._most * self._length
        if needed and len(text) > needed * LONGEST_TOKEN:
            found = await scorer.read(text[: needed * LONGEST_TOKEN])
            if len(found.tokens) > needed:
                return found
        return await scorer.read(text)

    def _windows(self, text: Text) -> list[tuple[int, int]]:
        starts = range(0, len(text.tokens) - self._length + 1, self._length)
        found = [(at, at + self._length) for at in starts]
        if not found:
            raise UsageError(
                f"The text has {len(text.tokens)} tokens, fewer than a window of {self._length}",
                hint="Give a longer text, or a shorter --length.",
            )
        return found[: self._most or None]

    async def _score_all(
        self, bout: Bout, scorer: Scorer, text: Text, windows: list[tuple[int, int]], users: int
    ) -> None:
        queue = list(enumerate(windows))
        done: dict[int, Scored] = {}
        whole = (self._length - self._length // 2 - 1) * len(windows)
        tokens = 0

        async def worker(slot: int) -> None:
            nonlocal tokens
            while queue:
                number, (start, end) = queue.pop(0)
                window = list(text.tokens[start:end])
                if text.begin is not None:
                    window[0] = text.begin
                logs = []
                for at in range(self._length // 2 + 1, self._length):
                    logs.append(await _logprob(scorer, window, at, slot))
                    tokens += 1
                    if tokens % 16 == 0:
                        bout.told(f"{tokens} of {whole} tokens", tokens / whole)
                sizes = text.sizes[start + self._length // 2 + 1 : end]
                done[number] = Scored(logs, sum(sizes))
                _count(bout, [done[key] for key in sorted(done)])

        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(users):
                    group.create_task(worker(slot))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        if len(scorer.engines) > 1:
            bout.notes.append("the engine was ended and loaded again meanwhile")


async def _logprob(scorer: Scorer, window: list[int], at: int, slot: int) -> float:
    for attempt in range(1, TRIES + 1):
        try:
            return await scorer.logprob(window[:at], window[at], slot)
        except NoAnswer:
            if attempt == TRIES:
                raise
    raise AssertionError


def _count(bout: Bout, windows: list[Scored]) -> None:
    """The figures of what there is so far."""
    losses = [-each for window in windows for each in window.logs]
    size = sum(window.size for window in windows)
    middle = statistics.fmean(losses)
    error = statistics.pstdev(losses) / math.sqrt(len(losses) - 1)  # as llama-perplexity has it
    of_windows = [-statistics.fmean(window.logs) for window in windows]
    bout.settings["windows"] = len(windows)
    bout.figures["perplexity"] = Figure(
        value=math.exp(middle), low=math.exp(middle - Z95 * error),
        high=math.exp(middle + Z95 * error), of=len(losses), parts=of_windows,
    )  # fmt: skip
    if size:
        bits = len(losses) / size / math.log(2)
        bout.figures["bits per byte"] = Figure(
            value=middle * bits, low=(middle - Z95 * error) * bits,
            high=(middle + Z95 * error) * bits, of=size,
            parts=[-sum(each.logs) / max(each.size, 1) / math.log(2) for each in windows],
        )  # fmt: skip
