"""How much of its files a process has taken in: the true progress of a model that loads.

A model is mapped or read, to host memory or on to a GPU; whichever way, its bytes pass through
the process, and one of these counts shows them.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def bytes_taken(pid: int) -> int | None:
    """The most that any count shows, of the process and its children; None where none can be
    read."""
    import psutil

    most: int | None = None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            taken = _of(each)
            if taken is not None:
                most = max(most or 0, taken)
    return most


def _of(process: object) -> int | None:
    import psutil

    assert isinstance(process, psutil.Process)
    counts: list[int] = []
    folder = Path(f"/proc/{process.pid}")
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (folder / "status").read_text().splitlines():
            if line.startswith("RssFile:"):
                counts.append(int(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError, IndexError):  # of another user's: not readable
        counts.append(int((folder / "io").read_text().split("\n")[0].split()[1]))
    if not counts:
        with contextlib.suppress(psutil.Error):
            counts.append(int(process.memory_info().rss))
    return max(counts, default=None)
