"""A launch as what Docker is asked to create, and Docker's answers as ours. Nothing here acts.

The body is that of the Engine API itself: the SDK's shortcuts shell-split commands, publish to
every network, and create missing folders as root.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.engines.arguments import Files, log_arguments, server_arguments
from llm_studio.engines.base import Launch, Running, Vitals
from llm_studio.engines.docker.graphics import Graphics
from llm_studio.engines.docker.mounts import Mount
from llm_studio.engines.docker.records import nanoseconds
from llm_studio.engines.docker.runner import Runner
from llm_studio.text import untrusted_line

PORT = "8080/tcp"
KEY = "/run/llm-studio.key"
MANAGED = "llm-studio.managed"
STUDIO = "llm-studio.studio"
"""Which studio's: two homes on one machine leave each other alone."""
INSTANCE = "llm-studio.instance"
PROFILE = "llm-studio.profile"
FOLDER = "llm-studio.folder"
"""Where the studio keeps the key, which no label may hold."""
PROBE = "llm-studio.probe"
IMAGE = "llm-studio.image"
"""What people call the image; the container itself knows only its id."""
NO_GRAPHICS = Graphics()
NOWHERE = "http://127.0.0.1:0"
"""The address of a container that has ended: no port is its own any more."""
_INSTANCE = re.compile(r"[\w-]{1,64}")
_SCRATCH = "rw,noexec,nosuid,nodev,size=512m,mode=1777"


@dataclass(frozen=True, slots=True)
class Daemon:
    """What matters about a Docker daemon."""

    name: str
    rootless: bool = False
    remapped: bool = False
    selinux: bool = False
    log_driver: str = "local"
    apart: bool = False
    """Containers are reached by published ports alone: they run in a machine of their own."""

    @classmethod
    def described(cls, info: Mapping[str, Any], version: Mapping[str, Any]) -> Daemon:
        """From its own `info` and `version`; Podman answers both too."""
        options = [str(option) for option in info.get("SecurityOptions") or ()]
        drivers = (info.get("Plugins") or {}).get("Log") or ()
        parts = version.get("Components") or ()
        podman = any("podman" in str(part.get("Name", "")).lower() for part in parts)
        return cls(
            f"{'Podman' if podman else 'Docker'} {untrusted_line(str(version.get('Version')))}",
            rootless=any("rootless" in option for option in options),
            remapped=any("userns" in option for option in options),
            selinux=any("selinux" in option for option in options),
            log_driver="local" if "local" in drivers else "json-file",
            apart=any("rootless" in option for option in options)
            or "Docker Desktop" in str(info.get("OperatingSystem")),
        )


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image that engines run: what Docker is asked for, and what people call it."""

    reference: str
    name: str


def name_of(instance: str) -> str:
    return f"llm-studio-{instance}"


def network_of(studio: str) -> str:
    """The studio's network that ends at this machine."""
    return f"llm-studio-closed-{studio}"


def key_file(folder: Path, instance: str) -> Path:
    """Where the studio keeps the key of a container, and the container finds it."""
    return folder / f"docker-{instance}.key"


def key_file_of(labels: Mapping[str, str]) -> Path | None:
    """The same of a container that was found."""
    folder, instance = labels.get(FOLDER, ""), labels.get(INSTANCE, "")
    usable = os.path.isabs(folder) and _INSTANCE.fullmatch(instance)
    return key_file(Path(folder), instance) if usable else None


