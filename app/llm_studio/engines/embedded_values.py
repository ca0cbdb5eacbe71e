"""How the words of llama-server's arguments become values of xllamacpp's CommonParams."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Convert = Callable[[str, Any, Any], object]
"""The argument's text, what the field holds so far, and the xllamacpp module: the new value."""
Assignment = tuple[str, Convert]
"""A field of CommonParams, dotted, and how it gets its value."""


def text(text: str, _now: Any, _x: Any) -> object:
    return text


def whole(text: str, _now: Any, _x: Any) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None


def real(text: str, _now: Any, _x: Any) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def slots(text: str, _now: Any, _x: Any) -> int:
    if (slots := whole(text, None, None)) == 0 or slots < -1:
        raise ValueError("expected -1 or at least 1")
    return slots


def port(text: str, _now: Any, _x: Any) -> int:
    if not 0 <= (port := whole(text, None, None)) <= 65535:
        raise ValueError("expected a port from 0 to 65535")
    return port


def threads(text: str, _now: Any, _x: Any) -> int:
    threads = whole(text, None, None)
    return threads if threads > 0 else os.cpu_count() or 1


def _row(text: str) -> list[str]:
    return [item for item in next(csv.reader([text]), []) if item]


def items(text: str, _now: Any, _x: Any) -> list[str]:
    return _row(text)


def names(text: str, now: Any, _x: Any) -> set[str]:
    return {*now, *(name for item in text.split(",") if (name := item.strip()))}


def fixed(value: object) -> Convert:
    return lambda _text, _now, _x: value


def yes(text: str, _now: Any, _x: Any) -> bool:
    return text == "on"


def opposite(text: str, _now: Any, _x: Any) -> bool:
    return text != "on"


def words(**values: object) -> Convert:
    """One of some words; llama-server has several for on and off."""
    words = {**values}
    for word, others in (("on", "enabled true 1"), ("off", "disabled false 0"), ("auto", "-1")):
        if word in values:
            words |= dict.fromkeys(others.split(), values[word])

    def convert(text: str, _now: Any, _x: Any) -> object:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(values)}")
        return words[text]

    return convert


def _enum(name: str, prefix: str, choices: str, **spelled: str) -> Convert:
    """A member of one of the module's enumerations, by llama-server's word for it."""
    members = {
        word: prefix + spelled.get(word, word.upper().replace("-", "_").replace("+", "_"))
        for word in choices.split()
    }
    pick = words(**members)
    return lambda text, now, x: getattr(getattr(x, name), str(pick(text, now, x)))


def layers(text: str, now: Any, x: Any) -> int:
    return {"auto": -1, "all": -2}.get(text) or whole(text, now, x)


def several(convert: Convert) -> Convert:
    return lambda text, now, x: [convert(item, now, x) for item in text.split(",")]


def shares(text: str, now: Any, x: Any) -> list[float]:
    values = [real(item, now, x) for item in text.replace("/", ",").split(",")]
    return [*values, *[0.0] * (len(now) - len(values))]


def margins(text: str, now: Any, x: Any) -> list[int]:
    """In bytes, and never fewer than there were: llama.cpp reads one for each device."""
    values = [whole(item, now, x) << 20 for item in text.replace("/", ",").split(",")]
    return values * len(now) if len(values) == 1 else [*values, *now[len(values) :]]


def overrides(text: str, now: Any, _x: Any) -> str:
    return f"{now},{text}".strip(",")


def experts(text: str, now: Any, x: Any) -> str:
    """The experts of so many layers to host memory."""
    layers = range(whole(text, now, x))
    return overrides(",".join(rf"blk\.{layer}{_EXPERTS}" for layer in layers), now, x)


def all_experts(_text: str, now: Any, x: Any) -> str:
    return overrides(_EXPERTS, now, x)


