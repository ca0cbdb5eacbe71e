"""What travels: the same shapes for the command line's --json, the API and the terminal UI."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProfileSummary(Wire):
    """A profile in a listing."""

    id: str
    name: str
    state: str
    """"available", "missing", "incomplete", "unusable", "template" or "broken"."""
    context: int | None
    """Tokens it would be served with on this machine."""
    fit: str | None
    """"one-gpu", "split", "experts-on-cpu", "layers-on-cpu", "cpu" or "too-big"."""
    badge: str
    """The fit in words for people."""
    speed: float | None
    """Tokens per second, as measured here; null until it was."""
    size: int | None
    """Bytes of the model file."""
    summary: str
    tags: list[str]
    repo: str | None
    file: str | None
    shipped: bool
    path: str
    problems: list[str]


class EngineStatus(Wire):
    kind: str
    instance: str
    detail: str
    address: str | None
    since: float
    adopted: bool
    command: list[str]


class FailureStatus(Wire):
    """Why it is not as wished, and what to do."""

    cause: str
    what: str
    why: str
    hint: str
    exit_code: int | None
    out_of_memory: bool
    last_lines: list[str]


class StudioStatus(Wire):
    pid: int
    version: str
    since: float


class Status(Wire):
    """What is served, and what is wished for."""

    state: str
    """"stopped", "starting", "loading", "ready", "draining", "stopping", "failed" or "asleep"."""
    profile: str | None
    desired: str | None
    engine: EngineStatus | None
    gateway: str
    api: str
    detail: str
    stage: str | None
    progress: float | None
    failure: FailureStatus | None
    since: float
    version: int
    running: int
    waiting: int
    studio: StudioStatus


class JobStatus(Wire):
    id: str
    kind: str
    title: str
    state: str
    started: float
    ended: float | None
    fraction: float | None
    message: str
    result: object
    error: str
    hint: str


class LogEntry(Wire):
    seq: int
    time: float
    source: str
    level: str
    text: str


class LogPage(Wire):
    lines: list[LogEntry]
    dropped: int
    last: int
