"""Changes profile files: checked before they are written, written whole, comments kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from llm_studio.errors import StudioError, UsageError
from llm_studio.profiles.catalogue import (
    PROFILE_ID,
    Catalogue,
    Entry,
    Source,
    parse_source,
)
from llm_studio.profiles.profile import SECTIONS
from llm_studio.storage import write_atomically
from llm_studio.text import untrusted_line

HEAD = ("name", "summary", "tags", "extends")


def change(text: str, changes: Mapping[str, Any]) -> str:
    """The profile's text with keys like "server.context" set, or removed where None."""
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise StudioError(
            "The profile is not valid TOML", why=untrusted_line(str(error))
        ) from error
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        table: Any = document
        for section in sections:
            if section not in table:
                table[section] = tomlkit.table() if table is document else tomlkit.inline_table()
            table = table[section]
            if not isinstance(table, MutableMapping):
                raise StudioError(
                    f"{untrusted_line(section)} is no table in this profile",
                    hint="Mend that line in an editor: `llm-studio edit ID`.",
                )
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return tomlkit.dumps(document)


def compose(values: Mapping[str, Any], *, comment: str = "") -> str:
    """A new profile's text from its values by dotted key, in the documented order."""
    document = tomlkit.document()
    for line in comment.splitlines():
        document.add(tomlkit.comment(line))
    for key in HEAD:
        if values.get(key):
            document[key] = values[key]
    for name, section in SECTIONS.items():
        inside = {
            key: values[f"{name}.{key}"]
            for key in section.model_fields
            if values.get(f"{name}.{key}") is not None
        }
        if inside:
            table = tomlkit.table()
            table.update(inside)
            document[name] = table
    return tomlkit.dumps(document)


def check(id_: str, path: Path, text: str, catalogue: Catalogue) -> Entry:
    """The profile that the text would be among the others; it may be broken, and says so."""
    source = parse_source(Source(id_, path, shipped=False, text=text))
    return catalogue.with_source(source).get(id_)


def save(id_: str, path: Path, text: str, catalogue: Catalogue) -> Entry:
    """Write the profile if it is sound; a file is never replaced by a broken one."""
    check_id(id_)
    entry = check(id_, path, text, catalogue)
    if entry.problems:
        raise StudioError(
            f"The profile {id_!r} would be broken, so nothing was written",
            why="\n".join(str(problem) for problem in entry.problems),
        )
    for other in catalogue:
        if not other.shipped and other.id != id_ and other.id.lower() == id_.lower():
            raise StudioError(
                f"There is a profile {other.id!r} already",
                why="Two ids must differ in more than upper and lower case.",
            )
    write_atomically(path, text)
    return entry


def check_id(id_: str) -> None:
    if not PROFILE_ID.fullmatch(id_):
        raise UsageError(
            f"{untrusted_line(id_)!r} cannot be a profile's id",
            hint="Use letters, digits, dots, dashes and underscores, 64 at most.",
        )


def parse_value(text: str) -> Any:
    """A value as typed on the command line: TOML where it is TOML, else plain text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text
