"""The INI presets of llama-server's router: [model] sections over the globals in [*]."""

from __future__ import annotations

import re

from llm_studio.models.library import Library
from llm_studio.profiles.imports.arguments import take_setting
from llm_studio.profiles.imports.draft import Draft, draft_for
from llm_studio.profiles.imports.ini import Item, Section, unquoted
from llm_studio.text import untrusted_line

_ROUTER_ONLY = {
    "load-on-startup": "which profile to begin with is chosen by `llm-studio up`",
    "stop-timeout": "llm-studio waits for running requests by itself",
    "dedup-cache-models": "llm-studio shows duplicates once by itself",
}


def from_router_preset(sections: list[Section], stem: str, library: Library) -> list[Draft]:
    """One profile for each section; the globals become one that the others extend."""
    taken: set[str] = set()
    drafts: list[Draft] = []
    common: Draft | None = None
    for section in sections:
        if section.name == "*":
            common = draft_for(f"{stem}-common", section.line, taken)
            common.values["name"] = untrusted_line(f"{stem} (common values)", limit=100)
            _read(common, section, library)
            drafts.append(common)
    for section in sections:
        if section.name == "*":
            continue
        if not section.name:
            _check_preamble(section, drafts, taken, stem)
            continue
        draft = draft_for(section.name, section.line, taken)
        draft.put_text("name", section.name, section.line, limit=120)
        if common is not None:
            draft.values["extends"] = common.id
        _read(draft, section, library)
        if common is not None and "server.args" in draft.values:
            # A list takes the place of the one that it inherits, but here arguments add up.
            inherited = common.values.get("server.args", [])
            draft.values["server.args"] = [*inherited, *draft.values["server.args"]]
        if "model.file" not in draft.values and "/" in section.name:
            _model_from_name(draft, section, library)
        drafts.append(draft)
    return drafts


def _check_preamble(section: Section, drafts: list[Draft], taken: set[str], stem: str) -> None:
    """Lines before any section; only the format's version belongs there."""
    others = [item for item in section.items if item.key != "version"]
    if others or section.stray:
        draft = drafts[0] if drafts else draft_for(f"{stem}-common", 1, taken)
        if not drafts:
            draft.values["name"] = untrusted_line(f"{stem} (common values)", limit=100)
            drafts.append(draft)
        for item in others:
            draft.note(item.line, f"{item.key} stands before any section and was left out.")
        for line, text in section.stray:
            draft.note(line, f"not understood: {text}")


def _read(draft: Draft, section: Section, library: Library) -> None:
    last = {item.key: item for item in section.items}
    for item in section.items:
        if last[item.key] is item:
            _take(draft, item, library)
        else:
            draft.note(item.line, f"{item.key} stands twice; line {last[item.key].line} counts.")
    for line, text in section.stray:
        draft.note(line, f"not understood: {text}")


def _take(draft: Draft, item: Item, library: Library) -> None:
    key, value = item.key, unquoted(item.value)
    bare = key.lstrip("-")
    if bare in _ROUTER_ONLY:
        draft.note(item.line, f"{key} is not needed: {_ROUTER_ONLY[bare]}.")
    elif bare == "sleep-idle-seconds" and re.fullmatch(r"-1|[0-9]{1,9}", value):
        draft.set("server.idle_unload", f"{value}s" if int(value) > 0 else "never", item.line)
    elif bare == "alias":
        draft.set("server.alias", value, item.line)
    elif bare == "tags":
        tags = [untrusted_line(tag.strip()) for tag in value.split(",")]
        draft.put("tags", [tag for tag in tags if tag], item.line)
    else:
        take_setting(draft, key, value, item.line, library)


def _model_from_name(draft: Draft, section: Section, library: Library) -> None:
    """A section may be named after the hub's repository of its model."""
    take_setting(draft, "hf-repo", section.name, section.line, library)
