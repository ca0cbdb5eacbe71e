"""What a session came to, in words, with advice; out of the sums that the gateway kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

POOR_CACHE = 0.5
FULL = 0.85
NOTABLE = 0.5
"""Seconds of waiting before the engine, for a switch or a place, that are told."""


def hit_rate(sums: Mapping[str, Any]) -> float | None:
    """The part of all prompt tokens that the engine still had in its cache."""
    return sums["cached_tokens"] / sums["prompt_tokens"] if sums["prompt_tokens"] else None


def summary(sums: Mapping[str, Any]) -> str:
    """One line of figures."""
    if not sums["requests"]:
        return "No request was made."
    parts = [
        _counted(sums["requests"], "request"),
        f"{sums['prompt_tokens']:,} tokens read",
        f"{sums['generated_tokens']:,} written",
    ]
    if (rate := hit_rate(sums)) is not None:
        parts.append(f"{rate:.0%} from the cache")
    parts.append(f"{sums['waited'] - sums['held']:.1f} s reading prompts")
    if sums["held"] >= NOTABLE:
        parts.append(f"{sums['held']:.1f} s waiting for the model")
    parts.append(f"{_counted(sums['calls'], 'answer')} that called tools")
    if sums["unparsed"]:
        parts.append(f"{_counted(sums['unparsed'], 'tool call')} that could not be read")
    if sums["failed"]:
        parts.append(f"{_counted(sums['failed'], 'failure')}")
    return ", ".join(parts)


def advice(sums: Mapping[str, Any], context: int) -> Iterator[str]:
    """What would make the next session better, where the figures say so."""
    if sums["too_long"]:
        yield (
            f"{_counted(sums['too_long'], 'request')} did not fit into the context of "
            f"{context:,} tokens: give the profile more (server.context), or fewer slots."
        )
    elif context and sums["largest_prompt"] > FULL * context:
        yield (
            f"The largest request took {sums['largest_prompt']:,} of {context:,} tokens: more "
            "context would compact less often."
        )
    if sums["unparsed"]:
        yield (
            "Tool calls came in a form that could not be read: try another template "
            "(server.chat_template_file), a larger quantisation, or another model."
        )
    if sums["cut"]:
        yield f"{_counted(sums['cut'], 'answer')} ended at the limit of tokens, not by themselves."
    rate = hit_rate(sums)
    if rate is not None and sums["requests"] > 3 and rate < POOR_CACHE:
        yield (
            "Little of the prompts came from the cache: another client may share the slots, or "
            "the cache of prompts (server.args --cache-ram) is small."
        )
    if sums["failed"]:
        yield "Requests failed: `llm-studio logs` tells why."


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
