"""Finds the checks, and lets them look at the machine all at once."""

from __future__ import annotations

import pkgutil
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module

from llm_studio.errors import StudioError
from llm_studio.probes.doctor import checks
from llm_studio.probes.doctor.finding import Check, Finding, Group, Result, warning
from llm_studio.probes.doctor.system import System
from llm_studio.text import untrusted_line


def all_checks() -> tuple[Check, ...]:
    """Every `CHECK` of the modules in the folder `checks`, on the way from hardware to user."""
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    found: list[Check] = [import_module(f"{checks.__name__}.{name}").CHECK for name in names]
    order = list(Group)
    return tuple(sorted(found, key=lambda check: (order.index(check.group), check.place, check.id)))


def examine(system: System, wanted: Iterable[Check] | None = None) -> tuple[Result, ...]:
    """What the checks find, in their order. None outlives its limit, and none can fail."""
    chosen = tuple(all_checks() if wanted is None else wanted)
    answers: queue.SimpleQueue[tuple[Check, Sequence[Finding]]] = queue.SimpleQueue()
    begun = time.monotonic()
    for check in chosen:
        # No pool: it would wait, at the program's end, for one that hangs in a driver.
        threading.Thread(
            target=lambda check=check: answers.put((check, _look(check, system))),
            name=f"doctor {check.id}",
            daemon=True,
        ).start()
    found: dict[str, Sequence[Finding]] = {}
    for check in sorted(chosen, key=lambda check: check.limit):
        while check.id not in found:
            left = begun + check.limit - time.monotonic()
            try:
                answered, findings = answers.get(timeout=max(left, 0.001))
            except queue.Empty:
                found[check.id] = (_unknown(f"it took longer than {check.limit:g} s"),)
            else:
                found.setdefault(answered.id, findings)
    return tuple(Result(check, finding) for check in chosen for finding in found[check.id])


def _look(check: Check, system: System) -> Sequence[Finding]:
    try:
        found = tuple(check.look(system)) or (_unknown("it told nothing"),)
    except StudioError as error:
        found = (_unknown(error.sentence),)
    except Exception as error:  # a machine can be odd in ways that nobody has foreseen
        found = (_unknown(f"{type(error).__name__}: {error}"),)
    return tuple(map(_safe, found))


def _safe(finding: Finding) -> Finding:
    """The one gate for what drivers, programs, images and files say of themselves."""
    return replace(
        finding,
        found=untrusted_line(finding.found, limit=600),
        why=untrusted_line(finding.why, limit=600),
        fix=tuple(untrusted_line(command, limit=1000) for command in finding.fix),
        advice=untrusted_line(finding.advice, limit=600),
    )


def _unknown(why: str) -> Finding:
    return warning(
        f"could not be checked: {why}",
        "Whether this is in order is not known.",
        advice="If it stays so, `llm-studio report` writes what is needed for a bug report.",
    )
