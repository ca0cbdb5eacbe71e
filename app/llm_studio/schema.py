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


class ServingStatus(Wire):
    """One engine: what is served by it, and what is wished for."""

    state: str
    """"stopped", "starting", "loading", "ready", "draining", "stopping", "failed" or "asleep"."""
    profile: str | None
    desired: str | None
    engine: EngineStatus | None
    detail: str
    stage: str | None
    progress: float | None
    failure: FailureStatus | None
    since: float
    running: int
    waiting: int


class Status(ServingStatus):
    """The main engine, those beside it, and the studio."""

    gateway: str
    api: str
    version: int
    """Counts the changes."""
    beside: list[ServingStatus]
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


class ImageFinding(Wire):
    """One thing that an image was tested for."""

    step: str
    passed: bool
    told: str


class ImageCheck(Wire):
    """How the acceptance test of an image went."""

    passed: bool
    at: float
    version: str
    model: str
    """What it was tested with; speeds of different models cannot be compared."""
    findings: list[ImageFinding]
    prompt_speed: float | None = None
    speed: float | None = None
    """Tokens per second, as the engine measured them."""


class ImageStatus(Wire):
    """A container image of llama.cpp."""

    id: str
    name: str
    tags: list[str]
    digest: str | None
    size: int | None
    created: str
    revision: str | None
    """Of llama.cpp, if the image tells."""
    origin: str
    """"pulled", "built", or "found" on this machine."""
    state: str
    """"in use", "before" (what `rollback` goes back to), "here", or "gone" from Docker."""
    check: ImageCheck | None


class ImageListing(Wire):
    images: list[ImageStatus]
    engine: str
    """What the next engine is started with, unless its profile names another."""
    engine_why: str
    recommended: str | None
    """What fits this machine; null where nothing official does."""
    recommended_why: str
