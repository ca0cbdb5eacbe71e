"""The demo's chat template: what chooses an answer, with the answers of the script in it."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from llm_studio.models.demo import weights

_HEADER = "\n<|assistant|>\n"
"""What the template puts between what is to be said and the answer."""
_PADDING = weights.END_SIGN + '"}]'
"""What follows what is said: its end; and what closes any JSON that a grammar asked for instead."""


@cache
def script() -> dict[str, Any]:
    return tomllib.loads(_text("script.toml"))


def template() -> str:
    said = script()
    tools = said["tools"]
    padding = (_PADDING * said["room"])[: said["room"]]
    values = {
        "topics": [_speech(topic) | {"words": topic["words"]} for topic in said["topic"]],
        "other": _speech(said["other"]),
        "signature": said["signature"],
        "first": tools["first"],
        "harmless": tools["harmless"],
        "values": tools["values"],
        "thought": tools["thought"],
        "told": tools["told"],
        "none": tools["none"].strip(),
    }
    told = "".join(
        f"{{%- set script_{key} = {json.dumps(each)} -%}}\n" for key, each in values.items()
    )
    # As it is: not every engine's Jinja knows such signs escaped.
    told += f"{{%- set script_end = '{weights.END_SIGN}' -%}}\n"
    told += f"{{%- set script_padding = '{padding}' -%}}\n"
    return _text("template.jinja").replace("{#- SCRIPT -#}\n", told)


def distance() -> int:
    """Tokens from one of the answer back to the one that it repeats. A token is a byte."""
    return int(script()["room"]) + len(_HEADER) - 1


def _speech(part: dict[str, str]) -> dict[str, str]:
    return {"thought": part["thought"].strip(), "answer": part["answer"].strip()}


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
