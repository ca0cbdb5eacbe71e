"""What an agent is to llm-studio: how it is found, configured without touching the user's own
settings, launched and tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MODEL = "llm-studio"
"""What agents call the model that is served, whichever it is: a profile's id would make the gateway
switch back to that profile after somebody switched to another."""

Dialect = Literal["anthropic", "responses", "chat", ""]


@dataclass(frozen=True, slots=True)
class Seat:
    """A place at the model that is served: what an agent has to know of it."""

    gateway: str
    key: str
    profile: str
    context: int
    """Tokens of one slot."""
    slots: int = 1
    small: str = MODEL
    """The model for small tasks: a second profile's id where two are served."""
    others: tuple[tuple[str, str], ...] = ()
    """Profiles that the agent may switch to by their id: (id, name)."""

    @property
    def output(self) -> int:
        """The longest answer that leaves room for what is asked."""
        return min(8192, self.context // 8)

    @property
    def openai(self) -> str:
        return f"{self.gateway}/v1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent works, and whether it is fenced in."""

    folder: Path
    """Its own, for what it keeps from session to session."""
    session: Path
    """For this session alone; thrown away after it."""
    project: Path
    jailed: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """How an agent is made to work here: nothing of it touches what the user has."""

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    """Before those of the user."""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Written anew for each session."""
    once: Mapping[Path, str] = field(default_factory=dict)
    """Written where there is none yet; the agent keeps its state in them."""
    own_sandbox: bool = False
    """Whether the agent's own sandbox is switched on by this."""
    steps: str = ""
    """What a person does, for agents that are not launched from here."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One coding agent."""

    id: str
    title: str
    install: str
    """The command that installs it, or where it is had."""
    command: str = ""
    """The program; empty for those that live in an editor."""
    dialect: Dialect = ""
    """The API that it speaks; empty where it cannot use a local model."""
    tested: str = ""
    """The version that really ran; empty where only what is written for it was looked at."""
    oldest: tuple[int, ...] = ()
    least_context: int = 16384
    """Below this its first request leaves no room to work in."""
    tools: bool = True
    """Whether it works by tools that the model calls."""
    note: str = ""
    configure: Callable[[Seat, Place], Setup] | None = None
    resume: str = ""
    """The command that takes up a session again; what the agent itself says would leave here."""
    refused: tuple[str, ...] = ()
    """Arguments of the agent that would undo what `configure` does."""

    @property
    def possible(self) -> bool:
        return self.configure is not None

    @property
    def launched(self) -> bool:
        """Whether it is launched from here; else it lives in an editor."""
        return self.possible and bool(self.command)

    @property
    def own_sandbox(self) -> bool:
        """Whether it has one of its own, for where there is no fence."""
        if self.configure is None:
            return False
        nowhere = Path("/nonexistent")
        seat = Seat("http://127.0.0.1:0", "", "", self.least_context)
        return self.configure(seat, Place(nowhere, nowhere, nowhere)).own_sandbox
