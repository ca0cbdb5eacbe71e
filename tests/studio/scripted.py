"""An engine that does as it is told, and a supervisor around it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import (
    Abilities,
    Availability,
    EngineError,
    Launch,
    RawLine,
    Running,
    Vitals,
)
from llm_studio.engines.health import Health, HealthProbe
from llm_studio.errors import StudioError
from llm_studio.profiles.catalogue import Entry
from llm_studio.studio.jobs import Job, Jobs
from llm_studio.studio.log import Log
from llm_studio.studio.serving.attendant import Attendant, Away, Memory, Prepared
from llm_studio.studio.serving.berths import Berth, Berths
from llm_studio.studio.serving.desk import Desk
from llm_studio.studio.serving.state import Phase, State, Store
from llm_studio.studio.serving.supervisor import Supervisor


@dataclass
class Life:
    """How one started engine behaves, and what became of it."""

    running: Running
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: Vitals | None = None
    resume: str = ""
    """How it goes on, while it is paused."""
    stopped: bool = False
    forgotten: bool = False
    lines: list[str] = field(default_factory=list)


class ScriptedEngine:
    """`script` says what each start of a profile comes to: "ready", "hangs" (it loads for
    ever), "stuck" (it does not even start), "dies", "refuses"."""

    kind = "scripted"

    def __init__(self) -> None:
        self.script: dict[str, list[str]] = {}
        self.lives: list[Life] = []
        self.names: dict[str, str] = {}
        self.unstoppable: set[str] = set()
        self.pid = 0
        self._ports = itertools.count(1)

    @property
    def alive(self) -> list[str]:
        return [life.running.profile for life in self.lives if life.ended is None]

    def life(self, profile: str) -> Life:
        return next(life for life in reversed(self.lives) if life.running.profile == profile)

    async def availability(self, image: str = "") -> Availability:
        return Availability(True, "scripted")

    async def abilities(self, image: str = "") -> Abilities:
        return Abilities("1", frozenset())

    async def start(self, launch: Launch) -> Running:
        id_ = launch.entry.id
        script = self.script.get(id_) or ["ready"]
        fate = script.pop(0) if len(script) > 1 else script[0]
        if fate == "refuses":
            raise EngineError("The image is not here", hint="Pull it.")
        if fate == "stuck":
            await asyncio.Event().wait()
        address = f"http://127.0.0.1:{next(self._ports)}"
        running = Running(
            self.kind, launch.instance, id_, address, "key", time.time(), ("llama-server",)
        )
        life = Life(running)
        if fate == "ready":
            life.ready.set()
        if fate == "dies":
            life.lines.append("0.00.1 E srv: error loading model: bad tensor")
            life.ended = Vitals(False, 1)
        self.lives.append(life)
        return running

    async def running(self) -> Sequence[Running]:
        return [life.running for life in self.lives if life.ended is None]

    def _of(self, running: Running) -> Life:
        return next(life for life in self.lives if life.running.instance == running.instance)

    async def vitals(self, running: Running) -> Vitals:
        life = self._of(running)
        return life.ended or Vitals(True, pid=self.pid, resume=life.resume)

    async def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        life, position = self._of(running), int(mark or 0)
        while True:
            ended = life.ended is not None
            for text in life.lines[position:]:
                position += 1
                yield RawLine(text, time.time(), str(position))
            if ended:
                return
            await asyncio.sleep(0.005)

    async def stop(self, running: Running, grace: float) -> None:
        if running.profile in self.unstoppable:
            raise EngineError("Docker does not answer")
        life = self._of(running)
        life.stopped = True
        life.ended = life.ended or Vitals(False, 0)

    async def forget(self, running: Running) -> None:
        self._of(running).forgotten = True

    async def close(self) -> None:
        return


class ScriptedHealth(HealthProbe):
    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine

    async def ask(self, running: Running) -> Health:
        life = next(x for x in self._engine.lives if x.running.address == running.address)
        if life.ended is not None:
            return Health(False, False)
        name = self._engine.names.get(running.profile, running.profile)
        return Health(True, life.ready.is_set(), (name,))

    async def close(self) -> None:
        return


class House:
    """A supervisor over a scripted engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = ScriptedEngine()
        self.unusable: set[str] = set()
        self.away = False
        """Whether the engine cannot be used for now, as without Docker."""
        self.idle: int | None = None
        self.free: Memory = {}
        self.returned: list[Memory | None] = []
        self.store = Store()
        self.states: list[State] = []
        self.store.listen(self.states.append)
        self.log = Log()
        self.jobs = Jobs(folder / "jobs.jsonl")
        self.desk = Desk(profile_of=lambda name: name, want=self.want, residence=0.0)
        self.supervisor = self.new_supervisor()

    def new_supervisor(self) -> Supervisor:
        self.attendant = Attendant(
            desk=self.desk,
            store=self.store,
            log=self.log,
            jobs=self.jobs,
            health=ScriptedHealth(self.engine),
            free=lambda: self.free,
        )
        return Supervisor(self.attendant, self.prepare)

    async def adopt(self) -> None:
        """Take over what an earlier studio left."""
        main = Berth(self.store, self.desk, self.supervisor)
        berths = Berths(main, lambda _: main, self.folder / "beside.json", self.log)
        await berths.adopt({"scripted": self.engine})

    async def want(self, id_: str) -> None:
        await self.supervisor.wake(id_)

    async def prepare(self, id_: str, *, returns: Memory | None) -> Prepared:
        self.returned.append(returns)
        if self.away:
            raise Away("The engine cannot be used")
        if id_ in self.unusable:
            raise StudioError("The model file is not here", hint="Get it.")
        entry = Entry(id_, Path(f"{id_}.toml"), shipped=False)
        launch = Launch(entry, Files(Path("m.gguf")), {}, ())
        return Prepared(launch, self.engine, (id_,), self.idle)

    async def up(self, id_: str) -> Job:
        job = self.supervisor.switch(id_)
        assert job is not None
        return await self.jobs.ended(job)

    async def until(self, phase: Phase, profile: str | None = None) -> State:
        async with asyncio.timeout(10):
            state = self.store.state
            while state.phase is not phase or (profile and state.profile != profile):
                state = await self.store.changed(state.version, 5)
            return state

    @property
    def phases(self) -> list[Phase]:
        """The phases that were gone through, each once in a row."""
        return [phase for phase, _ in itertools.groupby(state.phase for state in self.states)]

    async def close(self) -> None:
        await self.supervisor.close()
        await self.jobs.close()
