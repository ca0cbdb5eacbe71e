"""docs/profiles.md: every key that a profile may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_studio.documents.markdown import cell
from llm_studio.documents.shapes import in_words, without_null
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.profile import SECTIONS, Profile

_HEAD = """\
# Keys of a profile

Written by `make docs` from the profile model itself; `llm-studio show --keys` tells the same in
the terminal, and `llm-studio check` finds what a file has beside these.

A profile is one TOML file, and its id is the file's name. Only `name` is needed, and a model
(`model.file`, or `engine.url` of a server elsewhere): what is left out is inherited from the
profile that `extends` names, else planned so that it fits (`server.context`, where layers go),
else llama-server's own default. Where that is a fixed value it stands in brackets: (2048). An
unknown key or a value of another type is an error, told with file, line and the key that was
probably meant.

`flag` is the argument of llama-server that a key becomes; keys without one are for llm-studio
itself.
"""
_NOTES = {
    "name": "What people call it.",
    "summary": "What it is good for, in a few words.",
    "tags": "Words to filter by: `llm-studio list --tag`.",
    "extends": "The id of a profile whose values hold where this one has none.",
}


def page() -> str:
    schema = Profile.model_json_schema()
    lines = [_HEAD, "## At the top of the file", "", "| key | value | |", "| --- | --- | --- |"]
    for key, field in Profile.model_fields.items():
        if key not in SECTIONS:
            value = in_words(without_null(schema["properties"][key]))
            must = "; must be there" if field.is_required() else ""
            lines.append(f"| `{key}` | {cell(value)}{must} | {cell(_NOTES[key])} |")
    for section in SECTIONS:
        lines += _section(section, schema["$defs"][SECTIONS[section].__name__])
    return "\n".join(lines) + "\n"


def _section(section: str, schema: dict[str, Any]) -> Iterator[str]:
    model = SECTIONS[section]
    about = (model.__doc__ or "").partition(": ")[2]
    yield from ("", f"## [{section}]", "", about[:1].upper() + about[1:], "")
    yield from ("| key | value | flag | |", "| --- | --- | --- | --- |")
    for key, field in model.model_fields.items():
        flag = flag_of(field)
        shown = f"`{flag.name}`" if flag and flag.name.startswith("-") else ""
        value = in_words(without_null(schema["properties"][key]))
        yield f"| `{key}` | {cell(value)} | {shown} | {cell(field.description or '')} |"
