"""Recognises, in an answer that passed by, what agents trip over: a prompt that is too long, and a
tool call that came as mere text because it could not be read as one."""

from __future__ import annotations

import json
import re

TOO_LONG, TOOL_CALL = "too-long", "tool-call"

_TOO_LONG = re.compile(rb"exceed_context_size|exceeds the available context size")
_UNREAD = re.compile(rb"(?i)failed to parse|does not match the expected \S+ format")
_TEXT = re.compile(rb'"(?:text|content)"\s*:\s*("(?:[^"\\]|\\.)*")')
_CALLS = re.compile(
    r"<tool_calls?>|</?\|?tool_calls?(?:_begin|_start)?\|?>|<function=|\[TOOL_CALLS\]|<\|python_tag\|>"
    r"|<\|channel\|>commentary to="
)
"""How the models of today begin a call; llama.cpp takes these out of the text when it reads it."""


def trouble_in(window: bytes, *, done: bool) -> str:
    """What went wrong, if it is one of these; `window` is the begin and the end of the answer."""
    if not done:
        if _TOO_LONG.search(window):
            return TOO_LONG
        return TOOL_CALL if _UNREAD.search(window) else ""
    if b'"tool_use"' in window or b'"tool_calls"' in window or b"function_call" in window:
        return ""
    return TOOL_CALL if looks_like_a_call(_said(window)) else ""


def looks_like_a_call(text: str) -> bool:
    """Whether a text holds what should have been read as a call."""
    return bool(_CALLS.search(text))


def _said(window: bytes) -> str:
    """The pieces of text, put together: a mark is often spread over several."""
    pieces = []
    for match in _TEXT.finditer(window):
        try:
            pieces.append(json.loads(match[1]))
        except ValueError:
            continue
    return "".join(pieces)
