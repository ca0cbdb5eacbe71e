"""How long to wait before what crashed is started again, and when to give it up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat

DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0)
WINDOW = 600.0
"""Seconds in which crashes count as one series."""
SELDOM = 30.0
"""Seconds between looks for what stays away: each reads the models folder."""


def looks() -> Iterator[float]:
    """Seconds to wait before each look whether what is away has come back."""
    return chain(DELAYS, repeat(SELDOM))


class Backoff:
    def __init__(self) -> None:
        self._crashes: deque[float] = deque(maxlen=len(DELAYS) + 1)

    @property
    def crashes(self) -> int:
        """Those of the present series."""
        now = time.monotonic()
        return sum(1 for at in self._crashes if now - at < WINDOW)

    def after_crash(self) -> float | None:
        """Seconds to wait; None when it crashed too often."""
        self._crashes.append(time.monotonic())
        return DELAYS[self.crashes - 1] if self.crashes <= len(DELAYS) else None
