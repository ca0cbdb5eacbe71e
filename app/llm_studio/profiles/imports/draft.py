"""A profile on its way in: values by dotted key, and notes on what did not come along."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from llm_studio.models.library import Library
from llm_studio.profiles.catalogue import PROFILE_ID
from llm_studio.profiles.profile import SECTIONS
from llm_studio.text import untrusted_line


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know about an import."""

    line: int
    text: str
    lost: bool = True
    """Whether something was left behind, rather than only changed in form."""


@dataclass(slots=True)
class Draft:
    id: str
    line: int
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Where each value was read."""

    def note(self, line: int, text: str, *, lost: bool = True) -> None:
        self.notes.append(Note(line, untrusted_line(text, limit=300), lost))

    def set(self, key: str, value: Any, line: int) -> bool:
        """Take a value over if the profile format allows it; else say why not."""
        section, _, name = key.rpartition(".")
        if section:
            try:
                SECTIONS[section].model_validate({name: value})
            except ValidationError as error:
                why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                shown = untrusted_line(repr(value), limit=80)
                self.note(line, f"{key} = {shown} was left out: {why}.")
                return False
        self.put(key, value, line)
        return True

    def put(self, key: str, value: Any, line: int) -> None:
        """Take over a value that is known to be allowed; the one before it is not forgotten."""
        before = self.values.get(key)
        grown = isinstance(value, list) and isinstance(before, list)
        grown = grown and value[: len(before or [])] == before
        if key in self.lines and before != value and not grown:
            self.note(self.lines[key], f"{key} = {before!r} is overruled by line {line}.")
        self.values[key] = value
        self.lines[key] = line

    def put_text(self, key: str, text: str, line: int, *, limit: int) -> None:
        """A text for people: made safe, and cut where it is too long."""
        safe = untrusted_line(text, limit=1 << 16)
        if len(safe) > limit:
            self.note(line, f"{key} was cut to {limit} characters: {text}")
        self.values[key] = safe[:limit]


def draft_for(name: str, line: int, taken: set[str]) -> Draft:
    """A draft with a valid id of its own for a section's name."""
    id_ = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "profile"
    if not PROFILE_ID.fullmatch(id_):
        id_ = f"p-{id_}"[:64]
    wanted, number = id_, 1
    while id_.lower() in taken:
        number += 1
        id_ = f"{wanted[:60]}-{number}"
    taken.add(id_.lower())
    draft = Draft(id_, line)
    if wanted != id_:
        draft.note(line, f"[{name}] stands twice; this one became {id_!r}.", lost=False)
    elif id_ != name:
        draft.note(line, f"[{name}] cannot be an id; it became {id_!r}.", lost=False)
    return draft


def set_model(draft: Draft, path: str, line: int, library: Library) -> None:
    """Point the draft at a model file, below a models folder wherever it was before."""
    match = library.find(path.lstrip("/"))
    if match is None and path.startswith("/"):
        match = next((m for m in library if path in map(str, m.paths)), None)
    relative = match.name if match else path
    if not match and path.startswith(("/", "~", ".")):
        parts = [part for part in path.split("/") if part not in ("", ".", "..", "~")]
        relative = "/".join(parts[-2:])
        folder = "/".join(path.split("/")[: -len(parts[-2:])]) or "/"
        draft.note(
            line, f"{path} became {relative}: add {folder} to the setting `models`.", lost=False
        )
    draft.set("model.file", relative, line)
