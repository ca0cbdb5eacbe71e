"""Fetches one file, and goes on where an earlier try ended; what is in place is whole and right.

By hand over HTTP rather than by the hub's library: that can neither be cancelled in mid-file nor
say how far it is without drawing a bar.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from llm_studio.errors import NotFound, StudioError
from llm_studio.models.hub.hub import gated
from llm_studio.models.hub.offers import RemoteFile
from llm_studio.text import untrusted_line

CHUNK = 1 << 20
RESERVE = 1 << 30
"""Bytes that are left free on the disk."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before another try; they begin anew with every byte that came."""


class Stopped(Exception):
    """Somebody cancelled; what came so far stays, to be gone on with."""


def room_for(folder: Path, wanted: int) -> None:
    """Raises where the disk has too little room."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free - wanted < RESERVE:
        raise StudioError(
            f"The disk of {folder} is too full",
            why=f"{wanted / 1e9:.1f} GB are to come, {free / 1e9:.1f} GB are free.",
            hint="Make room, or put another folder first: `llm-studio config models`.",
        )


def part_of(target: Path) -> Path:
    """What is there of a file before it is whole."""
    return target.with_name(f"{target.name}.part")


class Fetch:
    """One file on its way."""

    def __init__(
        self,
        address: str,
        file: RemoteFile,
        target: Path,
        *,
        token: str | None = None,
        repository: str = "",
        came: Callable[[int], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`came` is told of bytes: all that were there, then each piece."""
        self._address = address
        self._file = file
        self._target = target
        self._part = part_of(target)
        self._token = token
        self._repository = repository
        self._came = came
        self._stopped = stopped
        self._hash = hashlib.sha256()
        self._have = 0
        self._client = httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30.0))

    def run(self) -> None:
        """Blocks until the file is in its place."""
        if self._target.is_file() and self._target.stat().st_size == self._file.size:
            self._came(self._file.size)
            return
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._take_up()
            self._try_on()
            self._finish()
        except OSError as error:
            raise StudioError(
                f"{self._target.name} cannot be written", why=error.strerror or str(error),
                hint="What came so far is kept; the next `llm-studio get` goes on with it.",
            ) from error  # fmt: skip
        finally:
            self._client.close()

    def _take_up(self) -> None:
        """What an earlier try left counts, once it is read again for the checksum."""
        self._hash, self._have = hashlib.sha256(), 0
        with contextlib.suppress(FileNotFoundError), self._part.open("rb") as part:
            while piece := part.read(CHUNK):
                self._check()
                self._hash.update(piece)
                self._have += len(piece)
        if self._have > self._file.size:
            self._begin_anew()
        self._came(self._have)

    def _begin_anew(self) -> None:
        self._part.unlink(missing_ok=True)
        self._came(-self._have)
        self._hash, self._have = hashlib.sha256(), 0

    def _try_on(self) -> None:
        failures = 0
        while self._have < self._file.size:
            before = self._have
            try:
                self._stream()
                why = "it ended too early"
            except httpx.HTTPError as error:
                why = untrusted_line(str(error)) or type(error).__name__
            if self._have >= self._file.size:
                return
            failures = 0 if self._have > before else failures + 1
            if failures >= len(PAUSES):
                raise StudioError(
                    f"{self._target.name} does not come", why=f"Again and again: {why}.",
                    hint="What came so far is kept; the next `llm-studio get` goes on with it.",
                )  # fmt: skip
            self._rest(PAUSES[failures])

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check()
            time.sleep(0.05)

    def _stream(self) -> None:
        headers = {"Range": f"bytes={self._have}-"} if self._have else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        with self._client.stream("GET", self._address, headers=headers) as answer:
            self._accept(answer)
            if self._have and answer.status_code != 206:
                self._begin_anew()  # a server that cannot go on in the middle
            with self._part.open("ab") as part:
                for piece in answer.iter_bytes(CHUNK):
                    self._check()
                    part.write(piece)
                    self._hash.update(piece)
                    self._have += len(piece)
                    self._came(len(piece))

    def _accept(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status in (401, 403):
            host = str(answer.url.copy_with(path="/")).rstrip("/")
            raise gated(host, self._repository, self._token is not None)
        if status == 404:
            raise NotFound(f"The hub has no {self._file.path}")
        if status == 416:
            self._begin_anew()
        if status >= 400:
            raise httpx.HTTPStatusError(
                f"the hub answers {status}", request=answer.request, response=answer
            )

    def _finish(self) -> None:
        wanted = self._file.sha256
        if self._have != self._file.size or (wanted and self._hash.hexdigest() != wanted):
            self._part.unlink(missing_ok=True)
            raise StudioError(
                f"{self._target.name} came damaged",
                why="Its checksum is not the one that the hub tells.",
                hint="Try again; a proxy or a mirror may alter files.",
            )
        with self._part.open("rb+") as part:
            os.fsync(part.fileno())
        os.replace(self._part, self._target)

    def _check(self) -> None:
        if self._stopped():
            raise Stopped
