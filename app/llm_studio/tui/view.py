"""What the panes see: one immutable value, replaced as a whole whenever the studio tells news.

Plain classes with the fields of the wire schema that the UI reads: the schema itself would cost
a third of the start. A test holds the two together. For the same reason they have no slots (each
class would be made twice) and each has a docstring (else one is made of its signature).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

BUSY = ("starting", "loading", "draining", "stopping")


class Told:
    """Something read off the wire; what this UI does not know of is left out."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        known = (each.name for each in fields(cls))  # type: ignore[arg-type]
        return cls(**{name: data[name] for name in known if name in data})


@dataclass(frozen=True)
class Failure(Told):
    """Why something does not serve, and what to do."""

    cause: str
    what: str
    why: str
    hint: str
    last_lines: list[str]


@dataclass(frozen=True)
class Engine(Told):
    """What runs the model."""

    kind: str
    detail: str
    since: float
    adopted: bool


@dataclass(frozen=True)
class Serving(Told):
    """One engine: what it serves, or is to serve."""

    state: str
    profile: str | None
    desired: str | None
    engine: Engine | None
    detail: str
    stage: str | None
    progress: float | None
    failure: Failure | None
    since: float
    running: int
    waiting: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        engine, failure = data["engine"], data["failure"]
        nested: dict[str, Any] = {
            "engine": Engine.of(engine) if engine else None,
            "failure": Failure.of(failure) if failure else None,
        }
        return super().of({**data, **nested})

    @property
    def called(self) -> str:
        """The word for its state: one that somebody paused did not fail."""
        paused = self.failure is not None and self.failure.cause == "paused"
        return "paused" if paused and self.state == "failed" else self.state

    @property
    def busy(self) -> bool:
        """Whether it is on its way to another state."""
        return self.state in BUSY

    @property
    def up(self) -> bool:
        """Whether there is something that could be stopped."""
        return self.state != "stopped" and self.profile is not None

    @property
    def goes_on(self) -> bool:
        """Whether it serves, or soon will, when nobody looks; what failed does not."""
        return (
            self.up
            and self.state != "stopping"
            and (self.state != "failed" or self.engine is not None)
        )


@dataclass(frozen=True)
class Status(Serving):
    """The main engine, those beside it, and where they are reached."""

    gateway: str
    api: str
    studio: Mapping[str, Any]
    beside: tuple[Serving, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        beside = tuple(Serving.of(each) for each in data.get("beside", ()))
        return super().of({**data, "beside": beside})

    @property
    def born(self) -> float:
        """When this studio started; another one counts its log anew."""
        return float(self.studio["since"])

    @property
    def all(self) -> tuple[Serving, ...]:
        return (self, *self.beside)


@dataclass(frozen=True)
class Profile(Told):
    """A profile as the listing tells of it."""

    id: str
    name: str
    state: str
    context: int | None
    fit: str | None
    badge: str
    speed: float | None
    size: int | None
    summary: str
    tags: list[str]
    repo: str | None
    file: str | None
    shipped: bool
    path: str
    problems: list[str]
    parameters: str | None = None
    quantisation: str | None = None


@dataclass(frozen=True)
class Job(Told):
    """Something long, and how far it is."""

    id: str
    kind: str
    title: str
    state: str
    fraction: float | None
    message: str
    error: str
    hint: str
    ended: float | None = None


@dataclass(frozen=True)
class ModelFile(Told):
    """A model file that no profile names."""

    name: str
    size: int
    place: str
    quantisation: str | None
    parameters: str | None
    problem: str
    path: str = ""

    @property
    def folder(self) -> str:
        """Where it lies, in a word: a folder's name, or the program whose cache it is in."""
        parts = self.path.split("/")
        return parts[-2] if self.place == "folder" and len(parts) > 1 else self.place


@dataclass(frozen=True)
class Gauge:
    """The memory of one GPU, in bytes."""

    name: str
    used: int
    total: int


@dataclass(frozen=True)
class Pulse:
    """The latest readings; None where there is none."""

    speed: float | None = None
    """Tokens per second, now."""
    context: float | None = None
    """How full the fullest slot's context is, from 0 to 1."""
    gpus: tuple[Gauge, ...] | None = None

    @classmethod
    def of(cls, sample: Mapping[str, Any]) -> Self:
        """What the header shows of a sample."""
        engine = sample.get("engine") or {}
        used, fits = engine.get("context_used"), engine.get("context")
        gpus = sample["gpus"]
        known = [gpu for gpu in gpus if gpu["memory_total"] and gpu["memory_used"] is not None]
        return cls(
            engine.get("speed"),
            used / fits if used is not None and fits else None,
            tuple(Gauge(gpu["id"], gpu["memory_used"], gpu["memory_total"]) for gpu in known)
            if known or not gpus
            else None,
        )


@dataclass(frozen=True)
class View:
    """Everything that is known, and whether it still holds."""

    link: Literal["connecting", "live", "stale", "ended"] = "connecting"
    since: float = 0.0
    """When the link became so, in seconds since the epoch."""
    trouble: str = ""
    status: Status | None = None
    profiles: tuple[Profile, ...] | None = None
    files: tuple[ModelFile, ...] = ()
    jobs: tuple[Job, ...] = ()
    """Those that run."""
    sample: Mapping[str, Any] | None = None
    """The latest readings, as the wire's `Sample` has them."""
    mark: Mapping[str, Any] | None = None
    """What happened last that is marked beside the curves, as the wire's `Mark` has it."""

    @property
    def live(self) -> bool:
        return self.link == "live"

    @property
    def pulse(self) -> Pulse:
        return Pulse.of(self.sample) if self.sample and self.live else Pulse()

    @property
    def shown_profiles(self) -> tuple[Profile, ...]:
        """The profiles, each that is served with the state that it is in now."""
        return tuple(map(self._as_it_is, self.profiles or ()))

    def profile(self, id_: str) -> Profile | None:
        """One of the profiles, as it is now."""
        found = next((each for each in self.profiles or () if each.id == id_), None)
        return self._as_it_is(found) if found else None

    def _as_it_is(self, profile: Profile) -> Profile:
        for each in self.status.all if self.status else ():
            if each.up and each.profile == profile.id:
                return replace(profile, state=each.called)
        return profile

    @property
    def running(self) -> int:
        """Requests that engines work on now."""
        return sum(each.running for each in self.status.all) if self.status else 0

    def job(self, kind: str) -> Job | None:
        return next((job for job in reversed(self.jobs) if job.kind == kind), None)
