"""Admits inference requests: they wait while a model loads, and are counted while they run.

A request that names another profile makes the studio switch to it, if that is allowed; requests
for different profiles take turns, so that neither starves and the model does not flap.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from llm_studio.errors import StudioError


@dataclass(frozen=True, slots=True)
class Target:
    """A ready engine: where to send requests, with which key, and what it is called."""

    address: str
    key: str
    profile: str
    instance: str
    image: str = ""
    """The container image's id, if it runs in one."""
    model: str = ""
    """What it must be asked for, unless a request names one of `models`; "" takes any name."""
    models: tuple[str, ...] = ()


class Refusal(StudioError):
    """A request that cannot be served now: an HTTP status, and when to try again."""

    def __init__(self, status: int, what: str, *, hint: str = "", retry_after: int = 0) -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.retry_after = retry_after


@dataclass(slots=True)
class RequestRecord:
    """What is remembered of a request. Never what was asked or answered."""

    route: str
    client: str
    profile: str = ""
    model: str = ""
    image: str = ""
    """The id of the container image that answered."""
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    first_token: float | None = None
    """Seconds until the first token."""
    held: float | None = None
    """Of these, the seconds before the engine had the request: for a place, or for a switch."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    prompt_speed: float | None = None
    speed: float | None = None
    """Tokens per second, as the engine measured them."""
    status: int = 0
    outcome: str = ""
    """"done", "cancelled", "failed" or "refused"."""
    session: str = ""
    """The agent's session that it belongs to."""
    stop: str = ""
    """Why the answer ended, in the words of its API."""
    trouble: str = ""
    """"too-long" (the prompt) or "tool-call" (one that could not be read)."""


def _nothing_loaded() -> Refusal:
    return Refusal(
        503,
        "No model is loaded",
        hint="Load one:  llm-studio up ID  (`llm-studio list` shows them).",
        retry_after=30,
    )


class Desk:
    """Who may go to the engine, and who waits."""

    def __init__(
        self,
        *,
        profile_of: Callable[[str], str | None],
        want: Callable[[str], Awaitable[None]],
        limit: int = 64,
        patience: float = 600.0,
        residence: float = 5.0,
    ) -> None:
        """`profile_of` finds the profile that a model's name means; `want` asks for a switch."""
        self._profile_of = profile_of
        self._want = want
        self._limit = limit
        self._patience = patience
        self._residence = residence
        self._target: Target | None = None
        self._since = 0.0
        self._coming: str | None = None
        self._asleep: str | None = None
        self._waiting: dict[object, str | None] = {}
        self._running: dict[object, RequestRecord] = {}
        self._news = asyncio.Event()
        """Set, and replaced, at each change: who waits for it can miss none."""
        self.last_used = time.monotonic()

    @property
    def coming(self) -> str | None:
        """The profile that is being loaded."""
        return self._coming

    @property
    def closed(self) -> bool:
        """Whether nothing is served, nor coming, nor to be woken."""
        return self._target is None and self._coming is None and self._asleep is None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def sessions(self) -> set[str]:
        """The agents' sessions that are being answered now."""
        return {record.session for record in self._running.values() if record.session}

    async def open(self, target: Target) -> None:
        """From now on requests go to this engine."""
        self._target, self._coming, self._asleep = target, None, None
        self._since = self.last_used = time.monotonic()
        self._tell()

    async def shut(self, coming: str | None, *, asleep: str | None = None) -> None:
        """No request goes through. Those that come wait if a profile is `coming`, or wake one."""
        self._target, self._coming, self._asleep = None, coming, asleep
        self._tell()

    async def drained(self, limit: float) -> bool:
        """Whether all running requests ended within the limit."""
        deadline = time.monotonic() + limit
        while self._running and (left := deadline - time.monotonic()) > 0:
            await self._change(left)
        return not self._running

    def let_go(self) -> None:
        """The engine has ended. Whoever is at it still only waits for a client that does not read,
        and counts no more: the next model shall not wait for that one too."""
        self._running.clear()
        self._tell()

    def glance(self, model: str = "") -> Target:
        """The engine as it stands, for a look: it waits for nothing, switches and uses nothing."""
        target, wanted = self._target, self._profile_of(model) if model else None
        if target is None and self._coming is not None:
            raise Refusal(503, "Loading model", retry_after=2)
        if target is None:
            raise _nothing_loaded()
        if wanted not in (None, target.profile):
            raise Refusal(503, f"The model that is loaded is {target.profile!r}", retry_after=30)
        return target

    @contextlib.asynccontextmanager
    async def lease(self, record: RequestRecord) -> AsyncIterator[Target]:
        """A place at the engine that the record's model means; waits for it, or refuses."""
        target = await self._admitted(record)
        token = object()
        self._running[token] = record
        record.profile, record.image = target.profile, target.image
        try:
            yield target
        finally:
            if self._running.pop(token, None) is not None:
                self.last_used = time.monotonic()
                self._tell()

    async def _admitted(self, record: RequestRecord) -> Target:
        wanted = self._profile_of(record.model) if record.model else None
        if self._serves(wanted) and not self._others_first(wanted):
            assert self._target is not None
            return self._target
        if len(self._waiting) >= self._limit:
            raise Refusal(
                503,
                f"{len(self._waiting)} requests are waiting already",
                hint="Try again in a moment.",
                retry_after=5,
            )
        token = object()
        self._waiting[token] = wanted
        try:
            return await self._wait(token, wanted)
        finally:
            self._waiting.pop(token, None)

    def _serves(self, wanted: str | None) -> bool:
        return self._target is not None and wanted in (None, self._target.profile)

    def _others_first(self, wanted: str | None) -> bool:
        """Whether somebody waits for another profile, whose turn it is after the residence."""
        if self._target is None or time.monotonic() - self._since < self._residence:
            return False
        return any(w not in (None, self._target.profile) for w in self._waiting.values())

    async def _wait(self, token: object, wanted: str | None) -> Target:
        deadline = time.monotonic() + self._patience
        asked = False
        while True:
            if self._serves(wanted) and (asked or not self._others_first(wanted)):
                assert self._target is not None
                return self._target
            if self._target is None and self._coming is None and wanted is None:
                wanted = self._waiting[token] = self._asleep
            if self._target is None and self._coming is None and wanted is None:
                raise _nothing_loaded()
            left = deadline - time.monotonic()
            if left <= 0:
                raise Refusal(503, "The model did not become ready in time", retry_after=30)
            if wanted is not None and self._may_ask(wanted, token):
                asked = True
                with contextlib.suppress(TimeoutError):  # what it wished for goes on without it
                    async with asyncio.timeout(left):
                        await self._want(wanted)  # raises Refusal where it is not allowed, or fails
                continue
            await self._change(min(left, self._until_turn(wanted)))

    def _may_ask(self, wanted: str, token: object) -> bool:
        """The first who waits for another profile asks for it, once the present had its time."""
        if self._coming == wanted:
            return False
        first = next((t for t, w in self._waiting.items() if w == wanted), None)
        resided = self._target is None or time.monotonic() - self._since >= self._residence
        return first is token and resided and self._coming is None and not self._serves(wanted)

    def _until_turn(self, wanted: str | None) -> float:
        if self._target is None or self._serves(wanted):
            return 3600.0
        return max(self._residence - (time.monotonic() - self._since), 0.01)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _change(self, limit: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._news.wait()
