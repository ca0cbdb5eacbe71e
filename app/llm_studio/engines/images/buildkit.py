"""What BuildKit tells while it builds: its steps as they begin and end, and what they print.

It comes as protocol buffers inside JSON records. Three messages with a few fields each are all
that is needed of them, so they are read here rather than by a library and generated code.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_studio.text import untrusted, untrusted_line

TRACE = "moby.buildkit.trace"
_COUNT = re.compile(r"\[\s*(\d{1,6})(?:/(\d{1,6})|%)\]")
"""`[12/340]` as Ninja writes it, `[ 45%]` as Make does."""
_LENGTHS = {1: 8, 5: 4}
"""Bytes of fields of fixed size, by their wire type."""


@dataclass(slots=True)
class Step:
    name: str = ""
    begun: bool = False
    ended: bool = False
    cached: bool = False
    error: str = ""


@dataclass(slots=True)
class Steps:
    """All steps that were told so far, and the lines that came with the last record."""

    steps: dict[str, Step] = field(default_factory=dict)
    last_line: str = ""
    _rests: dict[str, bytes] = field(default_factory=dict)

    def take(self, record: Mapping[str, Any]) -> list[str]:
        """The whole lines that this record ends. What is no trace of BuildKit gives none."""
        if record.get("id") != TRACE:
            return self._classic(record)
        lines: list[str] = []
        try:
            raw = base64.b64decode(record.get("aux") or "")
            for number, value in _fields(raw):
                if number == 1 and isinstance(value, bytes):
                    lines += self._vertex(value)
                elif number == 3 and isinstance(value, bytes):
                    lines += self._log(value)
        except (binascii.Error, ValueError, IndexError):
            return lines  # progress is worth no failure
        return self._noted(lines)

    def _classic(self, record: Mapping[str, Any]) -> list[str]:
        """Podman, and Docker's own builder of old, tell lines alone."""
        told = untrusted(str(record.get("stream") or ""))
        return self._noted([line for line in told.splitlines() if line.strip()])

    def _noted(self, lines: list[str]) -> list[str]:
        for line in lines:
            if line.strip():
                self.last_line = line.strip()
        return lines

    def _vertex(self, raw: bytes) -> list[str]:
        told = dict(_fields(raw))
        digest = _text(told.get(1))
        known = self.steps.get(digest) or Step()
        now = Step(
            _text(told.get(3)) or known.name,
            known.begun or 5 in told,
            known.ended or 6 in told,
            known.cached or bool(told.get(4)),
            _text(told.get(7)) or known.error,
        )
        self.steps[digest] = now
        if now.begun and not known.begun and now.cached:
            return [f"=> {now.name} (as before)"]
        return [f"=> {now.name}"] if now.begun and not known.begun else []

    def _log(self, raw: bytes) -> list[str]:
        told = dict(_fields(raw))
        digest, printed = _text(told.get(1)), told.get(4)
        if not isinstance(printed, bytes):
            return []
        *whole, rest = (self._rests.get(digest, b"") + printed).split(b"\n")
        if len(rest) > 1 << 16:
            whole, rest = [*whole, rest], b""
        self._rests[digest] = rest
        # A program that redraws one line tells its last state.
        shown = (line.rstrip(b"\r").rpartition(b"\r")[2] for line in whole)
        return [untrusted_line(line.decode("utf-8", "replace"), limit=2000) for line in shown]

    @property
    def sentence(self) -> str:
        """The step that runs, and what it last said."""
        running = [each.name for each in self.steps.values() if each.begun and not each.ended]
        said = self.last_line if not self.last_line.startswith("=>") else ""
        parts = [*running[-1:], said] if running else [self.last_line]
        return " · ".join(part[:60] for part in parts if part) or "preparing"

    @property
    def fraction(self) -> float | None:
        """Of what is compiled, as the compilers' driver counts it; steps differ too much."""
        match = _COUNT.match(self.last_line)
        if not match:
            return None
        done, whole = int(match[1]), int(match[2] or 100)
        return done / whole if 0 < done <= whole else None


def _text(value: bytes | int | None) -> str:
    return untrusted_line(value.decode("utf-8", "replace")) if isinstance(value, bytes) else ""


def _fields(raw: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of one message, by number."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(raw, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(raw, at)
        elif kind in _LENGTHS:
            length = _LENGTHS[kind]
        else:
            raise ValueError(f"wire type {kind}")
        yield key >> 3, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 or shift > 63:
            return value, at
        shift += 7
