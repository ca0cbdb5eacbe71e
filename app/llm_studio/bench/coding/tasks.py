"""Coding tasks in the format of the `evalplus` package: one JSON object a line, perhaps gzipped.

HumanEval+ and MBPP+ are fetched by the user's own command, or given as a file.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.bench.coding.mbpp import arguments_of
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.text import untrusted_line

LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class Source:
    """A set of tasks that is published, and how many it holds."""

    name: str
    title: str
    version: str
    url: str
    count: int


RELEASES = "https://github.com/evalplus"
SOURCES = {
    "humaneval": Source(
        "humaneval", "HumanEval+", "v0.1.10",
        f"{RELEASES}/humanevalplus_release/releases/download/v0.1.10/HumanEvalPlus.jsonl.gz", 164,
    ),
    "mbpp": Source(
        "mbpp", "MBPP+", "v0.2.0",
        f"{RELEASES}/mbppplus_release/releases/download/v0.2.0/MbppPlus.jsonl.gz", 378,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """One task: what is asked, a solution that is right, and what to call it with."""

    id: str
    prompt: str
    entry: str
    canonical: str
    base: Sequence[Sequence[Any]]
    plus: Sequence[Sequence[Any]]
    tolerance: float
    mbpp: bool

    @property
    def solution(self) -> str:
        return self.prompt + self.canonical


@dataclass(frozen=True, slots=True)
class Tasks:
    name: str
    sha256: str
    tasks: tuple[Task, ...]


def load(name: str, path: Path) -> Tasks:
    """Read a file of tasks; anything odd about it is told, with its line. Blocks."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        known = SOURCES.get(name)
        raise NotReady(
            f"The tasks of {known.title if known else name} are not here",
            hint=f"Fetch them:  llm-studio bench fetch {name}  (or give a file: --data FILE).",
        ) from None
    except OSError as error:
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
    digest = hashlib.sha256(raw).hexdigest()
    tasks = []
    for number, line in enumerate(_text(raw, path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            tasks.append(_task(json.loads(line), name))
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise UsageError(
                f"{path.name} holds no tasks in EvalPlus's format",
                why=untrusted_line(f"line {number}: {type(error).__name__}: {error}"),
            ) from None
    if not tasks or len({task.id for task in tasks}) != len(tasks):
        raise UsageError(f"{path.name} holds no tasks, or some twice")
    return Tasks(name, digest, tuple(tasks))


def _text(raw: bytes, path: Path) -> str:
    try:
        if raw[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            raw = unpacker.decompress(raw, LARGEST)
            if unpacker.unconsumed_tail:
                raise UsageError(f"{path.name} is too large")
        return raw.decode("utf-8")
    except (zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is damaged", why=str(error)) from None


def _task(told: dict[str, Any], name: str) -> Task:
    id_ = str(told["task_id"])
    mbpp = name == "mbpp" or id_.startswith("Mbpp/")
    base, plus = (
        arguments_of(id_, told[key]) if mbpp else told[key] for key in ("base_input", "plus_input")
    )
    for inputs in (base, plus):
        if not isinstance(inputs, list) or not all(isinstance(i, list | tuple) for i in inputs):
            raise TypeError("inputs are no lists of arguments")
    if not base:
        raise ValueError("no inputs")
    return Task(
        id_, str(told["prompt"]), str(told["entry_point"]), str(told["canonical_solution"]),
        base, plus, float(told.get("atol") or 0), mbpp,
    )  # fmt: skip
