"""Errors in the caller's dialect."""

from __future__ import annotations

import json

import pytest

from llm_studio.errors import NotFound, NotReady, StudioError, UsageError
from llm_studio.server.dialect import Dialect, dialect_of, error_answer
from llm_studio.studio.serving.desk import Refusal


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/messages", Dialect.ANTHROPIC), ("/v1/messages/count_tokens", Dialect.ANTHROPIC),
        ("/v1/chat/completions", Dialect.OPENAI), ("/chat/completions", Dialect.OPENAI),
        ("/v1/responses", Dialect.OPENAI), ("/v1/models", Dialect.OPENAI),
        ("/models", Dialect.OPENAI), ("/v1/messagesx", Dialect.OPENAI),
        ("/completion", Dialect.LLAMA), ("/props", Dialect.LLAMA), ("/", Dialect.LLAMA),
        ("/health", Dialect.LLAMA), ("/v1/health", Dialect.LLAMA),
    ],
)  # fmt: skip
def test_whose_path_it_is(path: str, dialect: Dialect) -> None:
    assert dialect_of(path) is dialect


REFUSAL = Refusal(503, "No model is loaded", hint="Load one.", retry_after=30)


def test_openai() -> None:
    answer = error_answer(REFUSAL, Dialect.OPENAI)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "30"
    assert json.loads(answer.body) == {
        "error": {
            "message": "No model is loaded. Load one.",
            "type": "server_error",
            "param": None,
            "code": "model_not_ready",
        }
    }


def test_anthropic() -> None:
    assert json.loads(error_answer(REFUSAL, Dialect.ANTHROPIC).body) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "No model is loaded. Load one."},
    }


def test_llama() -> None:
    assert json.loads(error_answer(REFUSAL, Dialect.LLAMA).body) == {
        "error": {
            "code": 503,
            "message": "No model is loaded. Load one.",
            "type": "unavailable_error",
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "openai", "anthropic"),
    [
        (Refusal(401, "x"), 401, "invalid_request_error", "authentication_error"),
        (Refusal(403, "x"), 403, "invalid_request_error", "permission_error"),
        (Refusal(413, "x"), 413, "invalid_request_error", "request_too_large"),
        (Refusal(502, "x"), 502, "server_error", "api_error"),
        (NotFound("x"), 404, "invalid_request_error", "not_found_error"),
        (UsageError("x"), 400, "invalid_request_error", "invalid_request_error"),
        (NotReady("x"), 503, "server_error", "overloaded_error"),
        (StudioError("x"), 500, "server_error", "api_error"),
    ],
)
def test_statuses_and_types(error: StudioError, status: int, openai: str, anthropic: str) -> None:
    answer = error_answer(error, Dialect.OPENAI)
    assert answer.status == status
    assert "Retry-After" not in answer.headers
    assert json.loads(answer.body)["error"]["type"] == openai
    other = error_answer(error, Dialect.ANTHROPIC)
    assert json.loads(other.body)["error"]["type"] == anthropic


@pytest.mark.parametrize("dialect", Dialect)
def test_foreign_text_in_a_message_is_pure_ascii(dialect: Dialect) -> None:
    body = error_answer(StudioError("a\x1b]0;x\x07\n\udcff\u202eb"), dialect).body
    assert body.isascii()
    assert b"\x1b" not in body
    assert b"\n" not in body
