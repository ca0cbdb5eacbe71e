"""Errors in the words of whoever asks: OpenAI's, Anthropic's or llama.cpp's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from llm_studio.errors import NotFound, NotReady, StudioError, UsageError
from llm_studio.studio.serving.desk import Refusal


class Dialect(Enum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    LLAMA = "llama.cpp"


@dataclass(frozen=True, slots=True)
class Answer:
    """An error, ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


_OPENAI_PATHS = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
_OPENAI_CODES = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    413: "request_too_large",
    431: "headers_too_large",
    502: "engine_failed",
    503: "model_not_ready",
}
_LLAMA_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    501: "not_supported_error",
    503: "unavailable_error",
}


def dialect_of(path: str) -> Dialect:
    """Which API the path belongs to."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return Dialect.ANTHROPIC
    if path == "/v1/health":
        return Dialect.LLAMA
    if path.startswith("/v1/") or path in _OPENAI_PATHS:
        return Dialect.OPENAI
    return Dialect.LLAMA


def error_answer(error: StudioError, dialect: Dialect) -> Answer:
    """The failure as that API tells failures."""
    status = status_of(error)
    document = json.dumps(_document(error.sentence, status, dialect)).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if isinstance(error, Refusal) and error.retry_after > 0:
        headers["Retry-After"] = str(error.retry_after)
    return Answer(status, headers, document)


def status_of(error: StudioError) -> int:
    match error:
        case Refusal():
            return error.status
        case NotFound():
            return 404
        case UsageError():
            return 400
        case NotReady():
            return 503
    return 500


def _document(sentence: str, status: int, dialect: Dialect) -> dict[str, Any]:
    ours = "invalid_request_error" if status < 500 else ""
    if dialect is Dialect.ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, ours or "api_error")
        return {"type": "error", "error": {"type": kind, "message": sentence}}
    if dialect is Dialect.OPENAI:
        code = _OPENAI_CODES.get(status)
        error = {"message": sentence, "type": ours or "server_error", "param": None, "code": code}
        return {"error": error}
    kind = _LLAMA_TYPES.get(status, ours or "server_error")
    return {"error": {"code": status, "message": sentence, "type": kind}}
