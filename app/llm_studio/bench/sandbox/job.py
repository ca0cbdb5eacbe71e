"""What goes into the sandbox, and what is believed of what comes out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from llm_studio.bench.sandbox.worker import decode, encode
from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line

WORKER = (Path(__file__).parent / "worker.py").read_text(encoding="utf-8")
MEMORY = 4 << 30
"""Bytes that the code may ask for, as EvalPlus allows."""
OUTPUT = 64 << 20
"""Bytes of results that are read; more than that is a flood."""
LOAD_LIMIT = 10.0


class SandboxFault(StudioError):
    """The sandbox itself failed: no answer of a model is to blame."""


class Unlike:
    """A value of a kind that does not travel; it equals nothing."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Job:
    """Code, the function in it, and what to call it with."""

    code: str
    entry: str
    inputs: Sequence[Sequence[Any]]
    limits: Sequence[float]

    @property
    def seconds(self) -> float:
        """After which it is ended from outside."""
        return min(sum(self.limits), 120.0) + LOAD_LIMIT + 5.0

    def payload(self) -> bytes:
        return json.dumps(
            {
                "code": self.code, "entry": self.entry, "limits": list(self.limits),
                "inputs": [encode(list(words)) for words in self.inputs],
                "memory": MEMORY, "load_limit": LOAD_LIMIT,
            }
        ).encode()  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What the code gave: values as far as it came, and why it came no further."""

    values: list[Any] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    end: str = "crashed"
    """"whole", "raised", "time" (of one call, or of all) or "crashed"."""
    why: str = ""


class Sandbox(Protocol):
    """A place for one job at a time, thrown away after it."""

    name: str

    async def run(self, job: Job) -> Outcome:
        """Raises SandboxFault where the place itself fails."""
        ...

    async def close(self) -> None: ...


def read_outcome(raw: bytes, count: int, *, timed_out: bool) -> Outcome:
    """The lines that came, from the first on; nothing of them can do more than be wrong."""
    found = Outcome()
    expected = -1
    for line in raw[:OUTPUT].split(b"\n"):
        told: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(line)
        if not isinstance(told, dict) or told.get("at") != expected:
            break
        for word in ("raised", "time"):
            if word in told:
                found.end, found.why = word, untrusted_line(str(told[word]), limit=80)
                return found
        if expected >= 0:
            found.values.append(_value(told.get("value")))
            took = told.get("took")
            found.took.append(float(took) if isinstance(took, int | float) else 0.0)
        expected += 1
        if expected == count:
            found.end = "whole"
            return found
    found.end = "time" if timed_out else "crashed"
    if len(raw) >= OUTPUT:
        found.why = "too much output"
    return found


def _value(told: Any) -> Any:
    try:
        if told[0] == "array":
            return decode(told[1])
        return decode(told)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        kind = str(told[1]) if isinstance(told, list) and len(told) > 1 else "?"
        return Unlike(untrusted_line(kind, limit=80))