def samplers(text: str, _now: Any, x: Any) -> str:
    tried = x.CommonParams().sampling
    tried.samplers = text
    if len(tried.samplers.split(";")) != len(text.split(";")):
        raise ValueError("no such sampler")
    return text


def own(name: str) -> Assignment:
    """Marks a value as the user's own, for a model file may bring defaults that yield to it."""
    member = f"COMMON_PARAMS_SAMPLING_CONFIG_{name}"
    return (
        "sampling.user_sampling_config",
        lambda _text, now, x: now | int(getattr(x.common_params_sampling_config, member)),
    )


def template_values(text: str, now: Any, _x: Any) -> dict[str, str]:
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("expected a JSON object")
    return {**now, **{key: json.dumps(value, ensure_ascii=False) for key, value in given.items()}}


def thinking(text: str, now: Any, _x: Any) -> dict[str, str]:
    wish = _SWITCH(text, now, None)
    return now if wish is None else {**now, "enable_thinking": json.dumps(wish)}


def effort(text: str, now: Any, _x: Any) -> dict[str, str]:
    kept = {key: value for key, value in now.items() if key != "reasoning_effort"}
    return kept if text == "default" else {**kept, "reasoning_effort": json.dumps(text)}


def rank(_text: str, _now: Any, x: Any) -> object:
    return x.llama_pooling_type.LLAMA_POOLING_TYPE_RANK


def adapters(text: str, now: Any, x: Any) -> list[object]:
    return [*now, *(x.CommonAdapterLoraInfo(path, 1.0) for path in _row(text))]


def scaled_adapters(text: str, now: Any, x: Any) -> list[object]:
    pairs = [item.rpartition(":") for item in _row(text)]
    return [*now, *(x.CommonAdapterLoraInfo(path, real(scale, now, x)) for path, _, scale in pairs)]


def folder(text: str, _now: Any, _x: Any) -> str:
    if not Path(text).is_dir():
        raise ValueError("not a folder")
    return text if text.endswith("/") else f"{text}/"


def content(text: str, _now: Any, _x: Any) -> str:
    return Path(text).read_text("utf-8")


def keys(text: str, now: Any, _x: Any) -> list[str]:
    return [*now, *_row(text)]


def keys_of_file(text: str, now: Any, _x: Any) -> list[str]:
    lines = Path(text).read_text("utf-8").splitlines()
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ValueError("the file holds no key")
    return [*now, *keys]


_SWITCH = words(on=True, off=False, auto=None)
INT_MAX = 2**31 - 1
_EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
CACHE_TYPE = _enum("ggml_type", "GGML_TYPE_", "f32 f16 bf16 q8_0 q5_1 q5_0 q4_1 q4_0 iq4_nl")
FLASH_ATTENTION = _enum(
    "llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_", "on off auto", on="ENABLED", off="DISABLED"
)
LOAD_MODE = _enum(
    "llama_load_mode", "LLAMA_LOAD_MODE_", "auto none mmap mlock mmap+mlock dio", dio="DIRECT_IO"
)
SPLIT_MODE = _enum("llama_split_mode", "LLAMA_SPLIT_MODE_", "none layer row tensor")
NUMA = _enum("ggml_numa_strategy", "GGML_NUMA_STRATEGY_", "distribute isolate numactl")
ROPE_SCALING = _enum("llama_rope_scaling_type", "LLAMA_ROPE_SCALING_TYPE_", "none linear yarn")
POOLING = _enum("llama_pooling_type", "LLAMA_POOLING_TYPE_", "none mean cls last rank")
REASONING_FORMAT = _enum(
    "common_reasoning_format", "COMMON_REASONING_FORMAT_", "auto none deepseek deepseek-legacy"
)
SPECULATION = _enum(
    "common_speculative_type",
    "COMMON_SPECULATIVE_TYPE_",
    "none draft-simple draft-eagle3 draft-mtp draft-dflash draft-dspark"
    " ngram-simple ngram-map-k ngram-map-k4v ngram-mod ngram-cache",
)
