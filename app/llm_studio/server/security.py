"""Who may come in: checks of Host, Origin and key, the same on every port.

Loopback is no boundary: a web page in the user's browser can reach it.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Container, Iterable, Mapping

LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))
"""What a Host header may say where only this machine may ask. With any port: one that `ssh -L`
brings here from a laptop is another than ours, and no name can be rebound to these."""


_SESSION_MARK = "~"
"""No key that we make holds one."""


def check_host(
    host_header: str | None, allowed: Container[str], *, addresses: bool = False
) -> bool:
    """Whether the Host is one of ours (else a rebound name brings a web page in).

    `allowed` holds `name:port`, or a bare name where any port will do. Where others than this
    machine may ask, `addresses` are as good: only a name can be rebound.
    """
    if not host_header:
        return False
    host = host_header.strip().lower()
    name = _without_port(host)
    return host in allowed or name in allowed or (addresses and _is_address(name))


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
        key = presented.partition(_SESSION_MARK)[0]
        good |= hmac.compare_digest(_octets(key), _octets(expected))
    return good and bool(expected)


def session_of(headers: Mapping[str, str]) -> str:
    """The session that an agent's key names after its mark, as `KEY~SESSION`."""
    for presented in _keys(headers.items()):
        session = presented.partition(_SESSION_MARK)[2]
        if session and len(session) <= 32 and session.isascii() and session.isalnum():
            return session
    return ""


def is_loopback(address: str) -> bool:
    """Whether listening there is for this machine alone."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
    except ValueError:
        return False
    return True


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
