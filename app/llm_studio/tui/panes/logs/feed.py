"""Pulls the studio's log by number: the newest lines first, older ones while it is calm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from sys import intern

from llm_studio.client import answer_of
from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line
from llm_studio.tui.panes.logs.lines import KEPT, Line, Lines
from llm_studio.tui.wire import Wire

FIRST = 500
"""Lines that are shown at once."""
OLDER = 4000
LONGEST = 1 << 16
MOST = 10_000
BREATH = 0.05
"""Seconds between two readings while lines pour in."""
WAIT = 20.0


class Feed:
    """Fills `lines`, and calls `changed` whenever there are others."""

    def __init__(self, wire: Wire, lines: Lines, changed: Callable[[], None]) -> None:
        self._wire = wire
        self._lines = lines
        self._changed = changed
        self._all_read = False

    async def run(self) -> None:
        """Follow for ever; a studio that is away is asked again."""
        while True:
            try:
                await self._begin()
                while True:
                    await self._step()
            except (StudioError, OSError, ValueError):
                await asyncio.sleep(0.5)

    async def _begin(self) -> None:
        """Go on where it stopped, if that is still near; else from the newest lines."""
        first, lines, last = await self._read(-FIRST, FIRST)
        ours = self._lines
        if len(ours) and first - 1 <= ours.last <= last:
            return
        ours.restart(first, lines)
        self._all_read = first <= 1
        self._changed()

    async def _step(self) -> None:
        """One reading: what is new, or if nothing is, what is older."""
        ours = self._lines
        wait = 0.0 if not self._all_read else WAIT
        first, lines, last = await self._read(ours.last, MOST, wait)
        if last < ours.last or (lines and first != ours.last + 1):
            await self._begin()  # lines were lost on the way, so fast did they come
        elif lines:
            ours.append(lines)
            self._changed()
            await asyncio.sleep(BREATH)
        elif not self._all_read:
            await self._read_older()

    async def _read_older(self) -> None:
        ours = self._lines
        wanted = min(OLDER, ours.first - 1, KEPT - len(ours))
        if wanted > 0:
            first, lines, _ = await self._read(ours.first - 1 - wanted, wanted)
            older = lines[: max(ours.first - first, 0)]
            ours.prepend(older)
            self._all_read = first > ours.first or len(older) < wanted
            ours.whole = self._all_read or ours.first == 1
            self._changed()
        else:
            self._all_read = ours.whole = True

    async def _read(self, since: int, limit: int, wait: float = 0.0) -> tuple[int, list[Line], int]:
        """The number of the first line, the lines, and the number of the last one."""
        raw = await self._wire.exchange(
            "GET", "/logs", since=since, limit=limit, wait=wait or None, within=WAIT + 10
        )
        page = answer_of(raw)
        lines = [
            Line(
                each["time"],
                intern(each["source"]),  # a few words, thousands of times
                intern(each["level"]),
                untrusted_line(each["text"], limit=LONGEST),
            )
            for each in page["lines"]
        ]
        return page["last"] - len(lines) + 1, lines, page["last"]
