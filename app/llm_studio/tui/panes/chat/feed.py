"""Follows answers as they grow, and hands what came to the screen at a pace that it can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from llm_studio.client import answer_of
from llm_studio.errors import NotFound, StudioError
from llm_studio.tui.panes.chat.model import Message
from llm_studio.tui.wire import Event, Wire

PACE = 0.05
"""Seconds between two drawings at least: more often, nobody could read."""
SHARE = 6
"""A drawing that takes long is followed by a rest of so many times its length."""
AGAIN = 0.5


async def ask(wire: Wire, method: str, route: str, body: Any = None, **query: Any) -> Any:
    """As `Wire.ask`, but texts come whole and as they are: the model makes them safe."""
    return answer_of(await wire.exchange(method, route, body, **query))


class Follower:
    """One answer: `grew` is called when there is something to draw, `ended` at its end."""

    def __init__(
        self,
        wire: Wire,
        conversation: str,
        message: Message,
        *,
        grew: Callable[[Message], None],
        ended: Callable[[Message], None],
    ) -> None:
        self._wire = wire
        self._conversation = conversation
        self._route = f"/conversations/{conversation}/messages/{message.id}/events"
        self._message = message
        self._grew = grew
        self._ended = ended
        self._mark = ""
        self._pieces: list[dict[str, Any]] = []
        self._drawn = 0.0
        self._rest = PACE
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until the answer's end, however often the connection breaks."""
        message = self._message
        message.text = message.thought = ""
        message.document = None
        try:
            while True:
                try:
                    async for event in self._wire.stream(self._route, self._mark):
                        self._mark = event.mark
                        if event.name == "end":
                            self._end(event)
                            return
                        self._pieces.append(event.data)
                        self._soon()
                    await ask(self._wire, "GET", f"/conversations/{self._conversation}")
                except NotFound:  # it was deleted meanwhile
                    return
                except (StudioError, OSError, ValueError, TimeoutError):
                    pass
                await asyncio.sleep(AGAIN)  # the studio is away; the mark goes on where it stopped
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _soon(self) -> None:
        if self._timer is None:
            wait = max(self._drawn + self._rest - time.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._draw)

    def _draw(self) -> None:
        self._timer = None
        begun = time.monotonic()
        self._take()
        self._grew(self._message)
        self._drawn = time.monotonic()
        self._rest = max(PACE, SHARE * (self._drawn - begun))

    def _take(self) -> None:
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return
        merged = dict(pieces[-1])
        merged["text"] = "".join(each.get("text", "") for each in pieces)
        merged["thought"] = "".join(each.get("thought", "") for each in pieces)
        for key in ("tools", "figures", "stage"):
            found = next((each[key] for each in reversed(pieces) if key in each), None)
            if found is not None:
                merged[key] = found
        self._message.grow(merged)

    def _end(self, event: Event) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._take()
        self._message.take(event.data)
        self._ended(self._message)
