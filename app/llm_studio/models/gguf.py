"""Reads a GGUF file's header: metadata and tensor list, never the weights.

Headers come from the internet, so nothing in them is believed: every length is checked against
what is left of the file and against fixed limits before a byte is read or kept, and the reader
moves through the file with a small window, so that memory stays flat whatever the header claims.
Big arrays (a vocabulary has 150,000 strings) are walked over, checked, and kept as their size only.
"""

from __future__ import annotations

import functools
import io
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line

MAGIC = b"GGUF"
VERSIONS = (2, 3)

MAX_ENTRIES = 65_536
"""Metadata entries or tensors; the largest real models have a few thousand tensors."""
MAX_KEY = 65_535
MAX_STRING = 64 * 1024 * 1024
"""Longest string walked over."""
MAX_KEPT_STRING = 4 * 1024 * 1024
"""Longest string kept; chat templates are some kilobytes."""
MAX_KEPT_TEXT = 32 * 1024 * 1024
"""All kept strings together."""
MAX_KEPT_ARRAY = 1_024
"""Longest array kept; arrays that say something per layer are shorter."""
MAX_ARRAY = 1 << 24
"""Longest array walked over; the largest vocabularies have some 300,000 entries."""
MAX_KEPT_VALUES = 1 << 20
"""All kept array elements together."""
MAX_DIMENSIONS = 4
WINDOW = 1 << 20


class BadModelFile(StudioError):
    """The file is not a model file that llama.cpp could load."""


class ValueType(IntEnum):
    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


_SCALARS = {
    ValueType.UINT8: "B",
    ValueType.INT8: "b",
    ValueType.UINT16: "H",
    ValueType.INT16: "h",
    ValueType.UINT32: "I",
    ValueType.INT32: "i",
    ValueType.FLOAT32: "f",
    ValueType.BOOL: "?",
    ValueType.UINT64: "Q",
    ValueType.INT64: "q",
    ValueType.FLOAT64: "d",
}
_SCALAR_SIZE = {kind: struct.calcsize(f"<{code}") for kind, code in _SCALARS.items()}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class TensorType:
    """A storage type of ggml: so many elements in a block of so many bytes."""

    name: str
    elements: int
    size: int


TENSOR_TYPES: Mapping[int, TensorType] = {
    number: TensorType(name, elements, size)
    for number, name, elements, size in (
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 18),
        (3, "Q4_1", 32, 20),
        (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24),
        (8, "Q8_0", 32, 34),
        (9, "Q8_1", 32, 36),
        (10, "Q2_K", 256, 84),
        (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144),
        (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210),
        (15, "Q8_K", 256, 292),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17),
        (40, "NVFP4", 64, 36),
        (41, "Q1_0", 128, 18),
        (42, "Q2_0", 64, 18),
    )
}
"""ggml's types by number. A file with another is refused: its size could not be told."""


@dataclass(frozen=True, slots=True)
class ArraySize:
    """Stands for an array that was too long to keep."""

    kind: ValueType
    count: int


Scalar = str | int | float | bool
Value = Scalar | tuple[Scalar, ...] | ArraySize


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header lists it."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def size(self) -> int:
        elements = 1
        for extent in self.shape:
            elements *= extent
        return elements // self.type.elements * self.type.size


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says about itself."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int

    @property
    def architecture(self) -> str:
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else ""


def read_header(path: Path) -> Header:
    """The header of the file; `BadModelFile` says what is wrong with one that cannot be used."""
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return _Parser(_Reader(file, size, path)).header()
    except OSError as error:
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error


def parse_header(head: bytes, size: int, path: Path) -> Header:
    """The header of a file of this size that is not written yet."""
    return _Parser(_Reader(io.BytesIO(head), size, path)).header()


