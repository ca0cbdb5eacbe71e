"""Writes files so that a crash or a full disk leaves the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from llm_studio.errors import StudioError


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `content` in one step; a link is followed, so that it stays a link."""
    target = Path(os.path.realpath(path))
    try:
        raw = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        raise StudioError(f"Cannot write {path}", why="The text is not valid Unicode.") from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else mode)
        os.replace(name, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> StudioError:
    return StudioError(
        f"Cannot write {path}",
        why=error.strerror or str(error),
        hint="The file is as it was. Free some space or mend the permissions, then try again.",
    )
