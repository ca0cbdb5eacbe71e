"""One fault: what is changed on a healthy machine, and what has to be told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.probes.doctor.machine import Machine

from llm_studio.probes.doctor.finding import Severity

FAULT, WARNING = Severity.FAULT, Severity.WARNING


@dataclass(frozen=True)
class Case:
    """One broken machine."""

    id: str
    """Of the finding."""
    severity: Severity
    found: str
    """A part of what is told."""
    fix: str
    """One whole command, or parts of a long one (…); empty where no command can help."""
    change: Callable[[Machine], object]


CASES: list[Case] = []
Change = Callable[[Machine], object]


def case(id_: str, severity: Severity, found: str, fix: str = "") -> Callable[[Change], None]:
    """Enters the function below it, which breaks the machine, into the table."""

    def enter(change: Change) -> None:
        CASES.append(Case(id_, severity, found, fix, change))

    return enter
