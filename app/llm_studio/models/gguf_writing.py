"""Writes small GGUF files (version 3): models that the program makes itself."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

F32, F16 = 0, 1
_BYTES = {F32: 4, F16: 2}
_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Made:
    """One tensor: its shape with the fastest dimension first, and its numbers when asked for."""

    name: str
    shape: tuple[int, ...]
    type: int
    data: Callable[[], bytes]

    @property
    def size(self) -> int:
        return prod(self.shape) * _BYTES[self.type]


@dataclass(frozen=True, slots=True)
class Strings:
    """An array of texts."""

    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array of numbers of one type, as `struct` names it: "f" or "i"."""

    code: str
    values: Sequence[float] | Sequence[int]


Entry = str | int | float | bool | Strings | Numbers


def head(metadata: Mapping[str, Entry], tensors: Sequence[Made]) -> bytes:
    """Everything before the tensors' data."""
    parts = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))]
    parts += [_text(key) + _entry(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        parts.append(_text(tensor.name) + shape + struct.pack("<IQ", tensor.type, offset))
        offset += _aligned(tensor.size)
    return _padded(b"".join(parts))


def whole(metadata: Mapping[str, Entry], tensors: Sequence[Made]) -> bytes:
    return head(metadata, tensors) + b"".join(_padded(tensor.data()) for tensor in tensors)


def size_of(metadata: Mapping[str, Entry], tensors: Sequence[Made]) -> int:
    """Bytes of the whole file."""
    return len(head(metadata, tensors)) + sum(_aligned(tensor.size) for tensor in tensors)


def _entry(value: Entry) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case Strings(values):
            return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(_text, values))
        case Numbers(code, values):
            kind = {"f": 6, "i": 5}[code]
            packed = struct.pack(f"<{len(values)}{code}", *values)
            return struct.pack("<IIQ", 9, kind, len(values)) + packed


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (_aligned(len(raw)) - len(raw))
