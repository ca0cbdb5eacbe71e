"""What the engine allocated on each device, put together from the lines of its log."""

from __future__ import annotations

from llm_studio.engines.log_events import (
    FITTING,
    LOADING,
    Buffer,
    DeviceMemory,
    Event,
    MemoryTable,
    Stage,
)
from llm_studio.schema import DeviceSplit
from llm_studio.text import untrusted_line

MiB = 1 << 20
MOST = 64
"""Devices; more are no devices but a log that was made to look so."""
_PARTS = {"weights": 0, "context": 1, "recurrent": 1, "compute": 2, "output": 2}


class Allocation:
    """The engine's own table where it prints one, else the sums of its buffers."""

    def __init__(self) -> None:
        self._table: dict[str, DeviceSplit] = {}
        self._buffers: dict[str, list[float]] = {}
        self._stage = ""

    def take(self, event: Event | None) -> None:
        match event:
            case Stage(name):
                if self._stage == FITTING and name == LOADING:
                    self._buffers = {}  # till now it only tried what would fit
                self._stage = name
            case MemoryTable(rows):
                self._table = {}
                for row in rows:
                    self._add_row(row)
            case DeviceMemory():
                self._add_row(event)
            case Buffer(device, kind, mib):
                if device in self._buffers or len(self._buffers) < MOST:
                    parts = self._buffers.setdefault(device, [0.0, 0.0, 0.0])
                    parts[_PARTS[kind]] += mib
            case _:
                pass

    def _add_row(self, row: DeviceMemory) -> None:
        if len(self._table) < MOST:
            device = untrusted_line(row.device)
            self._table[device] = DeviceSplit(
                device=device, weights=row.model * MiB, context=row.context * MiB,
                compute=row.compute * MiB,
            )  # fmt: skip

    @property
    def devices(self) -> list[DeviceSplit]:
        if self._table:
            return list(self._table.values())
        return [
            DeviceSplit(
                device=untrusted_line(device),
                weights=int(weights * MiB),
                context=int(context * MiB),
                compute=int(compute * MiB),
            )
            for device, (weights, context, compute) in self._buffers.items()
        ]
