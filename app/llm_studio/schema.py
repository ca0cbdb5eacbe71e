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
