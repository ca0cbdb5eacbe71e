"""Are Docker and what it is made of new enough, and without holes that are known?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.distribution import distribution, update
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.system import System

Numbers = tuple[int, ...]
_OLDEST_API = (1, 24)
"""What the SDK speaks at least."""
_RUNC_MENDED: Mapping[Numbers, Numbers] = {(1, 2): (1, 2, 8), (1, 3): (1, 3, 3)}
"""CVE-2025-31133, -52565, -52881: the first good version of each series; 1.4 is good."""
_TOOLKIT_MENDED = (1, 17, 8)
"""CVE-2025-23266 and -23267."""


def look(system: System) -> Iterator[Finding]:
    try:
        version = system.docker.version()
    except StudioError:
        yield ok("not known: Docker does not answer")
        return
    found = [*_api(version), *_runc(version), *_toolkit(system)]
    parts = _components(version)
    told = ", ".join(f"{name} {parts[name]}" for name in ("containerd", "runc") if name in parts)
    everything = ", ".join(filter(None, (f"Docker {_text(version.get('Version'))}", told)))
    yield from found or [ok(everything)]


def _api(version: Mapping[str, Any]) -> Iterator[Finding]:
    told = version.get("ApiVersion")
    api = _numbers(told)
    if api and api < _OLDEST_API:
        yield fault(
            f"Docker {_text(version.get('Version'))} speaks only the API {_text(told)}",
            "llm-studio needs 1.24 or newer.",
            (),
            "Update Docker: docs.docker.com/engine/install",
            part="api",
        )


def _runc(version: Mapping[str, Any]) -> Iterator[Finding]:
    told = _components(version).get("runc", "")
    numbers = _numbers(told)
    if not numbers or numbers >= (1, 4):
        return
    mended = _RUNC_MENDED.get(numbers[:2], (1, 2, 8))
    # Distributions mend old versions and keep their number: theirs is not judged by it.
    if numbers < mended and not re.search(r"[+~-](ds|dfsg|deb|\d?ubuntu|fc|el)", told):
        yield warning(
            f"runc {told} has holes through which a container gets out (CVE-2025-31133 and others)",
            f"They are mended in {'.'.join(map(str, mended))}.",
            (),
            "Update Docker with its containerd.io package.",
            part="runc",
        )


def _toolkit(system: System) -> Iterator[Finding]:
    if not system.which("nvidia-ctk"):
        return
    told = system.run("nvidia-ctk", "--version").out
    found = re.search(r"version (\d+(?:\.\d+)+)", told)
    if found and _numbers(found[1]) < _TOOLKIT_MENDED:
        yield warning(
            f"the NVIDIA Container Toolkit {found[1]} has holes through which an image gets out "
            "(CVE-2025-23266)",
            "They are mended in 1.17.8.",
            update(distribution(system), "nvidia-container-toolkit"),
            part="toolkit",
        )


def _components(version: Mapping[str, Any]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in version.get("Components") or ():
        details = part.get("Details") or {}
        said, commit = str(part.get("Version") or ""), str(details.get("GitCommit") or "")
        # Debian tells the whole version where others tell a commit.
        parts[str(part.get("Name"))] = _text(commit if commit.startswith(said[:3] + ".") else said)
    return parts


def _numbers(text: object) -> Numbers:
    found = re.match(r"v?(\d+(?:\.\d+)*)", str(text or ""))
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _text(value: object) -> str:
    return str(value or "of unknown version")


CHECK = Check("docker.versions", "Docker versions", Group.DOCKER, 20, look, limit=12)
