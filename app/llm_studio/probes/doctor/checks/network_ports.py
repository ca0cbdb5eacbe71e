"""Are the two addresses free, or already our own studio's; and can only this machine reach them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    settings = system.settings
    wanted = {
        "gateway": (settings.gateway_host, settings.gateway_port),
        "api": (settings.api_host, settings.api_port),
    }
    status = _status(system)
    told, found = [], [*_open(system)]
    for part, (host, number) in wanted.items():
        if number == 0:
            told.append(f"{part} any free port")
        elif status and str(status.get(part)).endswith(f":{number}"):
            told.append(f"{part} {number}, this studio's")
        else:
            finding = _one(system, part, host, number)
            found += [finding] if finding else []
            told.append(f"{part} {number}, free")
    if settings.gateway_port == settings.api_port != 0:
        found.append(
            fault(
                f"gateway and management API both want port {settings.api_port}",
                "Only one of them can have it.",
                (f"llm-studio config api_port {settings.api_port + 1}",),
                part="same",
            )
        )
    yield from found or [ok("; ".join(told))]


def _open(system: System) -> Iterator[Finding]:
    host = system.settings.gateway_host
    if not ip_address(host).is_loopback and not system.settings.gateway_key:
        yield fault(
            f"the gateway is to listen on {host}, without a key",
            "Anybody on the network could use the models, so the studio does not start.",
            ("llm-studio config gateway_key true",),
            "Or let it listen here alone: llm-studio config gateway_host 127.0.0.1",
            part="open",
        )


def _one(system: System, part: str, host: str, number: int) -> Finding | None:
    port = system.port(host, number)
    if port.state == "free":
        return None
    if port.state == "elsewhere":
        return fault(
            f"{host} ({part}) is no address of this machine",
            "The studio cannot listen there.",
            (f"llm-studio config {part}_host 127.0.0.1", "ip -brief address"),
            part=part,
        )
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
