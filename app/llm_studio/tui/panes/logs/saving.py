"""Lines of the log as a file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from llm_studio.errors import StudioError
from llm_studio.tui.panes.logs.lines import Line


def written(typed: str, lines: Iterable[Line]) -> Path:
    """Write a new file, at the path that somebody typed; nothing is written over."""
    path = Path(typed)
    try:
        path = path.expanduser()
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.writelines(map(_row, lines))
    except (OSError, ValueError, RuntimeError) as error:  # as for a NUL, or a user who is none
        raise StudioError(
            f"Cannot write {path}",
            why=getattr(error, "strerror", None) or str(error),
            hint="Choose another file." if isinstance(error, FileExistsError) else "",
        ) from error
    return path


def _row(line: Line) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(line.time))
    return f"{moment} {line.source} {line.level} {line.text}\n"
