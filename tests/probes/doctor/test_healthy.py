"""Machines in order are told so, whatever they are; one with nothing at all is looked at too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.probes.doctor.machine import (
    CUDA_DEVICES,
    SITE,
    Machine,
    RecordedDocker,
    gpu,
    recorded,
    serving,
)

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.finding import Result, Severity
from llm_studio.probes.doctor.system import Answer, Model, Port
from llm_studio.text import has_controls


def desktop(m: Machine) -> None:
    """As it is."""


def fedora_serving(m: Machine) -> None:
    m.system("fedora")
    m.status = serving()
    m.ports = {8080: Port("taken", "python (process 9)"), 8081: Port("taken")}


def wsl(m: Machine) -> None:
    m.wsl()
    m.without("/dev/nvidia", "/proc/driver")
    m.docker.described["OperatingSystem"] = "Docker Desktop"


def macos(m: Machine) -> None:
    m.macos()
    m.without("nvidia-ctk", "nvidia-smi", "timedatectl")
    m.docker.described |= {"OperatingSystem": "Docker Desktop", "Runtimes": {"runc": {}}}
    m.docker.name = "llm-studio/llama.cpp:cpu"
    m.docker.inspected = {"Architecture": "arm64", "Config": {}}
    m.environment |= {"TERM_PROGRAM": "iTerm.app"}


def server(m: Machine) -> None:
    """A machine of a data centre, over SSH in tmux, without a proxy or a browser."""
    m.driver = {"driver": "570.172.08", "cuda": 12080, "gpus": [gpu("H200", (9, 0), fabric=3)] * 8}
    m.files["/etc/cdi/nvidia.yaml"] = "libcuda.so.570.172.08"
    m.docker.inspected["Config"]["Labels"] = {"cuda.architectures": "80;90"}
    line = CUDA_DEVICES.splitlines()[2]
    m.docker.listed = "\n".join(line.replace("CUDA0", f"CUDA{n}") for n in range(8))
    m.environment |= {
        "TMUX": "/tmp/tmux-0/default,1,0", "TERM": "tmux-256color", "SSH_CONNECTION": "1 2 3 4",
        "https_proxy": "http://proxy:3128", "HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "*",
    }  # fmt: skip


def over_ssh(m: Machine) -> None:
    """COLORTERM is not handed on."""
    m.environment |= {"COLORTERM": "", "TERM": "xterm-ghostty", "SSH_TTY": "/dev/pts/1"}


def rootless_cdi(m: Machine) -> None:
    m.docker.where = "unix:///run/user/1000/docker.sock (rootless Docker)"
    m.docker.described["SecurityOptions"] = ["name=seccomp,profile=builtin", "name=rootless"]
    m.files["/etc/nvidia-container-runtime/config.toml"] = (
        "[nvidia-container-cli]\n  no-cgroups = true\n"
    )


def amd(m: Machine) -> None:
    m.driver = {"error": 12, "told": "NVML Shared Library Not Found"}
    m.without("/sys/bus/pci", "/dev/nvidia", "/etc/cdi", "/home/ada/project")
    m.card("0000:03:00.0", "0x1002", "amdgpu")
    m.files |= {"/dev/dri/renderD128": "", "/dev/kfd": ""}


def old_driver_same_major(m: Machine) -> None:
    """Drivers run what was built with a later minor version of the same CUDA."""
    m.driver |= {"driver": "550.54", "cuda": 12040, "gpus": [gpu("RTX 4090", (8, 9))]}
    m.files["/etc/cdi/nvidia.yaml"] = "libcuda.so.550.54"
    m.docker.inspected["Config"]["Env"] = ["CUDA_VERSION=12.6.0"]
    m.without("/sys/bus/pci/devices/0000:05")
    m.docker.listed = CUDA_DEVICES.splitlines()[2]


@pytest.mark.parametrize(
    "change",
    [
        desktop,
        fedora_serving,
        wsl,
        macos,
        server,
        over_ssh,
        rootless_cdi,
        amd,
        old_driver_same_major,
    ],
    ids=lambda change: change.__name__,
)
def test_a_machine_in_order(change: Callable[[Machine], None]) -> None:
    machine = Machine()
    change(machine)
    results = examine(machine)
    assert _bad(results) == []
    assert {result.check.id for result in results} == {check.id for check in all_checks()}


def test_what_is_told_of_a_desktop() -> None:
    told = {result.id: result.finding.found for result in examine(Machine())}
    assert told["gpu.driver"] == (
        "NVIDIA 580.95.05, CUDA 13.0: NVIDIA GeForce RTX 4090, NVIDIA GeForce RTX 5070 Ti"
    )
    assert told["models.folder"] == "/models: 1 model file, 20.0 GiB"
    assert told["models.speed"] == (
        "2,684 MB/s: 20 GB in 7 s; 537 MB of qwen.gguf, read directly, past the page cache"
    )
    assert told["docker.image"] == (
        "ghcr.io/ggml-org/llama.cpp:server-cuda, CUDA 12.8 for 86, 89, 120"
    )
    assert told["docker.gpu"] == (
        "tried: a container sees NVIDIA GeForce RTX 4090, NVIDIA GeForce RTX 5070 Ti"
    )
    assert told["terminal"] == (
        "kitty(0.42.1), 120x40, true colour, Unicode, mouse, synchronized output"
    )
    assert told["agents"] == "Claude Code 2.1.327"
    assert told["python.torch"].startswith("torch 2.9.0, built for CUDA 12.8, in /home/ada/project")


def test_debians_own_docker_is_not_judged_by_its_numbers() -> None:
    """Recorded: runc 1.1.5 with Debian's patches, no GPU, an image for the processor."""
    machine = Machine()
    amd(machine)
    machine.system("debian")
    machine.docker = RecordedDocker(
        described=json.loads(recorded("docker-info-debian12.json")),
        versions=json.loads(recorded("docker-version-debian12.json")),
        name="llm-studio/llama.cpp:cpu",
        inspected={"Architecture": "amd64", "Config": {"Labels": None, "Env": None}},
    )
    results = examine(machine)
    assert _bad(results) == []
    told = {result.id: result.finding.found for result in results}
    assert "runc 1.1.5+ds1-1+deb12u1" in told["docker.versions"]


