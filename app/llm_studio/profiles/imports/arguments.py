"""llama-server arguments as profile values; what has no key of its own is kept word for word."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from llm_studio.models.library import Library
from llm_studio.profiles.field import Flag, flag_of
from llm_studio.profiles.imports.draft import Draft, set_model
from llm_studio.profiles.server import Sampling, ServerSettings

_OWNED = {"--host", "--port", "--api-key", "--api-key-file", "--ssl-key-file", "--ssl-cert-file"}
_MODEL = {"-m": "file", "--model": "file", "-mm": "mmproj", "--mmproj": "mmproj",
          "-md": "draft", "--model-draft": "draft", "--spec-draft-model": "draft",
          "-hf": "repo", "-hfr": "repo", "--hf-repo": "repo", "--hf": "repo",
          "-hfd": "draft_repo", "--hf-repo-draft": "draft_repo"}  # fmt: skip
_FIXED: Mapping[str, tuple[str, Any]] = {
    "-nkvo": ("server.kv_offload", False),
    "-no-kvu": ("server.kv_unified", False),
    "--mlock": ("server.load_mode", "mlock"),
    "--mmap": ("server.load_mode", "mmap"),
    "--no-mmap": ("server.load_mode", "none"),
}
"""Arguments that stand for one value of a key."""
_SWITCHLESS = {"--flash-attn": "on"}
"""Arguments that older builds took without a value."""
_VARIABLES = {
    "BATCH": "--batch-size", "UBATCH": "--ubatch-size", "N_PARALLEL": "--parallel",
    "THINK": "--reasoning-format", "THINK_BUDGET": "--reasoning-budget",
    "ROPE_SCALING_TYPE": "--rope-scaling", "MODEL": "--model", "HF_REPO": "--hf-repo",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Known:
    key: str
    flag: Flag
    owner: type[BaseModel]

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]


@cache
def _known() -> Mapping[str, _Known]:
    found: dict[str, _Known] = {}
    for section, owner in (("server", ServerSettings), ("sampling", Sampling)):
        for name, info in owner.model_fields.items():
            flag = flag_of(info)
            if flag and flag.name.startswith("-"):
                known = _Known(f"{section}.{name}", flag, owner)
                spellings = (flag.name, flag.negative, *flag.renamed_from)
                found |= {each: known for each in spellings if each.startswith("-")}
    return found


def take_arguments(draft: Draft, words: Sequence[str], line: int, library: Library) -> None:
    """Put a command line's words into the draft."""
    rest: list[str] = []
    position = 0
    while position < len(words):
        word, equals, attached = words[position].partition("=")
        following = [attached] if equals else list(words[position + 1 : position + 2])
        used = _take(draft, word, following, line, library)
        if used is None:
            rest.append(words[position])
            used = 0
        position += 1 + (0 if equals else used)
    if rest:
        draft.set("server.args", [*draft.values.get("server.args", []), *rest], line)


def take_setting(draft: Draft, key: str, value: str, line: int, library: Library) -> None:
    """Put one line of a preset into the draft: a flag without dashes, or a variable's name."""
    if key.startswith("LLAMA_ARG_"):
        rest = key.removeprefix("LLAMA_ARG_")
        word = _VARIABLES.get(rest, "--" + rest.lower().replace("_", "-"))
    else:
        bare = key.lstrip("-")
        word = f"--{bare}" if f"--{bare}" in {*_known(), *_MODEL, *_FIXED, *_OWNED} else f"-{bare}"
        if word not in {*_known(), *_MODEL, *_FIXED, *_OWNED}:
            word = f"--{bare}"
    known = _known().get(word)
    takes_nothing = word in _FIXED or (known and known.flag.form in ("switch", "presence"))
    if takes_nothing:
        _take_switch(draft, word, value, line, library)
    elif _take(draft, word, [value], line, library) is None:
        lowered = value.lower()
        words = [word] if lowered in ("true", "on", "1", "") else [word, value]
        if lowered in ("false", "off"):
            words = [f"--no-{word.lstrip('-')}"]
        draft.set("server.args", [*draft.values.get("server.args", []), *words], line)
        draft.note(line, f"{key} has no key of its own; it is kept in `args`.", lost=False)


