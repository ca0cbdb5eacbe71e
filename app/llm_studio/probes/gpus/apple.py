"""The GPU of Apple Silicon, as far as macOS tells without root: how busy it is, and its memory.

Power, temperature and clocks need root there (`powermetrics`), so they are left out.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from llm_studio.probes.gpu import Found, Reading
from llm_studio.text import untrusted_line

_COMMAND = ("/usr/sbin/ioreg", "-r", "-d", "1", "-w", "0", "-a", "-c", "IOAccelerator")


def probe() -> Apple:
    return Apple()


def ask_ioreg() -> bytes:
    return subprocess.run(_COMMAND, capture_output=True, timeout=10, check=True).stdout


class Apple:
    kind = "apple"

    def __init__(
        self, ask: Callable[[], bytes] = ask_ioreg, *, here: bool = sys.platform == "darwin"
    ) -> None:
        self._ask = ask
        self._here = here

    def look(self) -> Found:
        if not self._here:
            return Found()
        count = len(_accelerators(self._ask))
        return Found(tuple(AppleGpu(index, self._ask) for index in range(count)))

    def close(self) -> None:
        return


class AppleGpu:
    def __init__(self, index: int, ask: Callable[[], bytes]) -> None:
        self._index = index
        self._ask = ask

    def memory(self) -> Reading:
        return self.read()

    def read(self) -> Reading:
        reading: Reading = {"kind": "apple", "index": self._index}
        found = _accelerators(self._ask)
        if self._index >= len(found):
            return {**reading, "fault": "macOS does not tell about the GPU", "hint": ""}
        told = found[self._index]
        now = told.get("PerformanceStatistics")
        now = now if isinstance(now, dict) else {}
        return {
            **reading,
            "name": untrusted_line(str(told.get("model", "Apple GPU"))),
            # One memory for both; what is free of it, the host's figures tell.
            "memory_total": _whole_memory(),
            "memory_used": _number(now.get("In use system memory")),
            "utilisation": _number(now.get("Device Utilization %")),
        }


def _accelerators(ask: Callable[[], bytes]) -> list[dict[str, Any]]:
    try:
        listed = plistlib.loads(ask())
    except Exception:  # no ioreg, or it tells no property list: parsers raise all sorts of things
        return []
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _whole_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
