"""The checks are found by themselves, look all at once, and none can fail or be waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from tests.probes.doctor.machine import Machine

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.finding import Check, Finding, Group, Severity, ok, warning
from llm_studio.probes.doctor.system import System


def check(look: object, id_: str = "a", limit: float = 5.0) -> Check:
    return Check(id_, "A", Group.GPU, 1, look, limit)  # type: ignore[arg-type]


def test_every_check_is_found_once_and_in_order() -> None:
    checks = all_checks()
    ids = [each.id for each in checks]
    assert len(ids) == len(set(ids)) >= 25
    groups = [list(Group).index(each.group) for each in checks]
    assert groups == sorted(groups)
    assert set(groups) == set(range(len(Group)))
    assert ids[0] == "gpu.driver"


def test_a_check_that_fails_is_a_finding() -> None:
    def fails(system: System) -> Iterator[Finding]:
        yield ok("so far")
        raise ZeroDivisionError("oh\x1b[2J")

    def told(system: System) -> Iterator[Finding]:
        raise StudioError("It cannot be", why="Because.")

    (first, second) = examine(Machine(), [check(fails, "a"), check(told, "b")])
    assert first.finding.severity is second.finding.severity is Severity.WARNING
    assert first.finding.found == "could not be checked: ZeroDivisionError: oh␛[2J"
    assert second.finding.found == "could not be checked: It cannot be. Because."


def test_a_check_that_tells_nothing_is_a_finding() -> None:
    (result,) = examine(Machine(), [check(lambda system: [])])
    assert result.finding.found == "could not be checked: it told nothing"


def test_a_check_that_hangs_is_given_up_and_holds_up_no_other() -> None:
    for_ever = threading.Event()

    def hangs(system: System) -> list[Finding]:
        for_ever.wait()
        return []

    begun = time.monotonic()
    results = examine(Machine(), [check(hangs, "a", 0.2), check(lambda system: [ok("fine")], "b")])
    assert time.monotonic() - begun < 3
    for_ever.set()
    assert [result.finding.found for result in results] == [
        "could not be checked: it took longer than 0.2 s",
        "fine",
    ]


def test_checks_look_at_the_same_time() -> None:
    """Each waits for all the others; one after the other, none would come."""
    together = threading.Barrier(6)

    def meets(system: System) -> list[Finding]:
        together.wait(5)
        return [ok("met")]

    results = examine(Machine(), [check(meets, str(number)) for number in range(6)])
    assert [result.finding.found for result in results] == ["met"] * 6


def test_parts_have_ids_of_their_own() -> None:
    (result,) = examine(Machine(), [check(lambda system: [warning("x", "y", part="disk")])])
    assert result.id == "a.disk"
