"""Blocking work in a thread of its own, which whoever waits for it can end at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Interrupt:
    """What the work waits on is closed when it is to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._close: Callable[[], None] | None = None
        self.set = False

    def closes(self, close: Callable[[], None]) -> None:
        """From now on an interrupt calls this; at once, if it came before."""
        with self._lock:
            self._close = close
            late = self.set
        if late:
            close()

    def fire(self) -> None:
        with self._lock:
            self.set = True
            close = self._close
        if close is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                close()


async def in_thread(name: str, work: Callable[[Interrupt], T]) -> T:
    """The work's result. Cancelled, it interrupts the work and waits until that has ended."""
    interrupt, loop = Interrupt(), asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work(interrupt)
        except BaseException as caught:  # raised again where it is waited for
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        # Closing may have to ask Docker, so it is for a thread too.
        await asyncio.gather(asyncio.to_thread(interrupt.fire), asyncio.wait([done]))
        done.exception()  # whatever an interrupted work says
        raise
