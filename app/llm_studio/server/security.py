"""Who may come in: checks of Host, Origin and key, the same on every port.

Loopback is no boundary: a web page in the user's browser can reach it.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Container, Iterable, Mapping

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def loopback_hosts(port: int) -> frozenset[str]:
    """What a Host header may say where only this machine may ask."""
    hosts = {f"{name}:{port}" for name in _LOOPBACK_NAMES}
    return frozenset(hosts | set(_LOOPBACK_NAMES) if port == 80 else hosts)


def check_host(host_header: str | None, allowed: Container[str]) -> bool:
    """Whether the Host is one of ours (else a rebound name brings a web page in).

    `allowed` holds `name:port`, or a bare name where any port will do.
    """
    if not host_header:
        return False
    host = host_header.strip().lower()
    return host in allowed or _without_port(host) in allowed


def check_origin(
    origin: str | None, sec_fetch_site: str | None, own: Container[str] = frozenset()
) -> bool:
    """Whether the request comes from no web page, or from one of our own.

    `own` holds origins (`http://127.0.0.1:8080`). Programs send neither header.
    """
    if origin is not None:
        return origin.strip().lower() in own
    return sec_fetch_site is None or sec_fetch_site.strip().lower() in ("none", "same-origin")


def own_origins(host_header: str) -> frozenset[str]:
    """The origins of pages that came from the address that is being asked."""
    host = host_header.strip().lower()
    return frozenset((f"http://{host}", f"https://{host}"))


def check_key(headers: Mapping[str, str], expected: str) -> bool:
    """Whether a key comes along and is right, in whichever header, in constant time."""
    good = False
    for presented in _keys(headers.items()):
        good |= hmac.compare_digest(_octets(presented), _octets(expected))
    return good and bool(expected)


def is_loopback(address: str) -> bool:
    """Whether listening there is for this machine alone."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _keys(headers: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in headers:
        lowered = name.lower()
        if lowered == "x-api-key":
            yield value.strip()
        elif lowered == "authorization":
            scheme, _, key = value.strip().partition(" ")
            if scheme.lower() == "bearer":
                yield key.strip()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isdecimal() and port.isascii()):
        return host
    return name if ":" not in name or name.endswith("]") else host
