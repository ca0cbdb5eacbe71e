"""`llm-studio doctor`: readable in 80 columns without colour, the same for programs as JSON."""

from __future__ import annotations

import re
import shlex
import socket
from contextlib import nullcontext

import pytest
from tests.cli.terminal import run_in_pipe, run_in_terminal
from tests.conftest import Home, Run
from tests.probes.doctor.case import CASES
from tests.probes.doctor.machine import Machine, gpu
from tests.probes.doctor.test_faults import CHECKS

from llm_studio.cli.doctor import told
from llm_studio.place import socket_path
from llm_studio.probes.doctor.examination import examine

MACHINE = "llm_studio.cli.doctor_system.this_system"


@pytest.fixture
def machine(home: Home, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(MACHINE, lambda: nullcontext(machine))
    return machine


def broken(machine: Machine) -> None:
    """A fault, a warning, and the longest commands there are."""
    machine.without("nvidia-ctk")
    machine.driver["gpus"] = [gpu("GeForce GTX 1080 Ti", (6, 1))]
    machine.without("/sys/bus/pci/devices/0000:05")
    machine.limited["files"] = 256


def test_a_healthy_machine(run: Run, machine: Machine) -> None:
    result = run("doctor")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "GPU"
    assert lines[1].startswith("  ok      GPU driver: NVIDIA 580.95.05, CUDA 13.0:")
    assert re.fullmatch(r"0 faults, 0 warnings, \d+ ok; looked at in \d\.\d s\.", lines[-1])
    assert "Faults" not in lines
    assert "\x1b" not in result.out


def test_a_broken_machine_is_explained_faults_first(run: Run, machine: Machine) -> None:
    broken(machine)
    result = run("doctor")
    assert result.code == 1
    lines = result.out.splitlines()
    faults, warnings = lines.index("Faults"), lines.index("Warnings")
    assert lines.index("Coding agents") < faults < warnings < len(lines) - 1
    text = "\n".join(lines[faults:warnings])
    assert "  NVIDIA Container Toolkit: the NVIDIA Container Toolkit is not installed\n" in text
    assert "    Without it containers see no GPU.\n" in text
    assert "    → sudo apt-get install -y nvidia-container-toolkit\n" in text
    assert "    → ulimit -n 4096" in "\n".join(lines[warnings:])
    assert lines[-1].startswith("3 faults, 1 warning,")


@pytest.mark.parametrize("width", [80, 60, 100])
def test_every_line_fits_and_every_command_can_be_pasted(width: int) -> None:
    for case in CASES:
        machine = Machine()
        case.change(machine)
        check = next(c for id_, c in CHECKS.items() if case.id.startswith(id_))
        results = examine(machine, [check])
        lines = list(told(results, 1.0, width=width))
        # A word that is longer than the line (an address, a quoted script) is not torn apart.
        assert not [
            line
            for line in lines
            if len(line) > width and max(map(len, re.split(r" +", line))) < width - 12
            and "'" not in line
        ]  # fmt: skip
        commands = _commands(lines)
        wanted = [shlex.split(c) for result in results for c in result.finding.fix]
        assert [shlex.split(command) for command in commands] == wanted


def _commands(lines: list[str]) -> list[str]:
    """What somebody who copies a command, line by line, gives to the shell."""
    commands: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on:
            commands[-1] += line.strip().removesuffix("\\")
        elif line.startswith("    → "):
            commands.append(line.removeprefix("    → ").removesuffix("\\"))
        goes_on = line.endswith("\\") and (goes_on or line.startswith("    → "))
    return commands


def test_json_for_programs(run: Run, machine: Machine) -> None:
    broken(machine)
    result = run("doctor", "--json")
    assert result.code == 1
    assert result.err == ""
    answer = result.json
    assert set(answer) == {"version", "seconds", "faults", "warnings", "findings"}
    assert answer["faults"] == 3
    by_id = {finding["id"]: finding for finding in answer["findings"]}
    found = by_id["docker.toolkit"]
    assert set(found) == {"id", "group", "title", "severity", "found", "why", "fix", "advice"}
    assert found["severity"] == "fault"
    assert found["fix"][-2:] == [
        "sudo nvidia-ctk runtime configure --runtime=docker",
        "sudo systemctl restart docker",
    ]
    assert by_id["gpu.driver"] | {"found": ""} == {
        "id": "gpu.driver", "group": "GPU", "title": "GPU driver", "severity": "ok", "found": "",
        "why": "", "fix": [], "advice": "",
    }  # fmt: skip


def test_only_some_checks(run: Run, machine: Machine) -> None:
    machine.docker.inspected = None
    answer = run("doctor", "docker.im", "terminal", "--json").json
    assert [finding["id"] for finding in answer["findings"]] == ["docker.image", "terminal"]


def test_a_check_that_is_not_there(run: Run, machine: Machine) -> None:
    result = run("doctor", "dokcer")
    assert result.code == 4
    assert "There is no check 'dokcer'" in result.err
    assert "docker.daemon" in result.err


def test_settings_that_cannot_be_read_are_a_finding(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other command ends there; this one says what is wrong and goes on."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    home.root.mkdir()
    home.config.write_text("models = 5\n")
    result = run("doctor", "studio", "--json")
    assert result.code == 1
    (found,) = [f for f in result.json["findings"] if f["id"] == "studio.settings"]
    assert found["severity"] == "fault"
    assert found["fix"] == [f"${{EDITOR:-nano}} {home.config}"]


def test_a_studio_that_died(run: Run, home: Home) -> None:
    """Its socket is there, and nobody behind it."""
    home.state.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(home.state)))
    (found,) = run("doctor", "studio.running", "--json").json["findings"]
    assert found["severity"] == "warning"
    assert found["fix"] == ["llm-studio status"]


def test_on_this_machine_in_a_pipe_and_in_a_terminal(home: Home) -> None:
    piped = run_in_pipe("doctor", HF_ENDPOINT="http://127.0.0.1:9")
    assert piped.returncode in (0, 1)
    assert b"Traceback" not in piped.stdout + piped.stderr
    assert b"\x1b" not in piped.stdout
    assert piped.stderr.decode() == "Looking at this machine …\n"
    code, shown = run_in_terminal(
        "doctor", "machine", "terminal", environment={"HF_ENDPOINT": "http://127.0.0.1:9"}
    )
    assert code == 0
    assert "80x24" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line) for line in plain.splitlines()) <= 80


def test_nothing_is_written_by_looking(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    before = sorted(home.root.parent.rglob("*"))
    run("doctor")
    assert sorted(home.root.parent.rglob("*")) == before
