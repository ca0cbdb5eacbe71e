"""What a GPU takes for itself when llama.cpp runs on it: driver context and library workspaces.

No formula tells it, so it is measured at a load (memory gone, less what llama.cpp asked for) and
kept per GPU. Until then a value stands in that is on the safe side for common cards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from llm_studio.models.memory import MiB
from llm_studio.storage import write_atomically

UNMEASURED = 512 * MiB
IMPLAUSIBLE = 8192 * MiB


def known_overheads(state: Path) -> Mapping[str, int]:
    """Bytes by GPU, as measured on this machine; what cannot be read is measured again."""
    try:
        kept = json.loads(_file(state).read_text(encoding="utf-8"))
        return {str(gpu): int(size) for gpu, size in kept.items() if 0 <= int(size) < IMPLAUSIBLE}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def keep_overhead(state: Path, gpu: str, taken: int, asked: int) -> None:
    """Remember what a load took on a GPU beyond what llama.cpp asked for."""
    measured = taken - asked
    if 0 <= measured < IMPLAUSIBLE:
        kept = {**known_overheads(state), gpu: measured}
        write_atomically(_file(state), json.dumps(kept, indent=2) + "\n")


def _file(state: Path) -> Path:
    return state / "gpu-overheads.json"
