"""The files that make the studio a service: the init systems take them, and they keep promises."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from llm_studio.errors import NotReady

FOLDER = Path(__file__).parents[2] / "packaging"
UNIT = FOLDER / "llm-studio.service"


def _unit() -> ConfigParser:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit


def test_the_unit_starts_the_studio_and_leaves_the_model() -> None:
    service = _unit()["Service"]
    assert service["ExecStart"].split()[1:] == ["serve"]
    assert service["KillMode"] == "process"
    assert int(service["RestartPreventExitStatus"]) == NotReady.exit_code


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("%h/.local/bin/llm-studio", sys.executable))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(copy)],
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")


def test_launchd_starts_the_studio_and_leaves_the_model() -> None:
    agent = plistlib.loads((FOLDER / "llm-studio.plist").read_bytes())
    assert agent["ProgramArguments"][-1].endswith('llm-studio" serve')
    assert agent["AbandonProcessGroup"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Label"] == "llm-studio"
