"""What every kind of GPU can be asked. One kind is one module in `probes/gpus`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Reading = dict[str, Any]
"""Fields of `schema.GpuSample` by name. One that is left out, or None, is not known here."""


class Gpu(Protocol):
    """One GPU. A call may take as long as its driver likes; it raises nothing."""

    def memory(self) -> Reading:
        """What planning needs: name, UUID, memory; `fault` if even that is not to be had."""
        ...

    def read(self) -> Reading:
        """Everything that it tells now; with `fault` and `hint` if it does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The GPUs of one kind, in the order in which engines count them, and what is wrong."""

    gpus: Sequence[Gpu] = ()
    notes: tuple[str, ...] = ()


class GpuProbe(Protocol):
    """GPUs of one kind. A machine without any is no fault, and is told by finding none."""

    kind: str

    def look(self) -> Found:
        """Find them anew, as after a driver came back. Raises nothing."""
        ...

    def close(self) -> None: ...
