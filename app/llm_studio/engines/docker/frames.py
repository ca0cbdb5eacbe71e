"""The records of a followed log, as many at a time as have come.

The SDK asks its connection several times for each record, which takes as long as all the rest of
reading a log. So its connection is read from directly; the SDK stays for where that cannot be.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Any

READ = 256 << 10
GATHER = 0.002
"""Seconds in which records gather: Docker sends each by itself, and a connection holds few."""
_LENGTH = struct.Struct(">4xL")


def records(stream: Any) -> Iterator[list[bytes]]:
    """The records of the SDK's stream, in batches; what it raises, this raises too."""
    raw = stream._response.raw
    connection: Any = getattr(getattr(raw, "_fp", None), "fp", None)
    sock = getattr(getattr(connection, "raw", None), "_sock", None)
    if not getattr(raw, "chunked", False) or sock is None:
        for record in stream:
            yield [record]
        return
    sock.settimeout(None)  # a quiet engine is no fault
    frames = Frames()
    while not frames.ended and (data := connection.read1(READ)):
        if found := frames.feed(data):
            yield found
        time.sleep(GATHER)


class Frames:
    """Takes the bytes of a response apart: into the chunks of HTTP, and these into records."""

    def __init__(self) -> None:
        self._chunks = b""
        self._body = b""
        self.ended = False

    def feed(self, data: bytes) -> list[bytes]:
        """The records that are whole now."""
        body = self._body + self._unchunked(data)
        found = []
        at, size = 0, len(body)
        while size - at >= 8:
            end = at + 8 + _LENGTH.unpack_from(body, at)[0]
            if end > size:
                break
            if end > at + 8:
                found.append(body[at + 8 : end])
            at = end
        self._body = body[at:]
        return found

    def _unchunked(self, data: bytes) -> bytes:
        data = self._chunks + data if self._chunks else data
        found = []
        at, size = 0, len(data)
        while (line := data.find(b"\r\n", at)) >= 0:
            length = int(data[at:line].partition(b";")[0], 16)
            end = line + 2 + length
            if not length:
                self.ended = True
                break
            if end + 2 > size:
                break
            found.append(data[line + 2 : end])
            at = end + 2
        self._chunks = data[at:]
        return b"".join(found)
