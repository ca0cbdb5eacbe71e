"""A thread for one kind of reading, so that a slow one holds up nothing but itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """Makes one reading at a time. A daemon thread: one that hangs in a driver lets us end."""

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self._name = name
        self._read = read
        self._asked: SimpleQueue[Future[T] | None] = SimpleQueue()
        self._present: Future[T] | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._present is not None and not self._present.done()

    def ask(self) -> Future[T]:
        """A new reading; the one that is under way, if there is one."""
        if self._present is None or self._present.done():
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._present = Future()
            self._present.set_running_or_notify_cancel()  # who loses interest ends nothing
            self._asked.put(self._present)
        return self._present

    def close(self) -> None:
        if self._thread is not None:
            self._asked.put(None)
            self._thread = None

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                found = self._read()
            except BaseException as error:
                asked.set_exception(error)
            else:
                asked.set_result(found)
