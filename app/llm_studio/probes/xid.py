"""Xid errors: NVIDIA's driver's reports of faults, as they come in. Not every GPU has them."""

from __future__ import annotations

import contextlib
import time
from ctypes import c_void_p, cast
from typing import Any

import pynvml

Xid = tuple[int, float]
"""The driver's number of a fault, and when."""


class XidEvents:
    """Those of all GPUs, by their place."""

    def __init__(self, seen: dict[int, Xid]) -> None:
        self._seen = seen
        self._set: Any = None
        with contextlib.suppress(pynvml.NVMLError):
            self._set = pynvml.nvmlEventSetCreate()
        self._watched: dict[int, int] = {}

    def watch(self, device: Any, index: int) -> None:
        if self._set is not None:
            with contextlib.suppress(pynvml.NVMLError):
                xid = pynvml.nvmlEventTypeXidCriticalError
                pynvml.nvmlDeviceRegisterEvents(device, xid, self._set)
                self._watched[_address(device)] = index

    def read(self) -> None:
        if not self._watched:
            return
        with contextlib.suppress(pynvml.NVMLError):
            for _ in range(100):  # ends at the first time that nothing is there
                event = pynvml.nvmlEventSetWait(self._set, 0)
                index = self._watched.get(_address(event.device))
                if index is not None:
                    self._seen[index] = (int(event.eventData), time.time())

    def last(self, index: int) -> Xid | tuple[None, None]:
        return self._seen.get(index, (None, None))

    def close(self) -> None:
        if self._set is not None:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlEventSetFree(self._set)
            self._set = None


def _address(device: Any) -> int:
    """Handles are pointers to what pynvml leaves opaque; equal ones mean the same GPU."""
    return cast(device, c_void_p).value or 0
