"""How fast a file comes from its disk, past what memory keeps of it."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from llm_studio.probes.doctor.system import Speed

BLOCK = 4 << 20
MOST = 512 << 20
LONGEST = 0.8


def disk_speed(path: Path) -> Speed:
    """Reads at most 512 MiB for at most 0.8 s, from the file's middle: a beginning that was just
    listed may be in memory, in the disk's own too."""
    size = path.stat().st_size
    start = (size // 2 if size > 2 * MOST else 0) // BLOCK * BLOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    except OSError:  # a file system that cannot
        return _around_memory(path, start)
    try:
        if not hasattr(os, "O_DIRECT"):
            return _around_memory(path, start)
        try:
            done, seconds = _timed(descriptor, start)
        except OSError:  # it can be opened so, but not read
            return _around_memory(path, start)
        return Speed(done, seconds, "read directly, past the page cache")
    finally:
        os.close(descriptor)


def _around_memory(path: Path, start: int) -> Speed:
    """Where reading past the cache cannot be asked for: without it, or after dropping it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, start, MOST, os.POSIX_FADV_DONTNEED)
            how = "read after asking the system to drop it from memory"
        else:
            import fcntl

            fcntl.fcntl(descriptor, getattr(fcntl, "F_NOCACHE", 48), 1)
            how = "read past the cache (F_NOCACHE)"
        done, seconds = _timed(descriptor, start)
    finally:
        os.close(descriptor)
    return Speed(done, seconds, how)


def _timed(
    descriptor: int, start: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[int, float]:
    os.lseek(descriptor, start, os.SEEK_SET)
    done, begun = 0, clock()
    # An anonymous map begins at a page, as direct reads want.
    with mmap.mmap(-1, BLOCK) as block:
        while done < MOST and clock() - begun < LONGEST:
            got = os.readv(descriptor, [block])
            done += got
            if got < BLOCK:
                break
    return done, clock() - begun
