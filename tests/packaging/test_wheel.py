"""What is built holds what the program needs, and runs where nothing else of it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def _names(folder: str, pattern: str) -> set[str]:
    """The files of a folder of the checkout, as paths below it."""
    top = ROOT / folder
    return {str(path.relative_to(top)) for path in top.rglob(pattern) if path.is_file()}


def test_the_wheel_carries_everything(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    program = {f"llm_studio/{name}" for name in _names("app/llm_studio", "*.py")}
    assert {name for name in held if name.endswith(".py")} == program
    assert {f"llm_studio/{name}" for name in _names("app/llm_studio", "*.tcss")} <= held
    assert {f"llm_studio/models/demo/{name}" for name in ("script.toml", "template.jinja")} <= held
    assert {f"llm_studio/profiles/shipped/{name}" for name in _names("profiles", "*.toml")} <= held
    for name in _names("container", "*"):
        assert f"llm_studio/engines/images/container/{name}" in held
    assert "llm_studio/py.typed" in held
    (manual,) = [name for name in held if name.endswith("/share/man/man1/llm-studio.1")]
    assert zipfile.ZipFile(wheel).read(manual) == (ROOT / "docs/llm-studio.1").read_bytes()
    assert not [name for name in held if name.startswith("tests/") or "__pycache__" in name]


def test_the_source_builds_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    (packed,) = built.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", str(packed), "-C", str(tmp_path)], check=True)
    (source,) = tmp_path.iterdir()
    kept = ("README.md", "LICENSE", "CHANGELOG.md", "packaging/llm-studio.service")
    for name in (*kept, "screenshots/tour-dark.svg"):
        assert (source / name).is_file(), name
    assert not (source / "tests").exists()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "--directory", "out"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (again,) = (source / "out").glob("*.whl")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it depends on comes from the one of the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def _run(installed: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "LLM_STUDIO_HOME": str(home),
        "LLM_STUDIO_CACHES": "off", "LLM_STUDIO_API_PORT": "0", "LLM_STUDIO_GATEWAY_PORT": "0",
    }  # fmt: skip
    return subprocess.run(
        [str(installed / "bin" / "llm-studio"), *words],
        env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path) -> None:
    script = "import llm_studio, sys; sys.exit(llm_studio.__file__)"
    told = subprocess.run(
        [str(installed / "bin" / "python"), "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.stderr.startswith(str(installed))


def test_it_tells_its_version(installed: Path, tmp_path: Path) -> None:
    from llm_studio import __version__

    assert _run(installed, tmp_path, "--version").stdout == f"llm-studio {__version__}\n"


def test_the_shipped_profiles_are_found(installed: Path, tmp_path: Path) -> None:
    listed = _run(installed, tmp_path, "list", "--json")
    assert listed.returncode == 0, listed.stderr
    ids = {profile["id"] for profile in json.loads(listed.stdout)}
    assert {path.stem for path in (ROOT / "profiles").glob("*.toml")} - {"base"} <= ids


def test_the_doctor_looks_at_everything(installed: Path, tmp_path: Path) -> None:
    told = _run(installed, tmp_path, "doctor", "--json")
    assert told.returncode in (0, 1), told.stderr
    findings = {each["id"]: each for each in json.loads(told.stdout)["findings"]}
    assert "studio.profiles" in findings
    assert not [each for each in findings.values() if "Traceback" in str(each)]


def test_the_terminal_ui_says_that_there_is_no_terminal(installed: Path, tmp_path: Path) -> None:
    told = _run(installed, tmp_path, "ui")
    assert (told.returncode, told.stdout) == (2, "")
    assert "no terminal" in told.stderr
