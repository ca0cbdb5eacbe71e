"""How fast the terminal, and the link to it, takes what is sent."""

from __future__ import annotations

_TELLING = 1024
"""Smaller frames tell about the round trip, larger ones about the rate."""
_SLOW = 48 * 1024
_FAST = 96 * 1024
_FAR = 0.4


class Pace:
    """A measure that settles within a few frames. Nothing is assumed before the first."""

    def __init__(self) -> None:
        self.round_trip = 0.0
        """Seconds until a small frame is on the screen."""
        self.rate: float | None = None
        """Bytes a second, where a frame was large enough to tell."""
        self.frame = 0.0
        """Seconds that the last frame took."""
        self.slow = False
        """Whether the link is so slow, or so far, that repaints should be rare."""

    def took(self, size: int, seconds: float) -> None:
        """A frame of so many bytes took so long."""
        self.frame = seconds
        if size < _TELLING:
            self.round_trip = seconds if not self.round_trip else _towards(self.round_trip, seconds)
        else:
            rate = size / max(seconds - self.round_trip, 0.0005)
            self.rate = rate if self.rate is None else _towards(self.rate, rate)
        limit = _FAST if self.slow else _SLOW
        self.slow = (self.rate is not None and self.rate < limit) or self.round_trip > _FAR


def _towards(old: float, new: float) -> float:
    return old + (new - old) / 3
