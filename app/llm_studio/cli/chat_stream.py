"""One question to the gateway, and its answer as it comes: by hand, for commands start at once."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from llm_studio.errors import StudioError

PATIENCE = 900


def deltas(gateway: str, key: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of an answer: each with its `delta`, and what else was told in it."""
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"), timeout=PATIENCE)
    with closing(connection):
        try:
            headers = {"Content-Type": "application/json", "User-Agent": "llm-studio-chat"}
            if key:
                headers["Authorization"] = f"Bearer {key}"
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise _refused(answer.read())
            for line in answer:
                if line.startswith(b"data: [DONE]"):
                    return
                if line.startswith(b"data: {"):
                    yield _event(json.loads(line[6:]))
            # The library takes an answer that is cut between two lines for a whole one.
            raise ConnectionError("It ended in the midst.")
        except (OSError, http.client.HTTPException) as error:
            raise StudioError(
                "The answer was cut off",
                why=str(error) or type(error).__name__,
                hint="`llm-studio status` tells what happened.",
            ) from error


def _event(event: dict[str, Any]) -> dict[str, Any]:
    if "error" in event:
        raise _refused(json.dumps(event).encode())
    choice: dict[str, Any] = next(iter(event.get("choices") or ()), {})
    return {**event, "delta": choice.get("delta") or {}, "finish": choice.get("finish_reason")}


def _refused(raw: bytes) -> StudioError:
    try:
        message = json.loads(raw)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = raw.decode(errors="replace")[:400]
    return StudioError("The model did not answer", why=str(message))
