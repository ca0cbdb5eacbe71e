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
from llm_studio.profiles.server import OWNED, Sampling, ServerSettings, spelled

_LEFT_OUT = (OWNED - {"-m", "--model"}) | {"-hft", "--hf-token"}
_WITHOUT_VALUE = {"--agent", "-ag", "--ui-mcp-proxy", "--webui-mcp-proxy", "--reuse-port"}
_MODEL = {"-m": "file", "--model": "file", "-mm": "mmproj", "--mmproj": "mmproj",
          "-md": "draft", "--model-draft": "draft", "--spec-draft-model": "draft",
          "-hf": "repo", "-hfr": "repo", "--hf-repo": "repo", "--hf": "repo",
          "-hfd": "draft_repo", "-hfrd": "draft_repo", "--hf-repo-draft": "draft_repo",
          "--spec-draft-hf": "draft_repo"}  # fmt: skip
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
    "SPEC_DRAFT_CACHE_TYPE_K": "--spec-draft-type-k",
    "SPEC_DRAFT_CACHE_TYPE_V": "--spec-draft-type-v", "SPEC_DRAFT_HF_REPO": "--spec-draft-hf",
    "CHECKPOINT_MIN_SPACING_NT": "--checkpoint-min-step", "STATIC_PATH": "--path",
    "ENDPOINT_METRICS": "--metrics", "ENDPOINT_PROPS": "--props", "ENDPOINT_SLOTS": "--slots",
    "THINK_BUDGET_MESSAGE": "--reasoning-budget-message",
    "LLAMA_API_KEY": "--api-key", "HF_TOKEN": "--hf-token",
    "MTMD_BACKEND_DEVICE": "--mmproj-device",
}  # fmt: skip
"""Variables (without LLAMA_ARG_) that are not named after their argument."""
_SWITCHES = {
    "perf", "escape", "repack", "log-jsonl", "log-prefix", "log-timestamps", "warmup", "ui",
    "webui", "cache-idle-slots", "cont-batching", "mmproj-auto", "cors-credentials", "slots",
    "cache-prompt", "models-autoload", "reasoning-preserve", "skip-chat-parsing",
    "prefill-assistant", "spec-draft-backend-sampling",
}  # fmt: skip
"""Arguments without a key of their own that take no value, but have an opposite: --no-NAME."""
_PRESENT = {
    "no-host", "check-tensors", "log-disable", "verbose", "log-verbose", "offline", "ignore-eos",
    "backend-sampling", "spec-draft-cpu-moe", "cpu-moe-draft", "special", "spm-infill", "metrics",
    "props", "lora-init-without-apply", "spec-default", "no-mmproj",
    "cb", "nocb", "e", "nr", "v", "bs", "cmoed", "sp",
}  # fmt: skip
"""Arguments without a key of their own that are either there or not."""
_SHORT = {
    "C", "Cr", "Cb", "Crb", "e", "nr", "dt", "lzm", "ncffn", "mu", "dr", "hff", "lv", "v", "td",
    "tbd", "Cd", "Crd", "Cbd", "otd", "cmoed", "ncmoed", "devd", "lcs", "lcd", "ctxcp", "cms",
    "r", "sp", "cb", "nocb", "mmu", "mmdev", "to", "sps", "l", "j", "jf", "bs",
}  # fmt: skip
"""Arguments without a key of their own that begin with one dash."""
_TRUE, _FALSE = ("true", "on", "1", "enabled"), ("false", "off", "0", "disabled")
_NUMBER = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,3})?")


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
        word = spelled(word)
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
    word = _word_for(key)
    known = _known().get(word)
    takes_nothing = word in _FIXED or (known and known.flag.form in ("switch", "presence"))
    if takes_nothing:
        _take_switch(draft, word, value, line, library)
    elif _take(draft, word, [value], line, library) is None:
        words = _words_for(word, value)
        if not words:
            draft.note(line, f"{key} = {value} is what llama-server does anyway.", lost=False)
        elif draft.set("server.args", [*draft.values.get("server.args", []), *words], line):
            draft.note(line, f"{key} has no key of its own; it is kept in `args`.", lost=False)


def _word_for(key: str) -> str:
    """The argument that a line of a preset stands for."""
    rest = key.removeprefix("LLAMA_ARG_")
    if rest != key or rest in ("LLAMA_API_KEY", "HF_TOKEN", "MTMD_BACKEND_DEVICE"):
        return _VARIABLES.get(rest, "--" + rest.lower().replace("_", "-"))
    bare = key.lstrip("-")
    every = {*_known(), *_MODEL, *_FIXED, *_LEFT_OUT}
    if f"-{bare}" in every or bare in _SHORT:
        return f"-{bare}"
    return spelled(f"--{bare}")


def _words_for(word: str, value: str) -> list[str]:
    """A line without a key of its own as words of a command line."""
    bare, lowered = word.lstrip("-"), value.lower()
    positive = bare.removeprefix("no-")
    if positive in _SWITCHES and lowered in (*_TRUE, "", *_FALSE):
        on = (lowered not in _FALSE) != bare.startswith("no-")
        return [f"--{positive}" if on else f"--no-{positive}"]
    if bare in _PRESENT and lowered in (*_TRUE, "", *_FALSE):
        return [] if lowered in _FALSE else [word]
    if lowered in ("true", ""):
        return [word]
    return [f"--no-{bare}"] if lowered == "false" else [word, value]


def _take_switch(draft: Draft, word: str, value: str, line: int, library: Library) -> None:
    lowered = value.lower()
    if lowered not in (*_TRUE, "", *_FALSE):
        draft.note(line, f"{word.lstrip('-')} = {value} was left out: neither true nor false.")
        return
    wanted = lowered not in _FALSE
    if word in _FIXED:
        key, fixed = _FIXED[word]
        if word == "--mmap" and not wanted:
            fixed, wanted = "none", True
        if wanted:
            draft.set(key, fixed, line)
        else:
            what = f"{word.lstrip('-')} = {value} is what llama-server does anyway."
            draft.note(line, what, lost=False)
        return
    known = _known()[word]
    opposite = word == known.flag.negative
    draft.set(known.key, wanted != opposite, line)


def _take(draft: Draft, word: str, following: list[str], line: int, library: Library) -> int | None:
    """Take one argument; how many following words it used, or None where it has no key."""
    value = following[0] if following else None
    if word in _LEFT_OUT:
        draft.note(line, f"{word} is left out: llm-studio decides who may reach the engine.")
        return 0 if word in _WITHOUT_VALUE else 1
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
        draft.put(known.key, reading, line)
        return
    draft.note(line, f"{known.flag.name} {text} was left out: {known.key} does not take that.")


def _readings(flag: Flag, text: str) -> list[Any]:
    if flag.form == "list":
        return [[number(part) for part in text.split(",")], text.split(",")]
    if flag.form == "repeated":
        return [[text]]
    if flag.form == "on-off":
        lowered = text.lower()
        return [lowered in _TRUE] if lowered in (*_TRUE, *_FALSE) else []
    if flag.form == "json":
        try:
            return [json.loads(text)]
        except (ValueError, RecursionError):
            return []
    read = number(text)
    words = {"true": "on", "1": "on", "enabled": "on", "false": "off", "0": "off"}
    as_switch = words.get(text.lower(), text)
    if read in (99, 999, -1):
        # The usual ways to say "all layers"; for other keys the number itself comes first.
        return [read, "all", text]
    return [read, text, as_switch]


def number(text: str) -> int | float | str:
    """The number that a text is, or the text."""
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if set(".eE") & set(text) else int(text)


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
