"""A first profile for a model file, from what the file says about itself."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from llm_studio.models.architecture import Architecture
from llm_studio.models.gguf import Header
from llm_studio.models.library import ModelFile
from llm_studio.profiles.profile import ModelSection
from llm_studio.profiles.server import Sampling
from llm_studio.text import untrusted_line

_SAMPLERS = {
    "temp": "temperature",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "penalty_repeat": "repeat_penalty",
    "penalty_last_n": "repeat_last_n",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_ent",
    "mirostat_eta": "mirostat_lr",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
}
"""Keys of `general.sampling.*`, with which a file may recommend its samplers."""


def values_for(model: ModelFile) -> dict[str, Any]:
    """Profile values by dotted key; what the planner chooses better is left to it."""
    header = model.require()
    values: dict[str, Any] = {
        "name": name_of(header, model.name),
        "tags": _tags(header),
        "model.file": model.name,
        "model.repo": _repository(model.repo),
    }
    if model.projectors:
        folder = model.name.rpartition("/")[0]
        name = model.projectors[0].name
        values["model.mmproj"] = f"{folder}/{name}" if folder else name
    if Architecture(header).number("pooling_type") or _embeds(header):
        values["server.embeddings"] = True
    else:
        values["server.parallel"] = 1
    values |= {f"sampling.{key}": value for key, value in recommended_sampling(header).items()}
    if header.architecture == "gpt-oss":
        values |= {
            "client.reasoning_levels": ["low", "medium", "high"],
            "client.reasoning_level": "medium",
            "client.reasoning_prompt": "Reasoning: {level}",
        }
    return values


def _repository(name: str) -> str | None:
    """The folder names of a cache as a repository, where they can be one."""
    with suppress(ValidationError):
        return ModelSection.model_validate({"repo": name}).repo
    return None


def name_of(header: Header, fallback: str) -> str:
    """The model's name with its quantisation, as the file gives them."""
    stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", fallback.rsplit("/", 1)[-1], flags=re.I)
    given = header.metadata.get("general.name")
    name = untrusted_line(given, limit=100) if isinstance(given, str) and given.strip() else stem
    size = header.metadata.get("general.size_label")
    if isinstance(size, str) and size.lower() not in name.lower():
        name = f"{name} {untrusted_line(size, limit=20)}"
    quantisation = quantisation_of(header)
    if quantisation and quantisation.lower() not in name.lower():
        name = f"{name} {quantisation}"
    return name.strip()[:120]


def recommended_sampling(header: Header) -> dict[str, Any]:
    """Samplers that the file itself recommends."""
    found: dict[str, Any] = {}
    for key, ours in _SAMPLERS.items():
        value = header.metadata.get(f"general.sampling.{key}")
        if isinstance(value, float):
            value = round(value, 4)
        with suppress(ValidationError):  # a file may hold anything
            Sampling.model_validate({ours: value})
            if value is not None:
                found[ours] = value
    return found


FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
    39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""`general.file_type` as users know it."""


def quantisation_of(header: Header) -> str:
    """The quantisation: as the file says, else the type that most of its bytes have."""
    number = header.metadata.get("general.file_type")
    if isinstance(number, int) and number in FILE_TYPES:
        return FILE_TYPES[number]
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.size
    return max(sizes, key=lambda name: sizes[name], default="")


def _tags(header: Header) -> list[str]:
    if _embeds(header):
        return ["embedding"]
    template = header.metadata.get("tokenizer.chat_template")
    tags = ["chat"] if isinstance(template, str) else []
    if isinstance(template, str):
        if "<think>" in template or "reasoning" in template:
            tags.append("reasoning")
        if "tools" in template:
            tags.append("tools")
    return tags


def _embeds(header: Header) -> bool:
    return header.architecture.endswith("bert") or header.architecture in (
        "gemma-embedding",
        "jina-bert-v2",
        "nomic-bert-moe",
    )


def id_for(model: ModelFile) -> str:
    """A profile id after the file's name."""
    stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", model.name.rsplit("/", 1)[-1], flags=re.I)
    return re.sub(r"[^a-z0-9._]+", "-", stem.lower()).strip("-._")[:64] or "model"
