"""The models.conf of a Docker wrapper for llama.cpp: [id] and KEY=VALUE, some for benchmarks."""

from __future__ import annotations

import re
import shlex
from typing import Any

from llm_studio.models.library import Library
from llm_studio.profiles.imports.arguments import number, take_arguments
from llm_studio.profiles.imports.draft import Draft, draft_for, set_model
from llm_studio.profiles.imports.ini import Item, Section, unquoted
from llm_studio.text import untrusted_line

_KEYS = {
    "NAME", "DESCRIPTION", "SPEED", "MODEL", "CTX_SIZE", "N_GPU_LAYERS", "FIT", "FIT_TARGET",
    "EXTRA_ARGS",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "server.context": 131072,
    "server.fit_target": [128, 1024],
    "server.cache_type_k": "q8_0",
    "server.cache_type_v": "q8_0",
    "server.flash_attention": "on",
}
"""What the wrapper passed where the file was silent; written out, so that nothing changes."""
BENCH = "bench-"


def is_models_conf(sections: list[Section]) -> bool:
    return any(
        item.key.upper() == "MODEL" and item.key.isupper() for s in sections for item in s.items
    )


def from_models_conf(sections: list[Section], stem: str, library: Library) -> list[Draft]:
    """The profiles; a benchmark entry becomes [bench] of its model's profile where it can."""
    taken: set[str] = set()
    drafts = []
    for section in sections:
        if not section.name and not section.items and not section.stray:
            continue
        draft = draft_for(section.name or stem, section.line, taken)
        _read(draft, section, library)
        drafts.append(draft)
    return _with_benchmarks(drafts)


def _read(draft: Draft, section: Section, library: Library) -> None:
    draft.values |= _DEFAULTS
    draft.values["name"] = untrusted_line(section.name, limit=100) or draft.id
    last = {item.key.upper(): item for item in section.items}
    # The wrapper puts EXTRA_ARGS last on the command line, wherever it stands.
    for item in sorted(section.items, key=lambda each: each.key.upper() == "EXTRA_ARGS"):
        key = item.key.upper()
        if last[key] is not item:
            draft.note(item.line, f"{key} stands twice; line {last[key].line} counts.")
            continue
        if key not in _KEYS:
            draft.note(item.line, f"{item.key} is not known; its value was {item.value!r}.")
            continue
        _take(draft, key, item, library)
    for line, text in section.stray:
        draft.note(line, f"not understood: {text}")
    if "server.gpu_layers" in draft.values and "server.fit_target" not in draft.lines:
        draft.values.pop("server.fit_target")


def _take(draft: Draft, key: str, item: Item, library: Library) -> None:
    value, line = unquoted(item.value), item.line
    match key:
        case "NAME":
            draft.put_text("name", value or draft.id, line, limit=120)
        case "DESCRIPTION":
            draft.put_text("summary", value, line, limit=200)
        case "SPEED":
            draft.note(line, f"SPEED ({value}) is not kept: speeds are measured, not written.")
        case "MODEL":
            set_model(draft, value, line, library)
        case "CTX_SIZE":
            draft.set("server.context", number(value), line)
        case "N_GPU_LAYERS":
            if value != "auto":
                draft.set("server.gpu_layers", number(value), line)
        case "FIT":
            if value.lower() in ("off", "false", "0"):
                draft.set("server.fit", False, line)
            elif value.lower() not in ("on", "true", "1", ""):
                draft.note(line, f"FIT = {value} was left out: neither on nor off.")
        case "FIT_TARGET":
            parts = [part.strip() for part in value.split(",")]
            draft.set("server.fit_target", [number(part) for part in parts], line)
        case "EXTRA_ARGS":
            # The whole line may be quoted, or single arguments in it.
            inner = value if _balanced(value) else item.value
            try:
                words = shlex.split(inner)
            except ValueError:
                draft.note(line, "a quote is not closed; it was split at spaces.", lost=False)
                words = inner.split()
            take_arguments(draft, words, line, library)


def _balanced(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def _with_benchmarks(drafts: list[Draft]) -> list[Draft]:
    by_id = {draft.id: draft for draft in drafts}
    kept = []
    for draft in drafts:
        owner = by_id.get(re.sub(f"^{BENCH}", "", draft.id))
        if not draft.id.startswith(BENCH):
            kept.append(draft)
            continue
        bench = _as_bench(draft, owner) if owner is not None else None
        if owner is None or bench is None:
            draft.values["tags"] = ["bench"]
            kept.append(draft)
            continue
        owner.values |= bench
        owner.notes.extend(draft.notes)
        owner.note(draft.line, f"[{draft.id}] became its table [bench].", lost=False)
        for key in ("name", "summary"):
            text = draft.values.get(key)
            if text and text not in (draft.id, owner.values.get(key)):
                owner.note(draft.line, f"The {key} of [{draft.id}] is not needed: {text}")
    return kept


def _as_bench(draft: Draft, owner: Draft) -> dict[str, Any] | None:
    """The benchmark entry as [bench] of its owner, unless it holds more than that can say."""
    bench: dict[str, Any] = {"bench.temperature": 0.0}
    for key in {*draft.values, *owner.values}:
        ours, theirs = draft.values.get(key), owner.values.get(key)
        section, _, name = key.rpartition(".")
        if key in ("name", "summary", "tags") or ours == theirs or section == "bench":
            continue
        if key == "server.context" and not (isinstance(ours, int) and ours > 0):
            return None
        if key in ("server.context", "server.reasoning_format"):
            if ours is not None:
                bench[f"bench.{name}"] = ours
        elif section == "sampling" and ours is None:
            continue  # a benchmark sends its own samplers
        else:
            return None
    return bench
