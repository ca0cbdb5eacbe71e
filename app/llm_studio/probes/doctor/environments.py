"""Python environments of this user, and what is installed in them: read from their files, for to
import a package is to run it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_studio.probes.doctor.system import System, exists

MOST = 60
"""Environments that are looked at; who has more knows which one matters."""


@dataclass(frozen=True, slots=True)
class Package:
    """One distribution, by its metadata."""

    name: str
    version: str
    site: Path
    info: str

    @property
    def base(self) -> str:
        """`2.6.0` of `2.6.0+cu124`."""
        return self.version.partition("+")[0]

    @property
    def local(self) -> str:
        return self.version.partition("+")[2]


@dataclass(frozen=True, slots=True)
class Environment:
    """One place where Python packages are installed."""

    prefix: Path
    kind: str
    """`active`, `project`, `user`, `system`, `conda`, `pyenv`, `uv tool`, `pipx`, `venv`"""
    uv: bool = False
    packages: Mapping[str, Package] = field(default_factory=dict)

    @property
    def matters(self) -> bool:
        """Whether it is the one that a program started here would run in."""
        return self.kind in ("active", "project")

    @property
    def told(self) -> str:
        return f"{self.prefix} ({self.kind})"

    def install(self, words: str) -> str:
        """The command that installs these into it."""
        if self.kind in ("system", "user"):
            return f"python3 -m venv ~/.venv && ~/.venv/bin/pip install {words}"
        if self.uv:
            return f"uv pip install --python {shlex.quote(str(self.prefix))} --reinstall {words}"
        python = shlex.quote(str(self.prefix / "bin" / "python"))
        return f"{python} -m pip install --force-reinstall {words}"

    def uninstall(self, words: str) -> str:
        if self.uv:
            return f"uv pip uninstall --python {shlex.quote(str(self.prefix))} {words}"
        python = "python3" if self.kind in ("system", "user") else str(self.prefix / "bin/python")
        return f"{shlex.quote(python)} -m pip uninstall -y {words}"


def environments(system: System) -> tuple[Environment, ...]:
    """Every environment that has packages, the ones that matter first, none twice."""
    found: dict[Path, Environment] = {}
    for prefix, kind in _candidates(system):
        if prefix in found or len(found) >= MOST:
            continue
        packages: dict[str, Package] = {}
        for site in _sites(system, prefix, kind):
            for name, package in _packages(system, site).items():
                packages.setdefault(name, package)
        if packages:
            found[prefix] = Environment(prefix, kind, _made_by_uv(system, prefix), packages)
    return tuple(found.values())


def _candidates(system: System) -> Iterator[tuple[Path, str]]:
    environment, home = system.environment, system.home
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        active = environment.get(variable, "")
        if active.startswith("/"):
            yield Path(active), "active"
    for folder in (system.folder, *system.folder.parents):
        for name in (".venv", "venv"):
            if exists(system, folder / name / "pyvenv.cfg"):
                yield folder / name, "project"
        if folder == home or exists(system, folder / ".git"):
            break
    yield home / ".venv", "venv"
    yield home / "venv", "venv"
    tools = Path(environment.get("UV_TOOL_DIR") or home / ".local/share/uv/tools")
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    for root, kind in (
        (home / ".virtualenvs", "venv"),
        (tools, "uv tool"),
        (home / ".local/share/pipx/venvs", "pipx"),
        (home / ".local/pipx/venvs", "pipx"),
        (pyenv, "pyenv"),
    ):
        for name in _names(system, root):
            yield root / name, kind
            if kind == "pyenv":
                for inner in _names(system, root / name / "envs"):
                    yield root / name / "envs" / inner, "pyenv"
    yield from _conda(system)
    yield home / ".local", "user"
    yield Path("/usr/local"), "system"
    yield Path("/usr"), "system"


def _conda(system: System) -> Iterator[tuple[Path, str]]:
    try:  # conda's own list of all that it has made
        lines = system.read(system.home / ".conda/environments.txt").splitlines()
    except OSError:
        lines = []
    yield from ((Path(line.strip()), "conda") for line in lines if line.startswith("/"))
    names = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")
    for root in (*(system.home / name for name in names), Path("/opt/conda")):
        yield root, "conda"
        for name in _names(system, root / "envs"):
            yield root / "envs" / name, "conda"


def _sites(system: System, prefix: Path, kind: str) -> Iterator[Path]:
    for library in ("lib", "lib64"):
        for name in _names(system, prefix / library):
            if re.fullmatch(r"python3(\.\d+)?t?", name):
                yield prefix / library / name / "site-packages"
                if kind == "system":
                    yield prefix / library / name / "dist-packages"


_INFO = re.compile(r"([A-Za-z0-9][\w.]*?)-(\d[^-]*?)(?:-py\d[\d.]*)?\.(?:dist|egg)-info")


def _packages(system: System, site: Path) -> dict[str, Package]:
    found = {}
    for name in _names(system, site):
        match = _INFO.fullmatch(name)
        if match:
            key = re.sub(r"[-_.]+", "-", match[1]).lower()
            found[key] = Package(key, match[2], site, name)
    return found


def _made_by_uv(system: System, prefix: Path) -> bool:
    try:
        return bool(re.search(r"^uv\s*=", system.read(prefix / "pyvenv.cfg"), re.MULTILINE))
    except OSError:
        return False


def _names(system: System, folder: Path) -> list[str]:
    try:
        return list(system.names(folder))
    except OSError:
        return []


def metadata(system: System, package: Package, file: str = "METADATA") -> str:
    """A file beside the package's metadata; nothing where it is not there."""
    try:
        return system.read(package.site / package.info / file)
    except OSError:
        return ""


def requirement(system: System, package: Package, of: str) -> str:
    """The version that a package insists on (`==`) of another one."""
    text = metadata(system, package)
    found = re.search(
        rf"^Requires-Dist: {re.escape(of)} ?\(?==\s*([\w.+]+)", text, re.MULTILINE | re.IGNORECASE
    )
    return found[1] if found else ""
