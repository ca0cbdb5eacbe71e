"""One question to the studio and its answer as JSON, by what Python has loaded when it starts.

`socket`, `json` and `argparse` with all that they import take as long as Python's own start; the C
modules below them, next to nothing. Whatever is not plain comes to None, or is left to them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LIMIT = 5
"""Seconds; an answer takes milliseconds."""


def glance(path: str, route: str) -> dict[str, Any] | None:
    """What the studio at this socket answers; None where it is not asked that simply."""
    try:
        from _json import make_scanner
        from _socket import AF_UNIX, SOCK_STREAM, socket
    except ImportError:  # another Python
        return None
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.settimeout(LIMIT)
        connection.connect(path)
        connection.sendall(f"GET {route} HTTP/1.0\r\nHost: studio\r\n\r\n".encode())
        head, _, content = b"".join(iter(lambda: connection.recv(65536), b"")).partition(
            b"\r\n\r\n"
        )
        if head.split(b" ", 2)[1:2] != [b"200"]:
            return None
        read = make_scanner(_Plain)  # type: ignore[arg-type]
        answer, _ = read(content.decode(), 0)
    except TimeoutError:
        from llm_studio.client import Silent

        raise Silent(LIMIT) from None
    except (OSError, ValueError, StopIteration):
        return None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else None


class _Plain:
    """How `json.loads` reads."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own


def written(value: object) -> str:
    """The value as `print_json` writes it."""
    from _json import encode_basestring, encode_basestring_ascii

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return _written(value, encode_basestring if utf8 else encode_basestring_ascii, "\n")


def _written(value: object, quoted: Callable[[str], str], indent: str) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value) if abs(value) < float("inf") else "null"
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{quoted(name)}: {_written(each, quoted, inner)}" for name, each in value.items()]
        return "{" + inner + ("," + inner).join(parts) + indent + "}" if parts else "{}"
    assert isinstance(value, list)
    parts = [_written(each, quoted, inner) for each in value]
    return "[" + inner + ("," + inner).join(parts) + indent + "]" if parts else "[]"
