"""Do requests to this machine stay on it?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, ok, warning
from llm_studio.probes.doctor.system import System

_PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_HERE = ("127.0.0.1", "localhost")


def look(system: System) -> Iterator[Finding]:
    environment = system.environment
    proxies = [name for name in _PROXIES if environment.get(name)]
    if not proxies:
        yield ok("no proxy for plain HTTP is set")
        return
    spared = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    words = [word.strip() for word in spared.split(",")]
    missing = [name for name in _HERE if name not in words]
    if "*" in words or not missing:
        yield ok(f"{proxies[0]} is set, and spares this machine")
        return
    kept = ",".join(filter(None, (spared, *missing, "::1")))
    yield warning(
        f"{proxies[0]} is set, and does not spare {' and '.join(missing)}",
        "Clients and coding agents would send their requests for the local model to the proxy, "
        "and be refused.",
        (f"export NO_PROXY={kept} no_proxy={kept}",),
        "Put it into your shell's profile.",
    )


CHECK = Check("network.proxy", "Proxy", Group.NETWORK, 20, look)
