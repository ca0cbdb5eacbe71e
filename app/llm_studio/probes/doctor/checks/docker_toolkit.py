"""Can Docker hand GPUs to containers: by NVIDIA's Container Toolkit, or by CDI?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.distribution import (
    Distribution,
    distribution,
    install_toolkit,
    restart_docker,
)
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import System

_WHY = "Without it containers see no GPU."
_SPEC = "/etc/cdi/nvidia.yaml"


def look(system: System) -> Iterator[Finding]:
    driver = nvidia(system)
    if system.platform == "darwin":
        yield ok("not needed: containers on macOS have no GPU; llama-server as a process has")
        return
    if not driver.gpus:
        yield ok("not needed: no NVIDIA GPU answers")
        return
    try:
        info = system.docker.info()
    except StudioError:
        yield ok("not known: Docker does not answer")
        return
    here = distribution(system)
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        yield _desktop(here)
        return
    configured = "nvidia" in (info.get("Runtimes") or {})
    stale = _stale(system, driver.driver)
    if not system.which("nvidia-ctk") and not system.which("nvidia-container-runtime"):
        commands = (*install_toolkit(here), *_configure(info), *_restart(info, here))
        yield fault(
            "the NVIDIA Container Toolkit is not installed",
            _WHY,
            commands,
            "" if install_toolkit(here) else "See NVIDIA's installation guide for its packages.",
        )
    elif stale:
        yield fault(
            f"the list of GPU files for containers ({_SPEC}) is of the driver {stale}, "
            f"but {driver.driver} runs",
            "Containers are refused, or start without a GPU, as files of the old driver are gone.",
            (f"sudo nvidia-ctk cdi generate --output={_SPEC}",),
        )
    elif not configured and not _cdi(info):
        yield fault(
            "the NVIDIA Container Toolkit is installed, but Docker does not know it",
            _WHY,
            (*_configure(info), *_restart(info, here)),
        )
    elif _rootless(info) and not _no_cgroups(system):
        yield fault(
            "the NVIDIA Container Toolkit is not set up for rootless Docker",
            "It tries to change control groups, which rootless Docker may not.",
            (
                "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
                *_restart(info, here),
            ),
        )
    else:
        ways = [way for way, there in (("runtime", configured), ("CDI", _cdi(info))) if there]
        yield ok(f"set up ({' and '.join(ways)})")
        if configured and not _cdi(info) and info.get("CgroupDriver") == "systemd":
            yield from _may_lose(system)


def _may_lose(system: System) -> Iterator[Finding]:
    """With systemd's control groups, its reload takes the GPU away, unless links name the files."""
    try:
        names = system.names("/dev/char")
    except OSError:
        names = ()
    if not any(name.startswith("195:") for name in names):
        yield warning(
            "containers may lose the GPU when systemd reloads its units",
            "An update of any service can do that; the engine then fails with “unknown error”.",
            (
                "sudo nvidia-ctk system create-dev-char-symlinks --create-all",
                f"sudo nvidia-ctk cdi generate --output={_SPEC}",
            ),
            part="reload",
        )


def _desktop(here: Distribution) -> Finding:
    if here.wsl:
        return ok("Docker Desktop hands on the GPU of Windows by itself")
    return fault(
        "Docker Desktop for Linux hands no GPU to containers",
        "It runs them in a virtual machine.",
        ("sudo systemctl enable --now docker", "docker context use default"),
        "Use the Docker Engine of this system instead.",
    )


def _configure(info: Mapping[str, Any]) -> tuple[str, ...]:
    if _rootless(info):
        return (
            "nvidia-ctk runtime configure --runtime=docker"
            " --config=$HOME/.config/docker/daemon.json",
            "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
        )
    return ("sudo nvidia-ctk runtime configure --runtime=docker",)


def _restart(info: Mapping[str, Any], here: Distribution) -> tuple[str, ...]:
    return ("systemctl --user restart docker",) if _rootless(info) else restart_docker(here)


def _rootless(info: Mapping[str, Any]) -> bool:
    return "rootless" in " ".join(map(str, info.get("SecurityOptions") or ()))


def _no_cgroups(system: System) -> bool:
    try:
        text = system.read("/etc/nvidia-container-runtime/config.toml")
    except OSError:
        return False
    return bool(re.search(r"^\s*no-cgroups\s*=\s*true", text, re.MULTILINE))


def _cdi(info: Mapping[str, Any]) -> bool:
    """Docker tells the devices that it has found (28 on); before, only whether it looks."""
    devices = info.get("DiscoveredDevices")
    return any("nvidia.com/gpu" in str(device) for device in devices or ())


def _stale(system: System, driver: str) -> str:
    """The driver that a list of files was made for, if it is no longer the one that runs."""
    try:
        text = system.read(_SPEC)
    except OSError:
        return ""
    versions = set(re.findall(r"lib(?:cuda|nvidia-ml)\.so\.(\d+\.\d+(?:\.\d+)?)", text))
    return "" if not versions or driver in versions or not driver else sorted(versions)[-1]


CHECK = Check("docker.toolkit", "NVIDIA Container Toolkit", Group.DOCKER, 30, look, limit=14)
