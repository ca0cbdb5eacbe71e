"""Asks a server of many models for the one that is meant, whatever name the client used."""

from __future__ import annotations

import json
import re

from pydantic_core import from_json, to_json

from llm_studio.studio.serving.desk import Target

MODEL_FIRST = re.compile(rb'\s*\{\s*"model"\s*:\s*"([^"\\\x00-\x1f]{1,300})"')
"""Bodies are large, and most name their model first."""


def named_for(target: Target, body: bytes) -> bytes:
    """The body as this server understands it; our own engines take any name, and every byte."""
    if not target.model:
        return body
    first = MODEL_FIRST.match(body)
    if first:
        if first[1].decode("utf-8", "replace") in target.models:
            return body
        name = json.dumps(target.model)[1:-1].encode()
        return body[: first.start(1)] + name + body[first.end(1) :]
    try:
        document = from_json(body)
    except ValueError:
        return body  # the server says what is wrong with it
    if not isinstance(document, dict) or document.get("model") in target.models:
        return body
    return to_json({**document, "model": target.model})
