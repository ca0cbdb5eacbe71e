"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_studio.probes.doctor.system import System


class Severity(StrEnum):
    """A fault keeps something from working; a warning makes it slow, unsafe or surprising."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found; if it is not as it should be, why that matters and what mends it here."""

    severity: Severity
    found: str
    why: str = ""
    fix: tuple[str, ...] = ()
    """Commands for this system, one a line, to be run in this order."""
    advice: str = ""
    """What no command can do, or has to be done after them."""
    part: str = ""
    """Tells several findings of one check apart: a stable word behind the check's id."""


def ok(found: str, advice: str = "") -> Finding:
    return Finding(Severity.OK, found, advice=advice)


def warning(
    found: str, why: str, fix: Iterable[str] = (), advice: str = "", *, part: str = ""
) -> Finding:
    return Finding(Severity.WARNING, found, why, tuple(fix), advice, part)


def fault(
    found: str, why: str, fix: Iterable[str] = (), advice: str = "", *, part: str = ""
) -> Finding:
    return Finding(Severity.FAULT, found, why, tuple(fix), advice, part)


class Group(StrEnum):
    """The way from the hardware to the user, in this order."""

    GPU = "GPU"
    MACHINE = "Machine"
    MODELS = "Models and disks"
    DOCKER = "Docker"
    ENGINES = "Engines"
    STUDIO = "llm-studio"
    NETWORK = "Network and clock"
    TERMINAL = "Terminal"
    AGENTS = "Coding agents"
    PYTHON = "Python environments"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` may fail in any way: that is a finding too."""

    id: str
    title: str
    group: Group
    place: int
    """Where in its group: what others build on comes first."""
    look: Callable[[System], Iterable[Finding]]
    limit: float = 10.0
    """Seconds after which it is given up."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding, and the check that made it."""

    check: Check
    finding: Finding

    @property
    def id(self) -> str:
        part = self.finding.part
        return f"{self.check.id}.{part}" if part else self.check.id
