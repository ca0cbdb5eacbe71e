"""Everything about one profile, as the studio tells it when asked. Imported with the first answer:
the start has no need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from llm_studio.tui.view import Profile, Told


@dataclass(frozen=True)
class Memory(Told):
    """What a profile would take of one device."""

    name: str
    weights: int
    context: int
    compute: int
    other: int
    room: int
    free: int
    total: int

    @property
    def taken(self) -> int:
        return self.weights + self.context + self.compute + self.other


@dataclass(frozen=True)
class Finding(Told):
    """What a profile should be mended in."""

    level: str
    key: str
    what: str
    why: str


@dataclass(frozen=True)
class Value(Told):
    """A key of a profile, and who set it."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True)
class Argument(Told):
    """Words of the command, and who set them."""

    words: list[str]
    key: str
    origin: str


@dataclass(frozen=True)
class Detail(Told):
    """Everything about one profile."""

    summary: Profile
    own: bool
    facts: list[tuple[str, str]]
    values: tuple[Value, ...]
    devices: tuple[Memory, ...]
    largest_context: int | None
    trained_context: int | None
    cache_type_k: str
    cache_type_v: str
    advice: list[str]
    findings: tuple[Finding, ...]
    command: tuple[Argument, ...]
    environment: dict[str, str]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        nested = {
            "summary": Profile.of(data["summary"]),
            "values": tuple(map(Value.of, data["values"])),
            "devices": tuple(map(Memory.of, data["devices"])),
            "findings": tuple(map(Finding.of, data["findings"])),
            "command": tuple(map(Argument.of, data["command"])),
        }
        return cls(**{each.name: {**data, **nested}[each.name] for each in fields(cls)})