def test_a_gpu_that_only_a_container_for_the_processor_could_use_is_not_tried() -> None:
    machine = Machine()
    machine.docker.name, machine.docker.inspected["Config"] = "llm-studio/llama.cpp:cpu", {}
    machine.docker.listed = recorded("list-devices-cpu.txt")
    told = {result.id: result.finding for result in examine(machine)}
    assert told["docker.gpu"].severity is Severity.OK
    assert told["docker.image.backend"].severity is Severity.WARNING


def test_an_old_llama_server_is_not_blamed() -> None:
    machine = Machine()
    machine.docker.listed = "error: invalid argument: --list-devices\n"
    machine.programs["llama-server"] = "/usr/bin/llama-server"
    machine.prints("/usr/bin/llama-server --version", "version: 3000 (abc)\n")
    machine.prints("/usr/bin/llama-server --list-devices", "error: invalid argument\n", 1)
    assert _bad(examine(machine)) == []


def test_builds_for_gpus_are_known_by_their_files() -> None:
    machine = Machine()
    machine.package("xllamacpp", "2026.10.11549")
    machine.files[f"{SITE}/xllamacpp-2026.10.11549.dist-info/RECORD"] = (
        "xllamacpp/xllamacpp.abi3.so,sha256=abc,411127360\n"
    )
    machine.package("llama_cpp_python", "0.3.16")
    machine.files[f"{SITE}/llama_cpp/lib/libggml-cuda.so"] = ""
    machine.package("bitsandbytes", "0.48.1")
    machine.files[f"{SITE}/bitsandbytes/libbitsandbytes_cuda128.so"] = ""
    machine.package("jax", "0.8.0")
    machine.package("jaxlib", "0.8.0")
    machine.package("jax_cuda13_plugin", "0.8.0")
    machine.package(
        "onnxruntime_gpu", "1.23.0", needs=["nvidia-cuda-runtime-cu12; extra == 'cuda'"]
    )
    machine.package("flash_attn", "2.8.3+cu12torch2.9cxx11abiTRUE")
    machine.package("vllm", "0.12.0", needs=["torch==2.9.0"])
    assert _bad(examine(machine)) == []


