"""Sections of KEY = VALUE lines, with their line numbers: the base of both foreign formats.

configparser changes the case of keys, joins lines and gives up at the first fault; here every line
is kept or accounted for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Item:
    key: str
    value: str
    line: int


@dataclass(slots=True)
class Section:
    """A section's lines; the one before any header has no name."""

    name: str
    line: int
    items: list[Item] = field(default_factory=list)
    stray: list[tuple[int, str]] = field(default_factory=list)
    """Lines that are neither comment nor KEY = VALUE."""


_HEADER = re.compile(r"\s*\[(.*)\]\s*(?:[#;].*)?$")


def read_sections(text: str) -> list[Section]:
    sections = [Section("", 0)]
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text.lstrip("\ufeff")), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        header = _HEADER.match(line)
        if header:
            sections.append(Section(header[1].strip(), number))
            continue
        key, equals, value = stripped.partition("=")
        if equals and key.strip():
            sections[-1].items.append(Item(key.strip(), value.strip(), number))
        else:
            sections[-1].stray.append((number, stripped))
    return sections


def unquoted(value: str) -> str:
    """The value without the quotes around it, if both are there."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
