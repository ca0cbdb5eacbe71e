"""The log on disk, in files that are rotated. A thread writes them: disks can be slow, or full."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

Source = Literal["engine", "studio", "gateway"]
Level = Literal["error", "warning", "info", "debug"]
Kept = tuple[float, Source, Level, str]
"""A line: its time, where it comes from, how grave it is, its text."""
FILE_SIZE = 16 << 20
FILES = 4
ROOM = 8 << 20
"""Characters that may wait for a slow disk; lines beyond are left out, and counted."""
GATHER = 0.05
"""Seconds in which lines gather, to be written together."""


class LogFiles:
    """Appends to a file, and starts a new one when it is full. Nobody waits for a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None
        self._size = 0
        self._changed = threading.Condition()
        self._waiting: list[Kept] = []
        self._waiting_size = 0
        self._left_out = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name="log files", daemon=True)
        self._writer.start()

    def write(self, lines: Sequence[Kept], size: int) -> None:
        """Take lines, of so many characters; a moment later they are on disk."""
        with self._changed:
            if self._waiting_size > ROOM:
                self._left_out += len(lines)
                return
            if not self._waiting:
                self._changed.notify()
            self._waiting += lines
            self._waiting_size += size

    def close(self) -> None:
        """Write what still waits; but a disk that hangs stops no end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._writer.join(5)

    def _write_all(self) -> None:
        missing = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._closed:
                    self._changed.wait(GATHER)  # only the end interrupts it
                lines, self._waiting, self._waiting_size = self._waiting, [], 0
                left_out, self._left_out, closed = self._left_out, 0, self._closed
            missing = self._append(lines, missing, left_out)
            if closed:
                break
        self._shut()

    def _append(self, lines: Sequence[Kept], missing: int, left_out: int) -> int:
        """Write lines, in as many files as they need, and how many are missing before them and
        were left out after them; returns how many are missing now."""
        done = 0
        try:
            while done < len(lines):
                file = self._opened()
                texts = [_note(missing)] if missing else []
                size, to = self._size, done
                while to < len(lines) and size <= FILE_SIZE:
                    at, source, level, text = lines[to]
                    texts.append(f"{_stamp(int(at))} {source} {level} {text}\n")
                    size += len(texts[-1])
                    to += 1
                if left_out and to == len(lines):
                    texts.append(_note(left_out))
                self._put(file, "".join(texts))
                done, missing = to, 0
        except OSError:
            self._shut()
            return missing + len(lines) - done + left_out
        return missing

    def _put(self, file: int, text: str) -> None:
        left = memoryview(text.encode("utf-8", "replace"))
        while left:
            written = os.write(file, left)
            self._size += written
            left = left[written:]

    def _opened(self) -> int:
        if self._file is not None and self._size <= FILE_SIZE:
            return self._file
        self._shut()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "studio.log"
        if path.exists() and path.stat().st_size > FILE_SIZE:
            for number in range(FILES - 1, 0, -1):
                newer = path.with_name(f"studio.log.{number - 1}") if number > 1 else path
                with contextlib.suppress(FileNotFoundError):
                    os.replace(newer, path.with_name(f"studio.log.{number}"))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        self._size = os.fstat(self._file).st_size
        return self._file

    def _shut(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _note(missing: int) -> str:
    told = f"{missing} lines are missing here: the disk was full, or too slow"
    return f"{_stamp(int(time.time()))} studio warning {told}\n"
