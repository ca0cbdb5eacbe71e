"""Tokens and speeds, read in passing."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.server.tokens import WINDOW, TokenReader, Tokens

TIMINGS = {
    "cache_n": 24, "prompt_n": 2, "prompt_ms": 3.6, "prompt_per_second": 555.5, "predicted_n": 3,
    "predicted_ms": 0.5, "predicted_per_second": 3883.4,
}  # fmt: skip
USAGE = {
    "completion_tokens": 3,
    "prompt_tokens": 26,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 24},
}
ALL = Tokens(prompt=26, cached=24, generated=3, prompt_speed=555.5, speed=3883.4)


def events(*documents: Any, end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents) + end


def delta(**said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said}], "object": "chat.completion.chunk"}


OPENAI = events(
    delta(role="assistant", content=None),
    delta(content=""),
    delta(content="a"),
    delta(content="b"),
    {"choices": [{"finish_reason": "length", "index": 0, "delta": {}}], "timings": TIMINGS},
)
MESSAGE_EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "content": [],
            "usage": {"cache_read_input_tokens": 24, "input_tokens": 2, "output_tokens": 0},
        },
    },
    {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
ANTHROPIC = b"".join(
    b"event: " + each["type"].encode() + b"\ndata: " + json.dumps(each).encode() + b"\n\n"
    for each in MESSAGE_EVENTS
)
LLAMA = events(
    {"index": 0, "content": "C", "stop": False},
    {"content": "", "stop": True, "prompt": "<s>hi" * 9000, "timings": TIMINGS},
    end=b"",
)
RESPONSES = events(
    {"type": "response.created", "response": {"status": "in_progress"}},
    {"type": "response.output_text.delta", "delta": "S"},
    {
        "type": "response.completed",
        "response": {
            "output": [{"text": "S" * 40_000}],
            "usage": {
                "input_tokens": 26,
                "output_tokens": 3,
                "input_tokens_details": {"cached_tokens": 24},
            },
        },
        "timings": TIMINGS,
    },
)
STREAMS = {
    "openai": (OPENAI, replace(ALL, stop="length")),
    "openai with usage": (
        OPENAI + events({"choices": [], "usage": USAGE}), replace(ALL, stop="length")
    ),
    "anthropic": (ANTHROPIC, Tokens(prompt=26, cached=24, generated=3)),
    "llama.cpp": (LLAMA, ALL),
    "responses": (RESPONSES, ALL),
}  # fmt: skip


def read(body: bytes, cut: int, *, stream: bool = True) -> TokenReader:
    reader = TokenReader(stream=stream)
    for at in range(0, len(body), cut):
        reader.feed(body[at : at + cut])
    return reader


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cut", [1, 7, 100, 10**9])
def test_streams_in_pieces_of_any_size(name: str, cut: int) -> None:
    body, expected = STREAMS[name]
    reader = read(body, cut)
    assert reader.tokens() == expected
    assert reader.first is not None


@pytest.mark.parametrize(
    "document",
    [
        {"choices": [{"message": {"content": "aXX"}}], "usage": USAGE, "timings": TIMINGS},
        {"choices": [{"message": {"content": "a" * 50_000}}], "timings": TIMINGS, "usage": USAGE},
        {"content": "C", "prompt": "p" * 50_000, "timings": TIMINGS},
        {"usage": USAGE, "timings": TIMINGS, "data": [{"embedding": [0.5] * 20_000}]},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_whole_documents(document: Any, separators: tuple[str, str]) -> None:
    body = json.dumps(document, separators=separators).encode()
    reader = read(body, 1000, stream=False)
    assert reader.tokens() == ALL
    assert reader.first is None


def test_the_first_token_is_told_when_it_passes() -> None:
    ticks = itertools.count()
    reader = TokenReader(stream=True, clock=lambda: float(next(ticks)))
    pieces = OPENAI.split(b"\n\n")
    for piece in pieces[:2]:
        reader.feed(piece + b"\n\n")
    assert reader.first is None
    reader.feed(pieces[2])
    assert reader.first == 0.0
    reader.feed(pieces[3])
    assert reader.first == 0.0


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning_content": "hm"},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
    ],
)
def test_thoughts_and_tool_calls_are_tokens(said: dict[str, Any]) -> None:
    assert read(events(delta(**said)), 10).first is not None


def test_text_that_looks_like_timings_is_no_timings() -> None:
    trap = '"timings":{"predicted_n":9},"usage":{"prompt_tokens":9}'
    body = events(delta(content=trap)) + OPENAI + events(delta(content=trap))
    assert read(body, 50).tokens() == replace(ALL, stop="length")


@pytest.mark.parametrize(
    "failure",
    [b'data: {"error":{"message":"x"}}\n\n', b'event: error\ndata: {"type":"error"}\n\n'],
)
def test_a_stream_that_tells_of_an_error_has_failed(failure: bytes) -> None:
    assert read(events(delta(content="a"), end=b"") + failure, 9).tokens().failed


def test_a_model_that_speaks_of_errors_has_not_failed() -> None:
    assert not read(events(delta(content='\ndata: {"error":{}}')), 9).tokens().failed


@pytest.mark.parametrize(
    "timings",
    [
        b'{"predicted_n":-1}', b'{"predicted_n":true}', b'{"predicted_n":"3"}',
        b'{"predicted_n":1e400,"predicted_per_second":1e999}', b'{"predicted_per_second":NaN}',
        b'{"predicted_n":' + b"9" * 5000 + b"}", b"{" * 3000, b'{"a":' * 800, b"{", b"[]",
        b'{"predicted_per_second":' + b"9" * 400 + b"}", b'{"predicted_n":1e3}', b"{\xff\xfe}",
    ],
)  # fmt: skip
def test_hostile_figures_are_none(timings: bytes) -> None:
    assert read(b'{"timings":' + timings + b"}", 10**9, stream=False).tokens() == Tokens()


@given(st.lists(st.binary(max_size=200)))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    for stream in (True, False):
        reader = TokenReader(stream=stream)
        for piece in pieces:
            reader.feed(piece)
        reader.tokens()


def test_memory_is_bounded() -> None:
    reader = TokenReader(stream=True)
    for size in (1, 3, 5000, 300_000) * 50:
        reader.feed(b"x" * size)
    kept = len(reader._head) + sum(len(each) for each in reader._tail) + len(reader._overlap)
    assert kept <= 4 * WINDOW
    for _ in range(200_000):
        reader.feed(b"x")
    assert len(reader._tail) <= WINDOW + 1
