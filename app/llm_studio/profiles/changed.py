"""A profile with other values, to be tried; nothing of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from llm_studio.errors import UsageError, did_you_mean
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.profile import SECTIONS, Profile
from llm_studio.text import untrusted_line

Values = Mapping[str, Any]
"""Values by dotted key, like "server.context"; None unsets one."""


def changed(entry: Entry, changes: Values, why: str) -> Entry:
    """The entry with these values, which come from `why`; refused where they cannot be."""
    if not changes:
        return entry
    values = entry.require().model_dump(exclude_unset=True)
    for dotted, value in changes.items():
        section, key = _place(dotted)
        inside = dict(values.get(section) or {})
        inside.pop(key, None)
        values[section] = inside if value is None else {**inside, key: value}
    try:
        profile = Profile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{entry.id!r} cannot be so: {told(changes)}",
            why=untrusted_line(f"{where}: {first['msg']}".lstrip(": ")),
        ) from None
    origins = {**(entry.origins or {}), **dict.fromkeys(changes, why)}
    return replace(entry, profile=profile, origins=origins)


def without_idle(entry: Entry, changes: Values) -> dict[str, Any]:
    """Those that change anything."""
    profile = entry.require()
    found = {}
    for dotted, value in changes.items():
        section, key = _place(dotted)
        if getattr(getattr(profile, section), key) != value:
            found[dotted] = value
    return found


def told(changes: Values) -> str:
    """In words."""
    return ", ".join(
        untrusted_line(f"{key} = {'unset' if value is None else value}")
        for key, value in changes.items()
    )


def _place(dotted: str) -> tuple[str, str]:
    section, _, key = dotted.partition(".")
    known = {f"{name}.{each}" for name, kind in SECTIONS.items() for each in kind.model_fields}
    if dotted not in known:
        raise UsageError(
            f"No profile has {untrusted_line(dotted)!r}",
            hint=did_you_mean(dotted, known) or "docs/profiles.md lists what there is.",
        )
    return section, key
