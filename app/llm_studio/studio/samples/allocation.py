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
HOST = "Host"
MOST = 64
"""Devices; more are no devices but a log that was made to look so."""
_PARTS = {"weights": 0, "context": 1, "recurrent": 1, "compute": 2, "output": 2}


class Allocation:
    """The sums of its buffers; where it tells none, the table of what it meant to take."""

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
                name = _device(device)
                if name in self._buffers or len(self._buffers) < MOST:
                    self._buffers.setdefault(name, [0.0, 0.0, 0.0])[_PARTS[kind]] += mib
            case _:
                pass

    def _add_row(self, row: DeviceMemory) -> None:
        if len(self._table) < MOST:
            name = _device(row.device)
            self._table[name] = _split(name, row.model, row.context, row.compute)

    @property
    def devices(self) -> list[DeviceSplit]:
        if self._buffers:
            return [_split(name, *parts) for name, parts in self._buffers.items()]
        return list(self._table.values())

    @property
    def on_host_alone(self) -> bool:
        """Whether it is told where all of it is, and none of it is on a GPU."""
        return {each.device for each in self.devices} == {HOST}


def _device(name: str) -> str:
    """The device that a buffer is on: pinned and plain host memory is no GPU's."""
    if name.startswith("CPU") or name.endswith("_Host"):
        return HOST
    return untrusted_line(name.removesuffix("_Mapped"))


def _split(device: str, weights: float, context: float, compute: float) -> DeviceSplit:
    return DeviceSplit(
        device=device,
        weights=int(weights * MiB),
        context=int(context * MiB),
        compute=int(compute * MiB),
    )
