"""A machine made of recorded answers: a healthy one to begin with, broken by one change each."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_studio import __version__
from llm_studio.errors import StudioError
from llm_studio.probes.doctor.nvidia import ASK
from llm_studio.probes.doctor.system import (
    Answer,
    Memory,
    Model,
    Port,
    Ran,
    Space,
    Speed,
    Terminal,
)
from llm_studio.settings import Settings, load_settings

DATA = Path(__file__).parents[2] / "data" / "doctor"
GiB = 1 << 30
HOME = Path("/home/ada")
SITE = "/home/ada/project/.venv/lib/python3.12/site-packages"
FAST = Speed(512 << 20, 0.2, "read directly, past the page cache")
ROOMY = Memory(64 * GiB, 50 * GiB, 8 * GiB, 8 * GiB)
NEAR = Answer(200, seconds=0.08, clock=0.4)
KITTY = Terminal(120, 40, True, True, True, True, "kitty(0.42.1)")
CUDA_DEVICES = """\
ggml_cuda_init: found 2 CUDA devices:
Available devices:
  CUDA0: NVIDIA GeForce RTX 4090 (24076 MiB, 23655 MiB free)
  CUDA1: NVIDIA GeForce RTX 5070 Ti (15850 MiB, 15500 MiB free)
"""


def recorded(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def gpu(name: str, capability: tuple[int, int], **more: Any) -> dict[str, Any]:
    return {
        "name": f"NVIDIA {name}", "capability": capability, "compute_mode": 0,
        "rows_pending": False, "rows_failed": False, "fabric": None, **more,
    }  # fmt: skip


@dataclass
class RecordedDocker:
    """Docker's answers; one that is an error is raised."""

    where: str | StudioError = "unix:///var/run/docker.sock (the default socket)"
    described: Any = field(
        default_factory=lambda: json.loads(recorded("docker-info-ubuntu2404.json"))
    )
    versions: Any = field(
        default_factory=lambda: json.loads(recorded("docker-version-ubuntu2404.json"))
    )
    name: str = "ghcr.io/ggml-org/llama.cpp:server-cuda"
    inspected: Any = field(
        default_factory=lambda: {
            "Architecture": "amd64",
            "Config": {
                "Env": ["CUDA_VERSION=12.8.1", "NVIDIA_REQUIRE_CUDA=cuda>=12.8 brand=tesla,…"],
                "Labels": {"llm-studio.variant": "cuda", "llm-studio.architectures": "86;89;120"},
            },
        }
    )
    listed: str | StudioError = CUDA_DEVICES

    def endpoint(self) -> str:
        told: str = _told(self.where)
        return told

    def info(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = _told(self.described)
        return told

    def version(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = _told(self.versions)
        return told

    def image(self) -> tuple[str, Mapping[str, Any] | None]:
        return self.name, _told(self.inspected)

    def devices(self) -> str:
        told: str = _told(self.listed)
        return told

    def fails(self, what: str, why: str = "") -> None:
        self.described = self.versions = self.inspected = StudioError(what, why=why)


def _told(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def _driver() -> dict[str, Any]:
    return {
        "driver": "580.95.05",
        "cuda": 13000,
        "gpus": [gpu("GeForce RTX 4090", (8, 9)), gpu("GeForce RTX 5070 Ti", (12, 0))],
    }


def _settings() -> Settings:
    return load_settings({"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_MODELS": "/models"})


@dataclass
class Machine:
    """The edge of a healthy Ubuntu machine with two GPUs, everything installed."""

    platform: str = "linux"
    machine: str = "x86_64"
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "HOME": "/home/ada", "LANG": "en_GB.UTF-8", "TERM": "xterm-kitty",
            "COLORTERM": "truecolor", "VIRTUAL_ENV": "/home/ada/project/.venv",
        }
    )  # fmt: skip
    home: Path = HOME
    folder: Path = HOME / "project"
    user: str = "ada"
    settings: Settings = field(default_factory=_settings)
    settings_trouble: StudioError | None = None
    docker: RecordedDocker = field(default_factory=RecordedDocker)
    driver: dict[str, Any] = field(default_factory=_driver)
    ran: dict[tuple[str, ...], Ran] = field(default_factory=dict)
    programs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str | OSError] = field(default_factory=dict)
    """Text by path; a folder is what has files below it."""
    links: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """What this user may neither read nor write."""
    unwritable: set[str] = field(default_factory=set)
    spaces: dict[str, Space] = field(default_factory=dict)
    model_files: list[Model] = field(
        default_factory=lambda: [Model("qwen.gguf", Path("/models/qwen.gguf"), 20 * GiB)]
    )
    read_speed: Speed | OSError = FAST
    has_memory: Memory = ROOMY
    limited: dict[str, int | None] = field(
        default_factory=lambda: {
            "files": 1 << 20, "locked": None, "address_space": None, "processes": 250_000,
        }
    )  # fmt: skip
    ports: dict[int, Port] = field(default_factory=dict)
    answer: Answer = NEAR
    shows: Terminal | None = KITTY
    status: Any = None

    def __post_init__(self) -> None:
        for name in (
            "docker", "dockerd", "nvidia-ctk", "dkms", "claude", "timedatectl", "nvidia-smi",
            "bwrap",
        ):  # fmt: skip
            self.programs[name] = f"/usr/bin/{name}"
        self.prints("nvidia-ctk --version", "NVIDIA Container Toolkit CLI version 1.18.0\n")
        self.prints("/usr/bin/claude --version", "2.1.327 (Claude Code)\n")
        self.prints("/usr/bin/bwrap --unshare-user --unshare-net --ro-bind / / true", "")
        self.prints("timedatectl show --property=NTPSynchronized --value", "yes\n")
        self.prints("getent group docker", "docker:x:998:\n")
        self.prints("systemctl is-active docker", "inactive\n", 3)
        self.prints("systemctl is-enabled docker", "enabled\n")
        self.files |= {
            "/etc/os-release": recorded("os-release-ubuntu"),
            "/proc/sys/kernel/osrelease": "6.8.0-85-generic\n",
            "/proc/sys/vm/overcommit_memory": "0\n",
            "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for "
            "x86_64  580.95.05  Release Build\n",
            "/proc/self/mounts": "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n"
            "/dev/nvme1n1 /models xfs rw,noatime 0 0\n",
            "/dev/nvidia-uvm": "", "/dev/nvidiactl": "", "/dev/char/195:0": "",
            "/var/run/docker.sock": "", "/var/lib/docker/x": "", "/models/qwen.gguf": "",
            "/home/ada/studio/state/jobs.jsonl": "",
            "/etc/cdi/nvidia.yaml": "hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05\n",
        }  # fmt: skip
        self.card("0000:01:00.0", "0x10de", "nvidia")
        self.card("0000:05:00.0", "0x10de", "nvidia")
        self.venv("/home/ada/project/.venv")
        self.torch("2.9.0+cu128", "12.8")

    # How a machine is changed

    def prints(self, command: str, out: str, code: int | None = 0, trouble: Any = "") -> None:
        self.ran[tuple(command.split())] = Ran(code, out, trouble)

    def card(self, address: str, vendor: str, driver: str) -> None:
        place = f"/sys/bus/pci/devices/{address}"
        self.files |= {f"{place}/class": "0x030000\n", f"{place}/vendor": f"{vendor}\n"}
        self.links.pop(f"{place}/driver", None)
        if driver:
            self.links[f"{place}/driver"] = f"../../../bus/pci/drivers/{driver}"

    def without(self, *beginnings: str) -> None:
        """Files that are not there, and programs of these names."""
        self.files = {
            path: text for path, text in self.files.items() if not path.startswith(beginnings)
        }
        for name in beginnings:
            self.programs.pop(name, None)

    def system(self, name: str) -> None:
        self.files["/etc/os-release"] = recorded(f"os-release-{name}")

    def wsl(self) -> None:
        self.files["/proc/sys/kernel/osrelease"] = "6.6.87.2-microsoft-standard-WSL2\n"
        self.without("/sys/bus/pci")
        self.files |= {"/dev/dxg": "", "/usr/lib/wsl/lib/libcuda.so.1": ""}

    def macos(self) -> None:
        self.platform, self.machine = "darwin", "arm64"
        self.driver = {"error": 12, "told": "NVML Shared Library Not Found"}
        self.files = dict.fromkeys(("/models/qwen.gguf", "/var/run/docker.sock"), "")
        self.prints("sw_vers -productVersion", "26.1\n")
        self.prints("sysctl -n machdep.cpu.brand_string", "Apple M3 Max\n")

    def no_driver(self, error: int) -> None:
        self.driver = {"error": error, "told": f"error {error}"}

    def venv(self, prefix: str, *, uv: bool = False) -> None:
        self.files[f"{prefix}/pyvenv.cfg"] = "home = /usr/bin\n" + ("uv = 0.9.8\n" if uv else "")

    def package(
        self,
        name: str,
        version: str,
        *,
        site: str = SITE,
        needs: Sequence[str] = (),
        by: str = "pip",
    ) -> None:
        info = f"{site}/{name}-{version}.dist-info"
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
        self.files |= {f"{info}/METADATA": "\n".join(lines) + "\n", f"{info}/INSTALLER": f"{by}\n"}

    def torch(
        self, version: str, cuda: str | None, *, site: str = SITE, by: str = "pip", hip: str = ""
    ) -> None:
        for path in [path for path in self.files if path.startswith(f"{site}/torch")]:
            del self.files[path]
        self.package("torch", version, site=site, by=by)
        told = f"'{cuda}'" if cuda else "None"
        self.files[f"{site}/torch/version.py"] = (
            f"__version__ = '{version}'\ndebug = False\ncuda: Optional[str] = {told}\n"
            f"hip: Optional[str] = {repr(hip) if hip else None}\n"
        )

    # The edge

    def run(self, *command: str, limit: float = 5.0) -> Ran:
        if command in self.ran:
            return self.ran[command]
        if command == ASK:
            return Ran(0, json.dumps(self.driver))
        words = (*(Path(command[0]).name,), *command[1:])
        if words[1:2] == ("-c",):
            return Ran(0, "/site/xllamacpp/__init__.py\n")
        if words[1:] == ("-m", "llm_studio.engines.embedded", "--version"):
            return Ran(0, "version: 11549 (xllamacpp 2026.10.11549)\n")
        return Ran(None, trouble="missing")

    def which(self, name: str) -> str | None:
        return self.programs.get(name)

    def read(self, path: str | Path) -> str:
        text = self.files.get(str(path))
        if text is None:
            raise FileNotFoundError(2, "No such file or directory")
        if isinstance(text, OSError):
            raise text
        return text

    def names(self, folder: str | Path) -> Sequence[str]:
        start = f"{str(folder).rstrip('/')}/"
        found = {path[len(start) :].split("/")[0] for path in self.files if path.startswith(start)}
        if not found:
            raise FileNotFoundError(2, "No such file or directory")
        return sorted(found)

    def link(self, path: str | Path) -> str:
        if str(path) not in self.links:
            raise FileNotFoundError(2, "No such file or directory")
        return self.links[str(path)]

    def mode(self, path: str | Path) -> int:
        text = self.files.get(str(path))
        if isinstance(text, OSError):
            raise text
        if str(path) in self.modes:
            return self.modes[str(path)]
        if text is not None:
            return stat.S_IFREG | 0o644
        self.names(path)
        return stat.S_IFDIR | 0o755

    def may(self, path: str | Path, *, write: bool = False) -> bool:
        return str(path) not in self.closed and not (write and str(path) in self.unwritable)

    def space(self, path: Path) -> Space:
        return self.spaces.get(str(path), Space(1000 * GiB, 400 * GiB))

    def speed(self, path: Path) -> Speed:
        measured: Speed = _told(self.read_speed)
        return measured

    def models(self) -> Sequence[Model]:
        return self.model_files

    def memory(self) -> Memory:
        return self.has_memory

    def limits(self) -> Mapping[str, int | None]:
        return self.limited

    def port(self, host: str, number: int) -> Port:
        return self.ports.get(number, Port("free"))

    def ask(self, url: str) -> Answer:
        return self.answer

    def terminal(self) -> Terminal | None:
        return self.shows

    def studio(self) -> Mapping[str, Any] | None:
        told: Mapping[str, Any] | None = _told(self.status)
        return told


def serving(**more: Any) -> dict[str, Any]:
    return {
        "state": "ready", "profile": "qwen3-8b", "gateway": "http://127.0.0.1:8080",
        "api": "http://127.0.0.1:8081", "failure": None, "studio": {"version": __version__},
        **more,
    }  # fmt: skip


def permission_denied() -> OSError:
    return PermissionError(13, os.strerror(13))
