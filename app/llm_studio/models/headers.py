"""Remembers headers between runs, by path, size and time, so that only changed files are read."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.models.gguf import (
    TENSOR_TYPES,
    ArraySize,
    Header,
    Tensor,
    TensorType,
    Value,
    ValueType,
    read_header,
)

FORMAT = 1
"""Raised when what is kept changes; what an older release kept is then read anew."""
_NUMBERS = {kind: number for number, kind in TENSOR_TYPES.items()}


class Headers:
    """Headers of model files. Without a usable cache it works all the same, only slower."""

    def __init__(self, folder: Path) -> None:
        self._database: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            folder.mkdir(parents=True, exist_ok=True)
            self._database = _open(folder / "headers.sqlite3")

    def __enter__(self) -> Headers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.commit()
            self._database.close()
            self._database = None

    def read(self, path: Path) -> Header:
        """The header, from the cache if the file is as it was; raises what `read_header` does."""
        try:
            status = path.stat()
        except OSError as error:
            raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
        stamp = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"
        kept = self._recall(str(path), stamp)
        if kept is not None:
            return kept
        header = read_header(path)
        self._keep(str(path), stamp, header)
        return header

    def _recall(self, path: str, stamp: str) -> Header | None:
        if self._database is None:
            return None
        try:
            row = self._database.execute(
                "SELECT header FROM headers WHERE path = ? AND stamp = ?", (path, stamp)
            ).fetchone()
            return _decode(json.loads(row[0])) if row else None
        except (sqlite3.Error, ValueError, KeyError, TypeError, IndexError):
            return None

    def _keep(self, path: str, stamp: str, header: Header) -> None:
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError), self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO headers VALUES (?, ?, ?)",
                (path, stamp, json.dumps(_encode(header), separators=(",", ":"))),
            )


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _prepare(path)
    except sqlite3.OperationalError:  # locked, or no place: not its fault, so it is left alone
        raise
    except sqlite3.DatabaseError:  # not a database any more: it is only a cache
        path.unlink()
        return _prepare(path)


def _prepare(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=2)
    try:
        database.execute("PRAGMA journal_mode = WAL")  # readers wait for no writer
        database.execute("PRAGMA synchronous = OFF")
        if database.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            database.execute("DROP TABLE IF EXISTS headers")
            database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute(
            "CREATE TABLE IF NOT EXISTS headers (path TEXT PRIMARY KEY, stamp TEXT, header TEXT)"
        )
    except sqlite3.Error:
        database.close()
        raise
    return database


def _encode(header: Header) -> dict[str, Any]:
    return {
        "version": header.version,
        "metadata": {key: _encode_value(value) for key, value in header.metadata.items()},
        "tensors": [
            [tensor.name, tensor.shape, _NUMBERS[tensor.type], tensor.offset]
            for tensor in header.tensors
        ],
        "data_offset": header.data_offset,
    }


def _encode_value(value: Value) -> Any:
    if isinstance(value, ArraySize):
        return {"kind": int(value.kind), "count": value.count}
    return list(value) if isinstance(value, tuple) else value


def _decode(kept: dict[str, Any]) -> Header:
    types: dict[int, TensorType] = dict(TENSOR_TYPES)
    return Header(
        kept["version"],
        {key: _decode_value(value) for key, value in kept["metadata"].items()},
        tuple(
            Tensor(name, tuple(shape), types[number], offset)
            for name, shape, number, offset in kept["tensors"]
        ),
        kept["data_offset"],
    )


def _decode_value(value: Any) -> Value:
    if isinstance(value, dict):
        return ArraySize(ValueType(value["kind"]), value["count"])
    if isinstance(value, list):
        return tuple(value)
    kept: Value = value
    return kept
