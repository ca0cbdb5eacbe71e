"""Which release wrote the state folder; before another does, what it may write anew is kept.

Journals are only appended to, and results never changed, so the files written as a whole are all
that an older release could lose something of.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from llm_studio.errors import StudioError
from llm_studio.storage import write_atomically

NOTE = "release"
REWRITTEN = ("images.json", "beside.json", "gpu-overheads.json", "bench/speeds.json")


def taken_over(state: Path, release: str) -> Path | None:
    """From now on this release writes here. Where copies of another one's files are, if there was
    another; a disk that is full keeps nobody from starting, and it is tried again then."""
    note = state / NOTE
    try:
        before = note.read_text(errors="replace").strip() if note.exists() else ""
        if before == release:
            return None
        kept = _kept(state, before) if before else None
        write_atomically(note, f"{release}\n")
    except (OSError, StudioError):
        return None
    return kept


def _kept(state: Path, release: str) -> Path | None:
    name = re.sub(r"[^\w.+-]+", "-", release)[:40].strip(".")
    folder = state / "before" / (name or "unknown")
    found = [each for each in REWRITTEN if (state / each).is_file()]
    for each in found:
        copy = folder / each
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(state / each, copy)
    return folder if found else None
