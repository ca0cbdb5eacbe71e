"""The narrow edge between the checks and the machine: everything they may ask, each bounded in time
and in size. Tests put recorded answers in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from llm_studio.errors import StudioError
from llm_studio.settings import Settings


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int | None
    """None where it was not there, could not be started, or took too long."""
    out: str = ""
    trouble: Literal["", "missing", "denied", "slow"] = ""


@dataclass(frozen=True, slots=True)
class Space:
    """A file system, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory, in bytes."""

    total: int
    available: int
    swap_total: int = 0
    swap_free: int = 0


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a file was read, and how that was measured."""

    bytes: int
    seconds: float
    how: str

    @property
    def rate(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Port:
    """Whether a port of an address can be had; if not, who has it, where that is told."""

    state: Literal["free", "taken", "denied", "elsewhere"]
    """`elsewhere`: this machine has no such address."""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server on the network answered, or why it did not."""

    status: int | None
    trouble: Literal["", "name", "refused", "slow", "certificate", "proxy", "other"] = ""
    told: str = ""
    seconds: float = 0.0
    clock: float | None = None
    """How many seconds this machine's clock is ahead of the server's."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the terminal is, by its own answers; None where it was not, or could not be, asked."""

    columns: int
    rows: int
    answered: bool | None = None
    synchronized: bool | None = None
    mouse: bool | None = None
    unicode: bool | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A model file of this user."""

    name: str
    path: Path
    size: int


class Docker(Protocol):
    """The daemon that the engine `docker` would use. Failures are `StudioError`."""

    def endpoint(self) -> str: ...

    def info(self) -> Mapping[str, Any]: ...

    def version(self) -> Mapping[str, Any]: ...

    def image(self) -> tuple[str, Mapping[str, Any] | None]:
        """The name of the image that engines start from, and its description; None if it is not
        on this machine."""
        ...

    def devices(self) -> str:
        """What llama-server in a throw-away container of it, with all GPUs, lists as devices."""
        ...


class System(Protocol):
    """One machine, as one user sees it."""

    platform: str
    """`linux` or `darwin`."""
    machine: str
    """Its processor, like x86_64."""
    home: Path
    folder: Path
    """Where the user is."""
    user: str
    settings: Settings
    settings_trouble: StudioError | None
    """Why the user's own settings cannot be used (and `settings` are the defaults)."""

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def docker(self) -> Docker: ...

    def run(self, *command: str, limit: float = 5.0) -> Ran:
        """What a command prints, on both channels; the same one is run only once."""
        ...

    def which(self, name: str) -> str | None: ...

    def read(self, path: str | Path) -> str:
        """The beginning of a file, made safe. Raises OSError."""
        ...

    def names(self, folder: str | Path) -> Sequence[str]:
        """What is in a folder. Raises OSError."""
        ...

    def link(self, path: str | Path) -> str:
        """Where a link leads. Raises OSError."""
        ...

    def mode(self, path: str | Path) -> int:
        """The file's type and rights. Raises OSError."""
        ...

    def may(self, path: str | Path, *, write: bool = False) -> bool:
        """Whether this user may read (and write) a file, or enter (and change) a folder."""
        ...

    def space(self, path: Path) -> Space: ...

    def speed(self, path: Path) -> Speed:
        """How fast a part of a file comes from its disk. Raises OSError."""
        ...

    def models(self) -> Sequence[Model]:
        """Model files in the user's own folders."""
        ...

    def memory(self) -> Memory: ...

    def limits(self) -> Mapping[str, int | None]:
        """What this process may at most use: files, locked (bytes), address_space (bytes),
        processes. None is no limit."""
        ...

    def port(self, host: str, number: int) -> Port: ...

    def ask(self, url: str) -> Answer: ...

    def terminal(self) -> Terminal | None:
        """None where the output goes to no terminal."""
        ...

    def studio(self) -> Mapping[str, Any] | None:
        """The status that the running studio tells; None if none runs. Raises StudioError."""
        ...


def first_line(system: System, path: str | Path) -> str:
    """The first line of a small file; nothing where there is none."""
    try:
        return system.read(path).partition("\n")[0].strip()
    except OSError:
        return ""


def exists(system: System, path: str | Path) -> bool:
    try:
        system.mode(path)
    except OSError:
        return False
    return True
