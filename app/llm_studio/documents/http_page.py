"""docs/http-api.md: the management API, from its OpenAPI document, and the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

from llm_studio.documents.field_notes import notes_of
from llm_studio.documents.http_words import GATEWAY, HEAD, TITLES
from llm_studio.documents.markdown import cell
from llm_studio.documents.shapes import in_words, without_null
from llm_studio.server.api import create_api
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio

Schema = dict[str, Any]


def page() -> str:
    document = openapi()
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        segment = path.split("/")[1]
        rows = groups.setdefault(TITLES.get(segment, segment.capitalize()), [])
        rows += [_route(path, method, told) for method, told in methods.items()]
    lines = [HEAD]
    for title, rows in groups.items():
        lines += [
            "",
            f"### {title}",
            "",
            "| route | | takes | answers |",
            "| --- | --- | --- | --- |",
        ]
        lines += rows
    lines += ["", "### Shapes", "", "A field that is marked `?` may be left out, or is null."]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _shape(name, schema)
    return "\n".join((*lines, "", GATEWAY))


def openapi() -> Schema:
    """The document that `GET /openapi.json` answers with; nothing is started for it."""
    with TemporaryDirectory() as home:
        studio = Studio(load_settings({"LLM_STUDIO_HOME": home}), {})
        return create_api(studio, shut_down=lambda: None).openapi()


def _route(path: str, method: str, told: Schema) -> str:
    takes = [_parameter(each) for each in told.get("parameters", ()) if each["in"] != "path"]
    if "requestBody" in told:
        takes.insert(0, f"body: {cell(_linked(_content(told['requestBody'])))}")
    answers = [
        f"{code} {cell(_linked(_content(answer)))}".rstrip()
        for code, answer in told["responses"].items()
        if code < "400"
    ]
    name = f"`{method.upper()} {path.replace('_}', '}')}`"
    return f"| {name} | {cell(told['summary'])} | {'<br>'.join(takes)} | {'<br>'.join(answers)} |"


def _content(holder: Schema) -> Schema:
    """The shape of a body; of one that is not JSON, its media type."""
    for kind, told in holder.get("content", {}).items():
        schema: Schema = told["schema"] if kind == "application/json" else {"const": kind}
        return schema
    return {"const": "text/event-stream"}


def _parameter(told: Schema) -> str:
    schema = told["schema"]
    default = schema.get("default")
    shown = "" if default in (None, "") else f" ({str(default).lower().removesuffix('.0')})"
    must = ", must be there" if told.get("required") else ""
    doc = f": {told['description']}" if told.get("description") else ""
    header = "header " if told["in"] == "header" else ""
    return f"{header}`{told['name']}` {cell(in_words(without_null(schema)) + must + shown + doc)}"


def _shape(name: str, schema: Schema) -> Iterator[str]:
    fields = schema.get("properties", {})
    about, notes = notes_of(name, fields)
    yield from ("", f"#### {name}", "")
    if about:
        yield from (about, "")
    yield from ("| field | | |", "| --- | --- | --- |")
    for field, told in fields.items():
        absent = without_null(told) is not told or field not in schema.get("required", ())
        kind = cell(_linked(without_null(told)))
        note = cell(notes.get(field) or told.get("description", ""))
        yield f"| `{field}`{'?' if absent else ''} | {kind} | {note} |"


def _linked(schema: Schema) -> str:
    return in_words(schema, lambda name: f"[{name}](#{name.lower()})")
