"""Each fault: a healthy machine, one thing changed; what is found, how grave, and the very command
that mends it on that system."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from tests.probes.doctor.case import CASES, FAULT, WARNING, Case
from tests.probes.doctor.machine import Machine

from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.finding import Severity
from llm_studio.probes.doctor.system import Model
from llm_studio.settings import load_settings

for _module in ("gpu", "machine", "docker", "programs", "around", "python"):
    import_module(f"tests.probes.doctor.faults_{_module}")
CHECKS = {check.id: check for check in all_checks()}
SOURCE = re.compile(
    r"cmake|setup\.py|nvcc|git clone|--no-binary|--no-build-isolation", re.IGNORECASE
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}: {case.found[:40]}")
def test_a_fault_is_found_and_mended(case: Case) -> None:
    machine = Machine()
    case.change(machine)
    results = examine(machine)
    of_its_check = [result for result in results if case.id.startswith(result.check.id)]
    finding = next(
        (
            result.finding
            for result in of_its_check
            if result.id == case.id and case.found in result.finding.found
        ),
        None,
    )
    assert finding, of_its_check
    assert finding.severity is case.severity
    assert finding.why
    assert finding.fix or finding.advice
    parts = case.fix.split("…")
    assert not case.fix or any(
        command == case.fix or (len(parts) > 1 and all(part in command for part in parts))
        for command in finding.fix
    ), finding.fix
    commands = [command for result in results for command in result.finding.fix]
    assert not [command for command in commands if SOURCE.search(command) or "\n" in command]
    assert not [each for each in results if "could not be checked" in each.finding.found]


def test_every_check_has_a_healthy_and_a_broken_case() -> None:
    healthy = {result.check.id for result in examine(Machine())}
    broken = {
        check.id
        for check in CHECKS.values()
        for case in CASES
        if case.id == check.id or case.id.startswith(f"{check.id}.")
    }
    by_real_files = {"studio.profiles"}
    assert healthy == set(CHECKS)
    assert broken | by_real_files == set(CHECKS)
    assert len(CASES) > 150


# The user's own profiles are read from the disk, so a real folder stands in.


def own(machine: Machine, home: Path, id_: str, text: str) -> None:
    machine.settings = load_settings({"LLM_STUDIO_HOME": str(home), "LLM_STUDIO_MODELS": "/models"})
    folder = home / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{id_}.toml").write_text(text)


def test_a_broken_profile_is_named_with_its_line(tmp_path: Path) -> None:
    machine = Machine()
    own(
        machine,
        tmp_path,
        "mine",
        'name = "Mine"\n[model]\nfile = "x.gguf"\n[server]\ncontexxt = 5\n',
    )
    (result,) = examine(machine, [CHECKS["studio.profiles"]])
    assert result.id == "studio.profiles.broken"
    assert result.finding.severity is FAULT
    assert "mine.toml:5" in result.finding.found
    assert result.finding.fix == ("llm-studio edit mine",)


def test_many_broken_profiles_are_counted(tmp_path: Path) -> None:
    machine = Machine()
    for number in range(8):
        own(machine, tmp_path, f"broken{number}", "[")
    results = examine(machine, [CHECKS["studio.profiles"]])
    assert len(results) == 6
    assert results[-1].finding.fix == ("llm-studio check",)


def test_locked_memory_matters_to_who_locks_it(tmp_path: Path) -> None:
    machine = Machine()
    text = 'name = "Mine"\n[model]\nfile = "x.gguf"\n[server]\nload_mode = "mmap+mlock"\n'
    own(machine, tmp_path, "locked", text)
    machine.limited["locked"] = 8 << 20
    (result,) = examine(machine, [CHECKS["machine.limits"]])
    assert result.id == "machine.limits.locked"
    assert result.finding.severity is WARNING
    assert result.finding.fix == ("ulimit -l unlimited",)
    machine.limited["locked"] = None
    (result,) = examine(machine, [CHECKS["machine.limits"]])
    assert result.finding.severity is Severity.OK


def test_a_file_outside_the_first_folder_counts() -> None:
    machine = Machine()
    machine.model_files = [Model("small.gguf", Path("/models/small.gguf"), 1000)]
    (result,) = examine(machine, [CHECKS["models.speed"]])
    assert result.finding.severity is Severity.OK
    assert "not measured" in result.finding.found
