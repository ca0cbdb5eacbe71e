"""Figures as people read them."""

from __future__ import annotations

import time


def size(count: float) -> str:
    """Bytes, like "4.6 GiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit in ("B", "KiB") else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def gib(count: float) -> str:
    """Bytes in GiB without the unit, for figures side by side."""
    value = count / (1 << 30)
    return f"{value:.1f}" if value >= 1 or not count else f"{value:.2f}"


def tokens(count: int) -> str:
    """Tokens of context: "128K" where it is a round number, else in full."""
    return f"{count // 1024}K" if count and count % 1024 == 0 else f"{count:,}"


def ago(seconds: float) -> str:
    """A span of time, like "12 s" or "3 h"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def moment(seconds: float) -> str:
    """A time of today, or the day of an earlier one; it says the same until midnight."""
    then, now = time.localtime(seconds), time.localtime()
    today = (then.tm_year, then.tm_yday) == (now.tm_year, now.tm_yday)
    return time.strftime("%H:%M" if today else "%d %b", then)


def counted(count: int, thing: str) -> str:
    """ "1 request", "2 requests"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def bar(fraction: float, width: int) -> str:
    """A bar of some cells."""
    full = round(min(max(fraction, 0.0), 1.0) * width)
    return "━" * full + "─" * (width - full)
