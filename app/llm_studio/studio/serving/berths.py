"""Where engines are served: the main one, and those beside it that the user asked for.

Each berth has its own state, desk and supervisor, and knows nothing of the others; what concerns
them all (who is where, who may load now, what an earlier studio left) is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from llm_studio.engines.base import Engine, Running
from llm_studio.errors import NotFound, StudioError
from llm_studio.journal import restored
from llm_studio.storage import write_atomically
from llm_studio.studio.jobs import Job
from llm_studio.studio.log import Log
from llm_studio.studio.serving.attendant import STOP_GRACE
from llm_studio.studio.serving.desk import Desk
from llm_studio.studio.serving.state import Phase, Store
from llm_studio.studio.serving.supervisor import Busy, Supervisor

ASK_AGAIN = (2.0, 60.0)
"""Seconds until an engine that did not answer is asked again: at first, and at most."""


PATIENCE = 1.0
"""Seconds for which a studio that starts waits for what engines tell."""


@dataclass(frozen=True, slots=True)
class Berth:
    """One place for an engine."""

    store: Store
    desk: Desk
    supervisor: Supervisor


class Berths:
    """The main berth, and the others by profile."""

    def __init__(self, main: Berth, new: Callable[[str], Berth], kept: Path, log: Log) -> None:
        """`new` makes a berth for a profile; `kept` is a file that remembers who is beside."""
        self.main = main
        self.beside: dict[str, Berth] = {}
        self.desks: dict[str, Desk] = {}
        self._new = new
        self._kept = kept
        self._log = log
        self._unasked: dict[str, Engine] = {}
        """Engines that have not told yet what an earlier studio left there."""
        self._settling = asyncio.Lock()
        self._settler: asyncio.Task[object] | None = None
        self._asking: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Berth]:
        yield self.main
        yield from list(self.beside.values())

    def switch(self, id_: str, *, beside: bool = False, drain: bool = True) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already."""
        berth = self.beside.get(id_)
        if berth is None and beside and self.main.store.state.profile != id_:
            berth = self._open(id_)
        berth = berth or self.main
        for other in self:
            if other is not berth and other.supervisor.operation is not None:
                raise Busy(*other.supervisor.operation)  # both would count on the same memory
        return berth.supervisor.switch(id_, drain=drain)

    def stop(self, id_: str = "", *, drain: bool = True) -> list[Job]:
        """End one profile's engine, or all of them."""
        self._close_ended()
        if id_ and id_ not in self.beside and self.main.store.state.profile != id_:
            raise NotFound(f"{id_!r} is not served")
        berths = [self.beside[id_]] if id_ in self.beside else list(self)
        if id_ and id_ not in self.beside:
            berths = [self.main]
        jobs = (berth.supervisor.stop(drain=drain) for berth in berths)
        return [job for job in jobs if job is not None]

    def _open(self, id_: str) -> Berth:
        self._close_ended()
        berth = self._new(id_)
        self.beside[id_], self.desks[id_] = berth, berth.desk
        berth.store.listen(lambda _: self._changed())
        self._remember()
        return berth

    def _changed(self) -> None:
        """Who follows the main state learns of the others' changes too."""
        self.main.store.replace()

    def _close_ended(self) -> None:
        """Forget the berths where nothing is, nor is wished for."""
        for id_, berth in list(self.beside.items()):
            if berth.store.state.phase is Phase.STOPPED and berth.supervisor.operation is None:
                del self.beside[id_], self.desks[id_]
        self._remember()

    def _remember(self) -> None:
        if self._remembered() != frozenset(self.beside):
            with contextlib.suppress(StudioError):  # a full disk stops no model
                write_atomically(self._kept, json.dumps(sorted(self.beside)) + "\n")

    def _remembered(self) -> frozenset[str]:
        try:
            return frozenset(restored(list[str], self._kept.read_bytes()) or ())
        except OSError:
            return frozenset()

    async def adopt(self, engines: Mapping[str, Engine]) -> None:
        """Find the engines that an earlier studio started, and go on serving with them.

        Returns soon: a Docker that does not answer is waited for in the background.
        """
        self._unasked = {engine.kind: engine for engine in engines.values()}
        asked = asyncio.Event()
        self._asking = asyncio.create_task(self._adopt_all(self._remembered(), asked), name="adopt")
        waiting = asyncio.create_task(asked.wait())
        await asyncio.wait([waiting, self._asking], timeout=PATIENCE, return_when="FIRST_COMPLETED")
        waiting.cancel()

    async def _adopt_all(self, beside: Set[str], asked: asyncio.Event) -> None:
        for engine in sorted(self._unasked.values(), key=lambda engine: engine.kind == "docker"):
            async with self._settled():
                try:
                    await self._adopt_from(engine, beside)
                except StudioError as error:
                    self._log.add(f"{engine.kind}: {error.sentence}", level="warning")
                except Exception as error:  # a defect of one must not hide what others tell
                    told = f"{type(error).__name__}: {error}"
                    self._log.add(f"{engine.kind} cannot be asked: {told}", level="error")
                    self._unasked.pop(engine.kind, None)
        asked.set()
        if not self._unasked:
            self._remember()
        await self._ask_again(beside)

    async def _adopt_from(self, engine: Engine, beside: Set[str]) -> None:
        for running in await engine.running():
            await self._take_over(running, engine, running.profile in beside)
        self._unasked.pop(engine.kind, None)

    async def _ask_again(self, beside: Set[str]) -> None:
        """A Docker that did not answer may come back, with engines that serve."""
        pause = ASK_AGAIN[0]
        while self._unasked:
            await asyncio.sleep(pause)
            pause = min(pause * 2, ASK_AGAIN[1])
            for kind in list(self._unasked):
                await self.settle(kind, beside)

    async def settle(self, kind: str, beside: Set[str] = frozenset()) -> None:
        """What an earlier studio left on an engine that could not be asked so far: it is adopted,
        or ended where something else is on its way to be served."""
        if self._settler is asyncio.current_task():
            return  # what is being adopted asks for itself
        async with self._settled():
            if kind in self._unasked:
                with contextlib.suppress(StudioError):
                    await self._adopt_from(self._unasked[kind], beside)

    @contextlib.asynccontextmanager
    async def _settled(self) -> AsyncIterator[None]:
        """One engine is asked at a time."""
        async with self._settling:
            self._settler = asyncio.current_task()
            try:
                yield
            finally:
                self._settler = None

    async def _take_over(self, running: Running, engine: Engine, beside: bool) -> None:
        berth = self._open(running.profile) if beside else self.main
        supervisor = berth.supervisor
        if running == supervisor.serving:
            return
        free = supervisor.serving is None and supervisor.operation is None
        if free and await supervisor.take_over(running, engine):
            return
        self._log.add(f"ends a leftover engine, {running.detail}", level="warning")
        await engine.stop(running, STOP_GRACE)
        await engine.forget(running)

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        for berth in self:
            await berth.supervisor.close()
