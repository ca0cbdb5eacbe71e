"""Are the two addresses free, or already our own studio's?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    settings = system.settings
    wanted = {"gateway": settings.gateway_port, "api": settings.api_port}
    status = _status(system)
    told, found = [], []
    for part, number in wanted.items():
        if number == 0:
            told.append(f"{part} any free port")
        elif status and str(status.get(part)).endswith(f":{number}"):
            told.append(f"{part} {number}, this studio's")
        else:
            finding = _one(system, part, number)
            found += [finding] if finding else []
            told.append(f"{part} {number}, free")
    if wanted["gateway"] == wanted["api"] != 0:
        found.append(
            fault(
                f"gateway and management API both want port {wanted['api']}",
                "Only one of them can have it.",
                (f"llm-studio config api_port {wanted['api'] + 1}",),
                part="same",
            )
        )
    yield from found or [ok("; ".join(told))]


def _one(system: System, part: str, number: int) -> Finding | None:
    port = system.port(number)
    if port.state == "free":
        return None
    other = number + 1000 if number < 60000 else number - 1000
    if port.state == "denied":
        return fault(
            f"port {number} needs rights that you do not have",
            "Ports below 1024 are for the system.",
            (f"llm-studio config {part}_port 8{number % 1000:03d}",),
            part=part,
        )
    owner = port.owner or _container(system, number)
    who = (
        (f"sudo lsof -nP -iTCP:{number} -sTCP:LISTEN",)
        if system.platform == "darwin"
        else (f"sudo ss -ltnp 'sport = :{number}'",)
    )
    commands = () if owner else who
    return fault(
        f"port {number} ({part}) is taken by {owner or 'another program'}",
        "The studio cannot start while it listens there.",
        (*commands, f"llm-studio config {part}_port {other}"),
        "Or end that program.",
        part=part,
    )


def _container(system: System, number: int) -> str:
    """Docker's own proxy belongs to root, so the container has to be asked for."""
    ran = system.run("docker", "ps", "--filter", f"publish={number}", "--format", "{{.Names}}")
    name = ran.out.strip().partition("\n")[0] if ran.code == 0 else ""
    return f"the container {name}" if name else ""


def _status(system: System) -> Mapping[str, Any] | None:
    try:
        return system.studio()
    except StudioError:
        return None


CHECK = Check("network.ports", "Ports", Group.NETWORK, 10, look)
