"""Writes GGUF version 3 files, so tests need neither real weights nor a GGUF library.

A hole instead of data gives a file the true size and layout of a real model for a few megabytes.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path
from typing import BinaryIO, Literal

DataKind = Literal["hole", "random", "zeros"]
ValueKind = Literal[
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "u64", "i64", "f64"
]

_ALIGNMENT = 32
_STRING_TYPE = 8
_ARRAY_TYPE = 9
_SCALARS: dict[str, tuple[int, str]] = {
    "u8": (0, "B"),
    "i8": (1, "b"),
    "u16": (2, "H"),
    "i16": (3, "h"),
    "u32": (4, "I"),
    "i32": (5, "i"),
    "f32": (6, "f"),
    "bool": (7, "?"),
    "u64": (10, "Q"),
    "i64": (11, "q"),
    "f64": (12, "d"),
}


@dataclass(frozen=True)
class TensorType:
    """A ggml type: its number in the file, and how many bytes hold how many elements."""

    number: int
    block_elements: int
    block_bytes: int


TENSOR_TYPES: dict[str, TensorType] = {
    "F32": TensorType(0, 1, 4),
    "F16": TensorType(1, 1, 2),
    "Q4_0": TensorType(2, 32, 18),
    "Q4_1": TensorType(3, 32, 20),
    "Q5_0": TensorType(6, 32, 22),
    "Q5_1": TensorType(7, 32, 24),
    "Q8_0": TensorType(8, 32, 34),
    "Q2_K": TensorType(10, 256, 84),
    "Q3_K": TensorType(11, 256, 110),
    "Q4_K": TensorType(12, 256, 144),
    "Q5_K": TensorType(13, 256, 176),
    "Q6_K": TensorType(14, 256, 210),
    "IQ2_XXS": TensorType(16, 256, 66),
    "IQ2_XS": TensorType(17, 256, 74),
    "IQ3_XXS": TensorType(18, 256, 98),
    "IQ1_S": TensorType(19, 256, 50),
    "IQ4_NL": TensorType(20, 32, 18),
    "IQ3_S": TensorType(21, 256, 110),
    "IQ2_S": TensorType(22, 256, 82),
    "IQ4_XS": TensorType(23, 256, 136),
    "I8": TensorType(24, 1, 1),
    "I16": TensorType(25, 1, 2),
    "I32": TensorType(26, 1, 4),
    "I64": TensorType(27, 1, 8),
    "F64": TensorType(28, 1, 8),
    "IQ1_M": TensorType(29, 256, 56),
    "BF16": TensorType(30, 1, 2),
    "MXFP4": TensorType(39, 32, 17),
    "NVFP4": TensorType(40, 64, 36),
    "Q1_0": TensorType(41, 128, 18),
    "Q2_0": TensorType(42, 64, 18),
}


@dataclass(frozen=True)
class Typed:
    """A scalar of a type that its Python value alone does not tell (plain ints become u32)."""

    kind: ValueKind
    value: bool | int | float | str


@dataclass(frozen=True)
class Array:
    """An array of a type that its Python values alone do not tell (plain ints become i32)."""

    kind: ValueKind
    values: Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]


Value = (
    bool
    | int
    | float
    | str
    | Typed
    | Array
    | Sequence[bool]
    | Sequence[int]
    | Sequence[float]
    | Sequence[str]
)


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: its shape with the fastest dimension first, as in the file, and its bytes."""

    name: str
    shape: tuple[int, ...]
    type: str = "F32"
    data: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of the data, without padding."""
        kind = TENSOR_TYPES[self.type]
        if self.shape[0] % kind.block_elements:
            raise ValueError(f"{self.name}: rows of {self.shape[0]} do not divide into {self.type}")
        return prod(self.shape) // kind.block_elements * kind.block_bytes


def write_gguf(
    path: Path,
    metadata: Mapping[str, Value],
    tensors: Sequence[TensorSpec],
    *,
    data: DataKind = "hole",
    shards: int = 1,
    seed: int = 0,
    scale: float = 0.1,
) -> list[Path]:
    """Write one file, or `shards` files named after `path`; return them, the first one first.

    `data` fills the tensors that bring no bytes of their own; random floats lie in ±`scale`.
    """
    fill = _filler(data, random.Random(seed), scale)
    if shards == 1:
        _write_file(path, metadata, tensors, fill)
        return [path]
    written = []
    share = -(-len(tensors) // shards)
    for number in range(shards):
        split: dict[str, Value] = {
            "split.no": Typed("u16", number),
            "split.count": Typed("u16", shards),
            "split.tensors.count": Typed("i32", len(tensors)),
        }
        part = path.with_name(f"{path.stem}-{number + 1:05d}-of-{shards:05d}{path.suffix}")
        own = tensors[number * share : (number + 1) * share]
        _write_file(part, {**metadata, **split} if number == 0 else split, own, fill)
        written.append(part)
    return written


_Filler = Callable[[BinaryIO, TensorSpec], None]


def _write_file(
    path: Path, metadata: Mapping[str, Value], tensors: Sequence[TensorSpec], fill: _Filler
) -> None:
    infos = []
    offset = 0
    for tensor in tensors:
        infos.append(
            _string(tensor.name)
            + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            + struct.pack("<IQ", TENSOR_TYPES[tensor.type].number, offset)
        )
        offset += _aligned(tensor.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for key, value in metadata.items():
            file.write(_string(key) + _encoded(value))
        file.writelines(infos)
        start = _aligned(file.tell())
        file.truncate(start + offset)
        file.seek(start)
        for tensor in tensors:
            begin = file.tell()
            if tensor.data is None:
                fill(file, tensor)
            elif len(tensor.data) == tensor.size:
                file.write(tensor.data)
            else:
                raise ValueError(f"{tensor.name}: {len(tensor.data)} bytes, not {tensor.size}")
            file.seek(begin + _aligned(tensor.size))


def _filler(data: DataKind, source: random.Random, scale: float) -> _Filler:
    def random_bytes(file: BinaryIO, tensor: TensorSpec) -> None:
        if tensor.type == "F32":
            count = prod(tensor.shape)
            file.write(array("f", (source.uniform(-scale, scale) for _ in range(count))).tobytes())
        else:
            file.write(source.randbytes(tensor.size).translate(_SMALL_SCALES))

    def zeros(file: BinaryIO, tensor: TensorSpec) -> None:
        file.write(bytes(tensor.size))

    def hole(_file: BinaryIO, _tensor: TensorSpec) -> None:
        return

    return {"hole": hole, "random": random_bytes, "zeros": zeros}[data]


# A random block must not hold a scale that is infinite or not a number. Without these bits no
# byte can be the upper half of a 16-bit float above 1/16, wherever a type keeps its scales.
_SMALL_SCALES = bytes(byte & 0x2F for byte in range(256))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _encoded(value: Value) -> bytes:
    if isinstance(value, Typed):
        return _scalar(value.kind, value.value)
    if isinstance(value, Array):
        return _array(value.kind, value.values)
    if isinstance(value, (bool, int, float, str)):
        return _scalar(_kind_of(value, integers="u32"), value)
    return _array(_kind_of(value[0], integers="i32"), value) if value else _array("i32", [])


def _kind_of(value: bool | int | float | str, *, integers: ValueKind) -> ValueKind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return integers
    return "f32" if isinstance(value, float) else "str"


def _scalar(kind: ValueKind, value: bool | int | float | str) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING_TYPE) + _string(value)
    number, letter = _SCALARS[kind]
    return struct.pack(f"<I{letter}", number, value)


def _array(
    kind: ValueKind,
    values: Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str],
) -> bytes:
    if kind == "str":
        return struct.pack("<IIQ", _ARRAY_TYPE, _STRING_TYPE, len(values)) + _strings(
            str(value) for value in values
        )
    number, letter = _SCALARS[kind]
    head = struct.pack("<IIQ", _ARRAY_TYPE, number, len(values))
    return head + struct.pack(f"<{len(values)}{letter}", *values)


def _strings(texts: Iterable[str]) -> bytes:
    # Vocabularies have hundreds of thousands of entries: one join, no function call per entry.
    pack = struct.Struct("<Q").pack
    raws = [text.encode() for text in texts]
    return b"".join(chain.from_iterable((pack(len(raw)), raw) for raw in raws))
