"""A defect of ours, in plain words; the traceback goes into a file for the report."""

from __future__ import annotations

import contextlib
import traceback
from pathlib import Path

from llm_studio import __version__
from llm_studio.errors import StudioError


def told(error: BaseException, state: Path) -> tuple[StudioError, list[str]]:
    """The error for people, and its details."""
    details = "".join(traceback.format_exception(error)).splitlines()
    path = state / "ui-defect.txt"
    kept = False
    with contextlib.suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([f"llm-studio {__version__}", *details, ""]), errors="replace")
        kept = True
    return (
        StudioError(
            "The terminal UI met a defect of its own",
            why=f"{type(error).__name__}: {error}"[:300],
            hint=f"The studio and its model go on. Details: {path}" if kept else "",
        ),
        details,
    )
