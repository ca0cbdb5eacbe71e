"""What the requests of one agent's session came to."""

from __future__ import annotations

from dataclasses import dataclass

from llm_studio.studio.serving.desk import RequestRecord

_CUT = ("max_tokens", "length", "incomplete")
_CALLED = ("tool_use", "tool_calls", "function_call")


@dataclass(slots=True)
class SessionSums:
    """Sums over its requests."""

    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    largest_prompt: int = 0
    waited: float = 0.0
    """Seconds until the first tokens."""
    held: float = 0.0
    """Of these, seconds before the engine had the requests; in the rest it read prompts."""
    calls: int = 0
    """Answers that called tools."""
    cut: int = 0
    """Answers that ended at the limit of tokens."""
    unparsed: int = 0
    """Tool calls that could not be read."""
    too_long: int = 0
    """Requests that did not fit into the context."""
    last: float = 0.0

    def add(self, record: RequestRecord) -> None:
        self.requests += 1
        self.failed += record.outcome == "failed"
        self.prompt_tokens += record.prompt_tokens or 0
        self.cached_tokens += record.cached_tokens or 0
        self.generated_tokens += record.generated_tokens or 0
        self.largest_prompt = max(self.largest_prompt, record.prompt_tokens or 0)
        if record.first_token is not None:
            self.waited += record.first_token
            self.held += min(record.held or 0.0, record.first_token)
        self.calls += record.stop in _CALLED
        self.cut += record.stop in _CUT
        self.unparsed += record.trouble == "tool-call"
        self.too_long += record.trouble == "too-long"
        self.last = record.started + record.seconds
