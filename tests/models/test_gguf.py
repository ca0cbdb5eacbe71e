"""The header reader: right about good files, clear about bad ones, cheap with hostile ones."""

from __future__ import annotations

import contextlib
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.standins.gguf_writer import TENSOR_TYPES, Array, TensorSpec, Typed, Value, write_gguf
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.errors import StudioError
from llm_studio.models.gguf import ArraySize, BadModelFile, ValueType, read_header

MiB = 1 << 20


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def header(
    *entries: bytes,
    tensors: bytes = b"",
    tensor_count: int = 0,
    version: int = 3,
    count: int | None = None,
) -> bytes:
    entry_count = len(entries) if count is None else count
    start = b"GGUF" + struct.pack("<IQQ", version, tensor_count, entry_count)
    return start + b"".join(entries) + tensors


def entry(key: bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def tensor(name: bytes, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    extents = struct.pack(f"<{len(shape)}Q", *shape)
    return string(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", kind, offset)


def put(folder: Path, raw: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(raw)
    return path


def test_reads_what_the_reference_library_reads(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "tiny.gguf"
    write_tiny_llama(path)
    ours, theirs = read_header(path), gguf.GGUFReader(path)
    assert [(t.name, t.shape, t.type.name, t.size) for t in ours.tensors] == [
        (t.name, tuple(map(int, t.shape)), t.tensor_type.name, t.n_bytes) for t in theirs.tensors
    ]
    assert ours.data_offset == theirs.data_offset
    for key, value in ours.metadata.items():
        field = theirs.fields[key].contents()
        if isinstance(value, tuple):
            assert list(value) == pytest.approx(field) if field else not value
        elif not isinstance(value, ArraySize):
            assert value == pytest.approx(field) if isinstance(value, float) else value == field


def test_every_scalar_type_is_read(tmp_path: Path) -> None:
    values = {
        "u8": 255, "i8": -128, "u16": 65535, "i16": -32768, "u32": 2**32 - 1, "i32": -(2**31),
        "f32": 0.5, "bool": True, "str": "ünï", "u64": 2**64 - 1, "i64": -(2**63), "f64": 1e300,
    }  # fmt: skip
    path = tmp_path / "model.gguf"
    write_gguf(path, {f"x.{kind}": Typed(kind, value) for kind, value in values.items()}, [])  # type: ignore[arg-type]
    assert read_header(path).metadata == {f"x.{kind}": value for kind, value in values.items()}


def test_tensors_of_every_type_are_known(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, {}, [TensorSpec(name, (256, 3), name) for name in TENSOR_TYPES])
    told = {tensor.type.name: (tensor.name, tensor.size) for tensor in read_header(path).tensors}
    assert told == {
        name: (name, 256 * 3 // kind.block_elements * kind.block_bytes)
        for name, kind in TENSOR_TYPES.items()
    }


def test_short_arrays_are_kept_and_long_ones_counted(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    metadata: dict[str, Value] = {
        "short": [1, 2, 3],
        "words": ["a", "b"],
        "long": Array("i32", range(5000)),
        "vocabulary": Array("str", [str(number) for number in range(5000)]),
        "after": 7,
    }
    write_gguf(path, metadata, [])
    assert read_header(path).metadata == {
        "short": (1, 2, 3),
        "words": ("a", "b"),
        "long": ArraySize(ValueType.INT32, 5000),
        "vocabulary": ArraySize(ValueType.STRING, 5000),
        "after": 7,
    }


@pytest.mark.parametrize("seed", range(6))
def test_walks_vocabularies_of_any_lengths(tmp_path: Path, seed: int) -> None:
    """Short, empty and long strings in any mix, across the borders of the reading window."""
    source = random.Random(seed)
    lengths = [0, 1, 5, 7, 31, 32, 254, 255, 256, 257, 300, 70_000]
    weights = [1, 9, 30, 30, 5, 5, 2, 2, 2, 2, 1, 0.01 * seed]
    words = ["x" * length for length in source.choices(lengths, weights, k=60_000)]
    path = tmp_path / "model.gguf"
    write_gguf(path, {"words": Array("str", words), "after": "here"}, [])
    assert read_header(path).metadata["after"] == "here"


def test_a_token_that_looks_like_a_length_is_no_length(tmp_path: Path) -> None:
    words = ["\0" * 8, "\1\0\0\0\0\0\0\0", "a\0\0\0\0\0\0\0\0b"] * 2000
    path = tmp_path / "model.gguf"
    write_gguf(path, {"words": Array("str", words), "after": 1}, [])
    assert read_header(path).metadata["after"] == 1


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "short": (b"GGUF\3\0\0\0", "too short"),
    "not a model": (b"PK\3\4" + bytes(40), "does not begin with 'GGUF'"),
    "reversed magic": (b"FUGG" + bytes(40), "reversed"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "version 1": (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
    "version 99": (header(version=99), "version 99"),
    "2^60 tensors": (header(tensor_count=1 << 60), "claims 1,152,921,504,606,846,976 tensors"),
    "2^63 entries": (header(count=1 << 63), "metadata entries"),
    "ends in a key": (header(count=1) + string(b"general.name")[:-3], "ends inside its header"),
    "key of 2^63": (header(struct.pack("<Q", 1 << 63), count=1), "a metadata key claims"),
    "string of 2^63": (
        header(string(b"k") + struct.pack("<IQ", 8, 1 << 63)),
        "'k' claims 9,223,372,036,854,775,808 bytes",
    ),
    "unknown value type": (header(entry(b"k", 77, b"\0" * 8)), "unknown type 77"),
    "array of arrays": (header(entry(b"k", 9, struct.pack("<IQ", 9, 1))), "array of arrays"),
    "array of 2^61 numbers": (
        header(entry(b"k", 9, struct.pack("<IQ", 10, 1 << 61))),
        "claims 2,305,843,009,213,693,952 values",
    ),
    "array of 2^62 strings": (
        header(entry(b"k", 9, struct.pack("<IQ", 8, 1 << 62))),
        "claims 4,611,686,018,427,387,904 values",
    ),
    "long string in a long array": (
        header(entry(b"k", 9, struct.pack("<IQQ", 8, 2000, 1 << 62) + bytes(16_000))),
        "a string claims",
    ),
    "key twice": (header(entry(b"k", 0, b"\1"), entry(b"k", 0, b"\2")), "stands twice"),
    "unknown tensor type": (
        header(tensors=tensor(b"t", (32,), kind=200), tensor_count=1),
        "unknown type 200",
    ),
    "nine dimensions": (
        header(tensors=tensor(b"t", (1,) * 9), tensor_count=1),
        "claims 9 dimensions",
    ),
    "impossible size": (
        header(tensors=tensor(b"t", (1 << 40, 1 << 40)), tensor_count=1),
        "impossible size",
    ),
    "uneven blocks": (
        header(tensors=tensor(b"t", (33,), kind=2), tensor_count=1),
        "do not divide into Q4_0 blocks",
    ),
    "tensor twice": (
        header(tensors=tensor(b"t", (1,)) + tensor(b"t", (1,)), tensor_count=2),
        "listed twice",
    ),
    "unaligned data": (
        header(tensors=tensor(b"t", (1,), offset=3), tensor_count=1) + bytes(99),
        "not aligned",
    ),
    "data missing": (
        header(tensors=tensor(b"t", (1 << 20,)), tensor_count=1) + bytes(64),
        "cut short",
    ),
    "odd alignment": (header(entry(b"general.alignment", 4, struct.pack("<I", 3))), "power of two"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_explained(tmp_path: Path, case: str) -> None:
    raw, told = BROKEN[case]
    with pytest.raises(BadModelFile) as caught:
        read_header(put(tmp_path, raw))
    assert told in caught.value.why
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="Cannot read"):
        read_header(tmp_path / "gone.gguf")
    with pytest.raises(StudioError, match="Cannot read"):
        read_header(tmp_path)


def test_control_characters_in_names_are_defused(tmp_path: Path) -> None:
    raw = header(tensors=tensor(b"\x1b]52;c;evil\x07", (1,)), tensor_count=1) + bytes(64)
    assert "\x1b" not in read_header(put(tmp_path, raw)).tensors[0].name


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a string as long as the file": lambda: header(entry(b"k", 8, string(b"x" * (40 * MiB)))),
    "many kept strings": lambda: header(
        *(entry(b"%d" % n, 8, string(b"x" * MiB)) for n in range(48))
    ),
    "a long array of numbers": lambda: header(
        entry(b"k", 9, struct.pack("<IQ", 0, 48 * MiB) + bytes(48 * MiB))
    ),
    "a long array of empty strings": lambda: header(
        entry(b"k", 9, struct.pack("<IQ", 8, 2_000_000) + bytes(16_000_000))
    ),
    "a hundred thousand tensors": lambda: header(tensor_count=100_000) + bytes(5 * MiB),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_memory_stays_flat(tmp_path: Path, case: str) -> None:
    path = put(tmp_path, HOSTILE[case]())
    tracemalloc.start()
    with contextlib.suppress(BadModelFile):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 * MiB


def test_a_huge_file_costs_no_more_than_its_header(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, {"a": 1}, [TensorSpec("t", (1 << 20, 1 << 16))])
    assert path.stat().st_size > 1 << 38
    start = time.perf_counter()
    read_header(path)
    assert time.perf_counter() - start < 1


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "tiny.gguf"
    write_tiny_llama(path)
    return path.read_bytes()[: read_header(path).data_offset]


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_or_refuse(path: Path) -> None:
    """Whatever the bytes: a header or a clear refusal, soon and in little memory."""
    try:
        read_header(path)
    except BadModelFile as error:
        refusal = error
    else:
        return
    assert refusal.why
    assert refusal.hint


@FUZZ
@given(raw=st.binary(max_size=600))
def test_any_bytes_after_the_preamble(tmp_path: Path, raw: bytes) -> None:
    read_or_refuse(put(tmp_path, b"GGUF\3\0\0\0" + raw))


@FUZZ
@given(data=st.data())
def test_a_good_header_with_bytes_changed(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    raw = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.sampled_from([0, 1, 8, 9, 127, 128, 255]))
    read_or_refuse(put(tmp_path, bytes(raw)))


@FUZZ
@given(data=st.data())
def test_a_good_header_cut_anywhere(tmp_path: Path, good: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(good) - 1))
    with pytest.raises(BadModelFile):
        read_header(put(tmp_path, good[:cut]))


def test_fuzz_with_random_damage(tmp_path: Path, good: bytes) -> None:
    """A short run of blunt damage: blocks overwritten, moved and repeated."""
    source = random.Random(20)
    for _ in range(400):
        raw = bytearray(good)
        for _ in range(source.randint(1, 4)):
            at, length = source.randrange(len(raw)), source.randint(1, 64)
            block = source.randbytes(length) if source.random() < 0.5 else raw[at : at + length]
            raw[at : at + source.choice([0, length])] = block
        read_or_refuse(put(tmp_path, bytes(raw)))
