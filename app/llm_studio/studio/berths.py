"""Where engines are served: the main one, and those beside it that the user asked for.

Each berth has its own state, desk and supervisor, and knows nothing of the others; what concerns
them all (who is where, who may load now, what an earlier studio left) is here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_studio.engines.base import Engine, Running
from llm_studio.errors import NotFound, StudioError
from llm_studio.storage import write_atomically
from llm_studio.studio.attendant import STOP_GRACE
from llm_studio.studio.desk import Desk
from llm_studio.studio.jobs import Job
from llm_studio.studio.log import Log
from llm_studio.studio.state import Phase, Store
from llm_studio.studio.supervisor import Busy, Supervisor


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

    def __iter__(self) -> Iterator[Berth]:
        yield self.main
        yield from list(self.beside.values())

    def switch(self, id_: str, *, beside: bool = False) -> Job | None:
        """Serve a profile: a job to follow, or None where it is served already."""
        berth = self.beside.get(id_)
        if berth is None and beside and self.main.store.state.profile != id_:
            berth = self._open(id_)
        berth = berth or self.main
        for other in self:
            if other is not berth and other.supervisor.operation is not None:
                raise Busy(*other.supervisor.operation)  # both would count on the same memory
        return berth.supervisor.switch(id_)

    def stop(self, id_: str = "") -> list[Job]:
        """End one profile's engine, or all of them."""
        self._close_ended()
        if id_ and id_ not in self.beside and self.main.store.state.profile != id_:
            raise NotFound(f"{id_!r} is not served")
        berths = [self.beside[id_]] if id_ in self.beside else list(self)
        if id_ and id_ not in self.beside:
            berths = [self.main]
        return [job for berth in berths if (job := berth.supervisor.stop()) is not None]

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
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
            return frozenset(each for each in kept if isinstance(each, str))
        except (OSError, ValueError, TypeError):
            return frozenset()

    async def adopt(self, engines: Mapping[str, Engine]) -> None:
        """Find the engines that an earlier studio started, and go on serving with them."""
        beside = self._remembered()
        for engine in engines.values():
            try:
                for running in await engine.running():
                    await self._take_over(running, engine, running.profile in beside)
            except StudioError as error:
                self._log.add(f"{engine.kind}: {error.sentence}", level="warning")
        self._remember()

    async def _take_over(self, running: Running, engine: Engine, beside: bool) -> None:
        berth = self._open(running.profile) if beside else self.main
        if berth.supervisor.serving is None and await berth.supervisor.take_over(running, engine):
            return
        self._log.add(f"ends a leftover engine, {running.detail}", level="warning")
        await engine.stop(running, STOP_GRACE)
        await engine.forget(running)

    async def close(self) -> None:
        for berth in self:
            await berth.supervisor.close()