class _Reader:
    """Walks forward through a file with one window in memory."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file = file
        self._window = b""
        self._start = 0  # where in the file the window begins
        self._at = 0  # next byte, within the window
        self.size = size
        self.path = path

    @property
    def position(self) -> int:
        return self._start + self._at

    @property
    def left(self) -> int:
        return self.size - self.position

    def bad(self, why: str, *, hint: str = "") -> BadModelFile:
        return BadModelFile(
            f"{untrusted_line(self.path.name)} is not a usable model file",
            why=f"{why} (at byte {self.position:,})",
            hint=hint or "Download it again, or remove it.",
        )

    def _refill(self, need: int) -> None:
        """Make the window hold `need` bytes from the current position on."""
        if need > self.left:
            raise self.bad(
                f"the file ends inside its header, {need - max(self.left, 0):,} bytes short",
                hint="The download was cut short. Download it again.",
            )
        start = self.position
        self._file.seek(start)
        parts, length = [], 0
        while length < need:
            part = self._file.read(max(WINDOW, need) - length)
            if not part:
                raise self.bad("the file shrank while it was read")
            parts.append(part)
            length += len(part)
        self._window = b"".join(parts)
        self._start, self._at = start, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._window):
            self._refill(count)
        taken = self._window[self._at : self._at + count]
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        if count > self.left:
            self._refill(count)  # raises, with the numbers
        self._at += count
        if self._at > len(self._window):
            self._start, self._at, self._window = self.position, 0, b""

    def u32(self) -> int:
        number: int = _U32.unpack(self.take(4))[0]
        return number

    def u64(self) -> int:
        number: int = _U64.unpack(self.take(8))[0]
        return number

    def skip_strings(self, count: int) -> None:
        """Step over `count` length-prefixed strings, each length checked."""
        if count * 8 > self.left:
            raise self.bad(f"an array claims {count:,} strings, more than the file can hold")
        while count:
            count -= self._skip_short_strings(count)
            if not count:
                break
            length = self.u64()  # a long one, or the window's end: this reads on
            if length > MAX_STRING:
                raise self.bad(f"a string claims {length:,} bytes")
            self.skip(length)
            count -= 1

    def _skip_short_strings(self, count: int) -> int:
        """Step over as many strings as are short and whole within the window, at C speed."""
        walked = 0
        for run in (1024, 32, 1):
            match = _short_strings(run).match
            while count - walked >= run:
                found = match(self._window, self._at)
                if found is None:
                    break
                self._at = found.end()
                walked += run
        return walked


_LIKELY_LENGTHS = (6, 5, 7, 4, 8, 3, 9, 10, 2, 11, 12, 1, 13, *range(14, 256), 0)


@functools.cache
def _short_strings(run: int) -> re.Pattern[bytes]:
    """Matches exactly `run` strings shorter than 256 bytes.

    Walking a vocabulary in Python costs a hundred nanoseconds a string. As a pattern (one
    alternative for each length, no way back) the regular-expression engine does it in half.
    """
    lengths = b"|".join(
        re.escape(bytes([length])) + rb"\x00{7}" + (b".{%d}" % length if length else b"")
        for length in _LIKELY_LENGTHS
    )
    return re.compile(b"(?:%s){%d}+" % (lengths, run), re.DOTALL)


class _Parser:
    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._kept = 0
        self._kept_values = 0

    def header(self) -> Header:
        version = self._preamble()
        reader = self._reader
        tensor_count, entry_count = reader.u64(), reader.u64()
        for count, what in ((tensor_count, "tensors"), (entry_count, "metadata entries")):
            if count > MAX_ENTRIES:
                raise reader.bad(f"the header claims {count:,} {what}")
        metadata: dict[str, Value] = {}
        for _ in range(entry_count):
            key = self._string(MAX_KEY, "a metadata key")
            if key in metadata:
                raise reader.bad(f"the key {untrusted_line(key)!r} stands twice in the header")
            metadata[key] = self._value(key)
        tensors = self._tensors(tensor_count)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise reader.bad("general.alignment is not a power of two")
        data_offset = -(-reader.position // alignment) * alignment
        header = Header(version, metadata, tensors, data_offset)
        self._check_data(header, alignment)
        return header

    def _preamble(self) -> int:
        reader = self._reader
        if reader.size == 0:
            raise reader.bad("the file is empty")
        if reader.size < 24:
            raise reader.bad("the file is too short to be a GGUF file")
        magic = reader.take(4)
        if magic != MAGIC:
            other = " (its bytes are reversed)" if magic == MAGIC[::-1] else ""
            raise reader.bad(
                f"it does not begin with 'GGUF'{other}", hint="Only GGUF files can be served."
            )
        version = reader.u32()
        if version in VERSIONS:
            return version
        if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS:
            raise reader.bad(
                "it is a big-endian GGUF file",
                hint="Get the little-endian file; this one is for other processors.",
            )
        if version == 1:
            raise reader.bad(
                "it is of GGUF version 1, which llama.cpp no longer reads",
                hint="Get a newer conversion of the model.",
            )
        raise reader.bad(
            f"it is of GGUF version {version}, which is not known",
            hint="A newer llm-studio may read it.",
        )

    def _string(self, limit: int, what: str) -> str:
        length = self._reader.u64()
        if length > limit:
            raise self._reader.bad(f"{what} claims {length:,} bytes")
        self._kept += length
        if self._kept > MAX_KEPT_TEXT:
            raise self._reader.bad("the header holds too much text")
        return self._reader.take(length).decode("utf-8", errors="replace")

    def _kind(self, number: int, key: str) -> ValueType:
        try:
            return ValueType(number)
        except ValueError:
            raise self._reader.bad(
                f"{untrusted_line(key)!r} has the unknown type {number}"
            ) from None

    def _value(self, key: str) -> Value:
        kind = self._kind(self._reader.u32(), key)
        if kind is ValueType.ARRAY:
            return self._array(key)
        return self._scalar(kind, key)

    def _scalar(self, kind: ValueType, key: str) -> Scalar:
        if kind is ValueType.STRING:
            return self._string(MAX_KEPT_STRING, f"{untrusted_line(key)!r}")
        raw = self._reader.take(_SCALAR_SIZE[kind])
        value: Scalar = struct.unpack(f"<{_SCALARS[kind]}", raw)[0]
        return value

    def _array(self, key: str) -> Value:
        reader = self._reader
        kind = self._kind(reader.u32(), key)
        count = reader.u64()
        if count > MAX_ARRAY:
            raise reader.bad(f"{untrusted_line(key)!r} claims {count:,} values")
        self._kept_values += count if count <= MAX_KEPT_ARRAY else 0
        if self._kept_values > MAX_KEPT_VALUES:
            raise reader.bad("the header holds too many arrays")
        if kind is ValueType.ARRAY:
            raise reader.bad(f"{untrusted_line(key)!r} is an array of arrays")
        if kind is ValueType.STRING:
            if count > MAX_KEPT_ARRAY:
                reader.skip_strings(count)
                return ArraySize(kind, count)
            return tuple(
                self._string(MAX_KEPT_STRING, f"a string in {untrusted_line(key)!r}")
                for _ in range(count)
            )
        size = _SCALAR_SIZE[kind]
        if count * size > reader.left:
            raise reader.bad(f"{untrusted_line(key)!r} claims {count:,} values")
        if count > MAX_KEPT_ARRAY:
            reader.skip(count * size)
            return ArraySize(kind, count)
        return struct.unpack(f"<{count}{_SCALARS[kind]}", reader.take(count * size))

    def _tensors(self, count: int) -> tuple[Tensor, ...]:
        seen: set[str] = set()
        tensors = []
        for _ in range(count):
            tensor = self._tensor()
            if tensor.name in seen:
                raise self._reader.bad(f"the tensor {tensor.name!r} is listed twice")
            seen.add(tensor.name)
            tensors.append(tensor)
        return tuple(tensors)

    def _tensor(self) -> Tensor:
        reader = self._reader
        name = untrusted_line(self._string(MAX_KEY, "a tensor's name"))
        dimensions = reader.u32()
        if dimensions > MAX_DIMENSIONS:
            raise reader.bad(f"the tensor {name!r} claims {dimensions:,} dimensions")
        shape = struct.unpack(f"<{dimensions}Q", reader.take(8 * dimensions))
        number, offset = reader.u32(), reader.u64()
        if number not in TENSOR_TYPES:
            raise reader.bad(
                f"the tensor {name!r} is of the unknown type {number}",
                hint="It may need a newer llama.cpp, and a newer llm-studio.",
            )
        kind = TENSOR_TYPES[number]
        elements = 1
        for extent in shape:
            elements *= extent
            if elements >= 1 << 63:
                raise reader.bad(f"the tensor {name!r} claims an impossible size")
        if (shape[0] if shape else 1) % kind.elements:
            raise reader.bad(f"the rows of tensor {name!r} do not divide into {kind.name} blocks")
        return Tensor(name, shape, kind, offset)

    def _check_data(self, header: Header, alignment: int) -> None:
        """Every tensor's data must lie where it is said to, within the file."""
        end = header.data_offset
        for tensor in header.tensors:
            if tensor.offset % alignment:
                raise self._reader.bad(f"the data of tensor {tensor.name!r} is not aligned")
            end = max(end, header.data_offset + tensor.offset + tensor.size)
        if header.tensors and end > self._reader.size:
            raise self._reader.bad(
                f"the file is cut short: {end:,} bytes by its header, {self._reader.size:,} here",
                hint="The download was cut short or is still running. Download it again.",
            )
