"""Does Docker answer, and may this user ask it?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.distribution import (
    Distribution,
    distribution,
    install_docker,
    restart_docker,
    start_docker,
)
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.system import System, exists

_WHY = "Engines of kind `docker` run in it; without it, llama-server runs as a process."


def look(system: System) -> Iterator[Finding]:
    here = distribution(system)
    try:
        endpoint = system.docker.endpoint()
    except StudioError as error:
        yield fault(
            f"{error.what}. {error.why}".strip(),
            "No daemon is asked instead: that would be another one than you named.",
            ("docker context use default",) if "context" in error.what else ("unset DOCKER_HOST",),
            error.hint,
        )
        return
    try:
        info = system.docker.info()
    except StudioError as error:
        yield _silent(system, here, endpoint, error)
        return
    if re.match(r"(ssh|tcp)://(?!localhost|127\.|\[::1\])", endpoint):
        yield warning(
            f"Docker is that of another machine: {endpoint}",
            "It sees that machine's model files and GPUs; llm-studio serves with its own alone.",
            ("unset DOCKER_HOST", "docker context use default"),
            "Or run llm-studio on that machine.",
        )
        return
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    kind = "rootless" if "rootless" in options else "system-wide"
    version = str(info.get("ServerVersion") or "of unknown version")
    yield ok(f"{version}, {kind}, at {endpoint}")
    if info.get("CgroupVersion") == "1" and kind == "rootless":
        yield warning(
            "rootless Docker on cgroup v1 sets no limits",
            "A container may take all memory of the machine.",
            ("sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1",)
            if here.family == "fedora"
            else (),
            "Start the kernel with systemd.unified_cgroup_hierarchy=1.",
            part="cgroup",
        )


def _silent(system: System, here: Distribution, endpoint: str, error: StudioError) -> Finding:
    """Why it does not answer, from what else can be seen of it."""
    told = f"{error.what}. {error.why}".strip()
    socket = re.match(r"unix://(/\S+)", endpoint)
    there = bool(socket) and exists(system, socket[1] if socket else "")
    if "slow" in error.what:
        return fault(
            told,
            "A daemon that hangs keeps its containers running, but starts and stops none.",
            restart_docker(here),
        )
    if there and socket and not system.may(socket[1], write=True):
        return _denied(system, told)
    if not there and not system.which("docker") and not system.which("dockerd"):
        commands, advice = install_docker(here)
        return warning("Docker is not installed", _WHY, commands, advice)
    if here.wsl and not system.which("dockerd"):
        return fault(
            told,
            _WHY,
            ("docker context ls",),
            "Start Docker Desktop in Windows, and turn on its integration with this WSL system.",
        )
    if socket and "/run/user/" in socket[1]:
        return fault(told, _WHY, ("systemctl --user enable --now docker",))
    if endpoint.startswith("ssh://"):
        return fault(told, _WHY, (f"ssh {endpoint.split()[0][6:]} docker version",))
    state = system.run("systemctl", "is-active", "docker").out.strip()
    if state == "failed":
        return fault(
            f"{told} Its service has failed.",
            _WHY,
            ("sudo journalctl -u docker -n 30 --no-pager", "sudo systemctl restart docker"),
        )
    if system.run("systemctl", "is-enabled", "docker").out.strip() == "masked":
        return fault(
            f"{told} Its service is masked.", _WHY, ("sudo systemctl unmask --now docker",)
        )
    return fault(told, _WHY, start_docker(here))


def _denied(system: System, told: str) -> Finding:
    why = "Whoever may use it is as mighty as root here; rootless Docker would not make you so."
    members = system.run("getent", "group", "docker").out.strip().rpartition(":")[2].split(",")
    if system.user in members:
        return fault(
            "you are in the group docker, but this session does not know it yet",
            "Groups are given at login.",
            ("newgrp docker",),
            "That helps this shell; log out and in again for all (`llm-studio shutdown` first, so "
            "that the studio starts anew).",
        )
    return fault(told, why, ('sudo usermod -aG docker "$USER"',), "Then log out and in again.")


CHECK = Check("docker.daemon", "Docker", Group.DOCKER, 10, look, limit=12)