def test_nothing_at_all(tmp_path: Path) -> None:
    """No files, no programs, no environment, no network: each check tells something, none fails."""
    machine = Machine()
    machine.docker.where = "unix:///var/run/docker.sock (the default socket)"
    machine.docker.fails("Docker is not running")
    machine.driver = {"error": 12, "told": "NVML Shared Library Not Found"}
    machine.ran = {key: value for key, value in machine.ran.items() if key[0] == "never"}
    machine.files, machine.programs, machine.links, machine.environment = {}, {}, {}, {}
    machine.home, machine.folder = Path("/"), Path("/")
    machine.model_files, machine.shows = [], None
    machine.answer = Answer(None, "name", "Name or service not known")
    results = examine(machine)
    assert {result.check.id for result in results} == {check.id for check in all_checks()}
    assert not [result for result in results if "could not be checked" in result.finding.found]


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: setattr(m.docker, "described", {}),
        lambda m: setattr(m.docker, "versions", {}),
        lambda m: setattr(m.docker, "inspected", {}),
        lambda m: setattr(m.docker, "inspected", {"Config": {"Env": ["", "=", "A"], "Labels": {}}}),
        lambda m: setattr(m.docker, "listed", "\x00\x1b[2Jnonsense"),
        lambda m: setattr(m.docker, "where", StudioError("")),
        lambda m: m.driver.update({"gpus": [{}], "cuda": None, "driver": None}),
        lambda m: m.driver.update({"gpus": None}),
        lambda m: m.files.update({"/etc/os-release": "\x00=\n==\n"}),
        lambda m: m.files.update({"/proc/self/mounts": "x\n\ny z\n"}),
        lambda m: setattr(m, "status", {}),
        lambda m: setattr(m, "model_files", []),
    ],
)
def test_odd_answers_are_no_defect(damage: Callable[[Machine], object]) -> None:
    machine = Machine()
    damage(machine)
    results = examine(machine)
    assert not [result for result in results if "could not be checked" in result.finding.found]


def test_no_answer_can_steer_the_terminal() -> None:
    """Every text of the machine is hostile at once."""
    evil = "\x1b]52;c;ZXZpbA==\x07\u202e\n\r\x9b2J"
    machine = Machine()
    machine.driver = {
        "driver": evil,
        "cuda": 13000,
        "gpus": [gpu(evil, (8, 9)), {"error": 15, "told": evil}],
    }
    machine.docker.where, machine.docker.name = evil, evil
    machine.docker.described["ServerVersion"] = evil
    machine.docker.versions["Version"] = evil
    machine.docker.listed = f"Available devices:\n  CUDA0: {evil} (1 MiB)\n"
    machine.docker.inspected = {"Architecture": evil, "Config": {"Labels": {"cuda.archs": evil}}}
    machine.environment |= {"TERM": evil, "LANG": evil, "HF_ENDPOINT": f"https://{evil}"}
    machine.answer = Answer(None, "other", evil)
    machine.status = StudioError(evil, why=evil, hint=evil)
    machine.settings_trouble = StudioError(evil, why=evil)
    machine.prints("/usr/bin/claude --version", evil, 1)
    machine.model_files = [Model(evil, Path("/models") / evil.replace("/", ""), 1 << 40)]
    machine.closed.add(str(machine.model_files[0].path))
    machine.torch("2.9.0", "13.9")
    machine.package(f"vllm-{evil}", "1.0")
    findings = [result.finding for result in examine(machine)]
    texts = [text for f in findings for text in (f.found, f.why, f.advice, *f.fix)]
    assert any("␛" in text for text in texts)
    assert not [text for text in texts if has_controls(text)]


def _bad(results: tuple[Result, ...]) -> list[tuple[str, str]]:
    return [
        (result.id, result.finding.found)
        for result in results
        if result.finding.severity is not Severity.OK
    ]