def body(
    launch: Launch,
    image: Pinned,
    studio: str,
    daemon: Daemon,
    runner: Runner,
    files: Files,
    mounts: Sequence[Mount],
    key: Path,
    graphics: Graphics = NO_GRAPHICS,
) -> dict[str, Any]:
    """The container that serves this; `files` are those inside."""
    words = [
        word
        for argument in server_arguments(launch.entry, files, launch.chosen)
        for word in argument.words
    ]
    words += ["--host", "0.0.0.0", "--port", "8080", "--api-key-file", KEY]
    words += ["--cors-origins", "localhost", "--metrics"]
    words += log_arguments(words, launch.log_level)
    labels = {
        MANAGED: "true",
        STUDIO: studio,
        INSTANCE: launch.instance,
        PROFILE: launch.entry.id,
        IMAGE: image.name,
        FOLDER: str(key.parent),
    }
    made = _locked(image.reference, words, labels, daemon, runner)
    made["Env"] += _gpu_environment(launch)
    host = made["HostConfig"]
    host["Mounts"] = [
        {
            "Type": "bind",
            "Source": str(mount.source),
            "Target": mount.target,
            "ReadOnly": not mount.writable,
        }
        for mount in (*mounts, Mount(key, KEY))
    ]
    if launch.entry.require().engine.network == "closed":
        host["NetworkMode"] = network_of(studio)
    else:
        made["ExposedPorts"] = {PORT: {}}
        host["PortBindings"] = {PORT: [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    uuids = gpus(launch)
    if uuids:
        host["DeviceRequests"] = [
            {"Driver": "", "Count": 0, "DeviceIDs": uuids, "Capabilities": [["gpu"]]}
        ]
    elif graphics.files and launch.entry.require().engine.gpus != "none":
        host["Devices"] = [
            {"PathOnHost": file, "PathInContainer": file, "CgroupPermissions": "rw"}
            for file in graphics.files
        ]
        host["GroupAdd"] += [each for each in graphics.groups if each not in host["GroupAdd"]]
    if not daemon.rootless and any("mlock" in word for word in words):
        host["Ulimits"] = [{"Name": "memlock", "Soft": -1, "Hard": -1}]
    return made


def probe_body(image: str, word: str, studio: str, daemon: Daemon) -> dict[str, Any]:
    """A container that only says something about its llama-server, and reaches nothing."""
    labels = {MANAGED: "true", STUDIO: studio, PROBE: word}
    made = _locked(image, [word], labels, daemon, Runner("65534:65534"))
    made["HostConfig"]["NetworkMode"] = "none"
    return made


def _locked(
    image: str, words: list[str], labels: dict[str, str], daemon: Daemon, runner: Runner
) -> dict[str, Any]:
    options = ["no-new-privileges"]
    if daemon.selinux:
        # Else SELinux hides the files; the alternative writes labels onto the user's models.
        options.append("label=disable")
    settings = {"max-size": "20m", "max-file": "5"}
    host: dict[str, Any] = {
        "AutoRemove": False,
        "CapDrop": ["ALL"],
        "GroupAdd": list(runner.groups),
        "Init": True,
        "LogConfig": {"Type": daemon.log_driver, "Config": settings},
        "Privileged": False,
        "ReadonlyRootfs": True,
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": options,
        "Tmpfs": {"/tmp": _SCRATCH},
    }
    if daemon.remapped:
        host["UsernsMode"] = "host"
    return {
        "Image": image,
        "Cmd": words,
        "User": runner.user,
        "Env": ["HOME=/tmp"],
        "Labels": labels,
        "Tty": False,
        "StopSignal": "SIGTERM",
        # We look at its health ourselves; Docker's way floods the stream of events.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }


def gpus(launch: Launch) -> list[str]:
    """The GPUs that the container is given, by what stays the same when one is added."""
    if launch.entry.require().engine.gpus == "none":
        return []
    return [device.uuid for device in launch.devices if device.uuid]


def _gpu_environment(launch: Launch) -> list[str]:
    uuids = gpus(launch)
    if not uuids:
        return []
    environment = ["CUDA_DEVICE_ORDER=PCI_BUS_ID"]
    if launch.entry.require().engine.gpus not in (None, "all"):
        # In the profile's order, which may be another than the machine's.
        environment.append("CUDA_VISIBLE_DEVICES=" + ",".join(uuids))
    return environment


def running_of(inspected: Mapping[str, Any], kind: str, key: str) -> Running:
    """A container as an engine that was started."""
    config, state = inspected["Config"], inspected["State"]
    labels = config.get("Labels") or {}
    name = str(inspected.get("Name", "")).lstrip("/")
    image = str(inspected.get("Image", ""))
    return Running(
        kind,
        labels.get(INSTANCE, ""),
        labels.get(PROFILE, ""),
        _address(inspected),
        key,
        nanoseconds(str(state.get("StartedAt", ""))) / 1e9,
        (str(inspected.get("Path", "")), *map(str, inspected.get("Args") or ())),
        untrusted_line(f"container {name}, image {labels.get(IMAGE) or config.get('Image', '')}"),
        image=image,
    )


def _address(inspected: Mapping[str, Any]) -> str:
    ports = (inspected.get("NetworkSettings") or {}).get("Ports") or {}
    for binding in ports.get(PORT) or ():
        if binding.get("HostPort"):
            return f"http://127.0.0.1:{int(binding['HostPort'])}"
    for name, network in ((inspected.get("NetworkSettings") or {}).get("Networks") or {}).items():
        if name.startswith(network_of("")) and network.get("IPAddress"):
            return f"http://{ipaddress.ip_address(network['IPAddress'])}:8080"
    return NOWHERE


def vitals_of(inspected: Mapping[str, Any]) -> Vitals:
    """How it is, or how it ended."""
    state = inspected["State"]
    if state.get("Running") or state.get("Paused") or state.get("Restarting"):
        name = untrusted_line(str(inspected.get("Name", "")).lstrip("/"), limit=100)
        return Vitals(
            True,
            pid=_pid_here(int(state.get("Pid") or 0), str(inspected.get("Id"))),
            resume=f"docker unpause {name}" if state.get("Paused") else "",
        )
    return Vitals(
        False,
        state.get("ExitCode"),
        bool(state.get("OOMKilled")),
        untrusted_line(state.get("Error") or "", limit=400),
    )


def _pid_here(pid: int, id_: str) -> int:
    """The number, if it is of this machine and not of one that Docker runs in (a virtual one)."""
    with contextlib.suppress(OSError):
        if id_ in Path(f"/proc/{pid}/cgroup").read_text():
            return pid
    return 0