def _take_switch(draft: Draft, word: str, value: str, line: int, library: Library) -> None:
    lowered = value.lower()
    if lowered not in ("true", "on", "1", "enabled", "", "false", "off", "0", "disabled"):
        draft.note(line, f"{word.lstrip('-')} = {value} was left out: neither true nor false.")
        return
    wanted = lowered in ("true", "on", "1", "enabled", "")
    if word in _FIXED:
        key, fixed = _FIXED[word]
        if word == "--mmap" and not wanted:
            fixed, wanted = "none", True
        if wanted:
            draft.set(key, fixed, line)
        return
    known = _known()[word]
    opposite = word == known.flag.negative
    draft.set(known.key, wanted != opposite, line)


def _take(draft: Draft, word: str, following: list[str], line: int, library: Library) -> int | None:
    """Take one argument; how many following words it used, or None where it has no key."""
    value = following[0] if following else None
    if word in _OWNED:
        draft.note(line, f"{word} is left out: llm-studio decides who may reach the engine.")
        return 1
    if word in _MODEL:
        if value is None:
            draft.note(line, f"{word} has no value.")
            return 0
        _take_model(draft, _MODEL[word], value, line, library)
        return 1
    if word in _FIXED:
        key, fixed = _FIXED[word]
        draft.set(key, fixed, line)
        return 0
    known = _known().get(word)
    if known is None:
        return None
    if known.flag.form in ("switch", "presence"):
        draft.set(known.key, word != known.flag.negative, line)
        return 0
    lacks_value = value is None or (value.startswith("-") and not _NUMBER.fullmatch(value))
    if known.flag.name in _SWITCHLESS and lacks_value:
        draft.set(known.key, _SWITCHLESS[known.flag.name], line)
        return 0
    if value is None or lacks_value:
        draft.note(line, f"{word} has no value.")
        return 0
    _take_value(draft, known, value, line)
    return 1


def _take_value(draft: Draft, known: _Known, text: str, line: int) -> None:
    """The first reading of the text that the key accepts."""
    for reading in _readings(known.flag, text):
        try:
            known.owner.model_validate({known.name: reading})
        except ValidationError:
            continue
        if known.flag.form == "repeated":
            reading = [*draft.values.get(known.key, []), *reading]
        draft.values[known.key] = reading
        return
    draft.note(line, f"{known.flag.name} {text} was left out: {known.key} does not take that.")


def _readings(flag: Flag, text: str) -> list[Any]:
    if flag.form == "list":
        return [[_number(part) for part in text.split(",")], text.split(",")]
    if flag.form == "repeated":
        return [[text]]
    if flag.form == "on-off":
        return [{"on": True, "true": True, "1": True}.get(text.lower(), False)]
    if flag.form == "json":
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):
            return []
    number = _number(text)
    words = {"true": "on", "1": "on", "enabled": "on", "false": "off", "0": "off"}
    as_switch = words.get(text.lower(), text)
    if number == 99 or number == 999 or number == -1:
        # The usual ways to say "all layers"; for other keys the number itself comes first.
        return [number, "all", text]
    return [number, text, as_switch]


def _number(text: str) -> int | float | str:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _take_model(draft: Draft, key: str, value: str, line: int, library: Library) -> None:
    if key == "file":
        set_model(draft, value, line, library)
    elif key in ("mmproj", "draft"):
        relative = "/".join(value.lstrip("/~").split("/")[-2:])
        if relative != value:
            draft.note(line, f"{key}: {value} became {relative}.", lost=False)
        draft.set(f"model.{key}", relative, line)
    else:
        repo, _, quantisation = value.partition(":")
        draft.set(f"model.{key}", repo, line)
        if key == "repo" and "model.file" not in draft.values:
            _find_in_repository(draft, repo, quantisation, line, library)


def _find_in_repository(
    draft: Draft, repo: str, quantisation: str, line: int, library: Library
) -> None:
    for model in library:
        if model.repo == repo and quantisation.lower() in model.name.lower():
            draft.set("model.file", model.name, line)
            return
    which = f"{repo}:{quantisation}" if quantisation else repo
    draft.note(line, f"No file of {which} is here: add model.file once it is.")
