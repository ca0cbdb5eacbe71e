"""One studio for a home: whoever holds the lock is it. The system frees it at any end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from llm_studio.errors import NotReady, StudioError

POLL = 0.02


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Holds the lock of this home; a second studio is refused."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(_path(state), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StudioError(
            f"Nothing can be kept in {state}",
            why=error.strerror or str(error),
            hint="Mend that, or put everything elsewhere with LLM_STUDIO_HOME.",
        ) from error
    try:
        if not _locked(descriptor):
            raise NotReady(
                "A studio of this home runs already",
                hint="`llm-studio status` asks it; `llm-studio shutdown` ends it.",
            )
        with contextlib.suppress(OSError):  # a full disk: the number is for emergencies alone
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Tries it a few times, for whoever only looks holds it for a moment too."""
    for _ in range(5):
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(POLL)
    return False


def held(state: Path) -> bool:
    """Whether a studio of this home runs, whatever it is doing."""
    try:
        descriptor = os.open(_path(state), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(state: Path) -> int | None:
    """The process that holds the lock."""
    if held(state):
        with contextlib.suppress(OSError, ValueError):
            return int(_path(state).read_text())
    return None


def until_free(state: Path, limit: float) -> bool:
    """Waits for the end of the studio of this home; False if it still runs after the limit."""
    deadline = time.monotonic() + limit
    while held(state):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def _path(state: Path) -> Path:
    return state / "studio.lock"
