"""What is kept as JSON, a line or a file each: appended so that nothing else is harmed, and read
back by any release, whatever an earlier or a later one wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Kept = TypeVar("Kept")
_READERS: dict[type, TypeAdapter[Any]] = {}


def append(path: Path, text: str, *, sync: bool = False) -> None:
    """All of the text or, where that fails, nothing of it; with `sync` a power cut spares it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text  # what a kill cut off stays a line of its own
        data = text.encode()
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def restored(kind: type[Kept], raw: str | bytes) -> Kept | None:
    """What was kept; nothing where it is damaged. Fields that this release lacks are left out, and
    those that an earlier one lacked have their defaults."""
    reader = _READERS.get(kind) or _READERS.setdefault(kind, TypeAdapter(kind))
    try:
        kept: Kept = reader.validate_json(raw)
    except ValueError:
        return None
    return kept
