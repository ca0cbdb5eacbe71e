"""What travels of conversations: the same shapes for the API, the terminal UI and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_studio.schema import Wire

LONGEST = 32 << 20
"""Characters that one message may have, its files included."""


class ChatSettings(BaseModel):
    """What a conversation does other than the profile says; what is unset follows the profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system_prompt: Annotated[str, Field(max_length=1 << 20)] | None = None
    reasoning_level: Annotated[str, Field(max_length=100)] | None = None
    sampling: dict[Annotated[str, Field(max_length=40)], Any] = Field(default_factory=dict)
    """By the names of a profile's [sampling]."""
    json_schema: dict[str, Any] | None = None
    """Answers are JSON of this schema."""
    grammar: Annotated[str, Field(max_length=1 << 20)] | None = None
    """Answers are of this grammar, in llama.cpp's GBNF."""


class Given(BaseModel):
    """A file that goes with a message: a text, or a picture as base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=400)]
    text: Annotated[str, Field(max_length=LONGEST)] | None = None
    image: Annotated[str, Field(max_length=LONGEST)] | None = None
    media: Annotated[str, Field(max_length=60, pattern=r"^image/[a-z0-9.+-]+$")] = "image/png"


class AttachmentTold(Wire):
    """A file that went with a message, without what is in it."""

    name: str
    kind: Literal["text", "image"]
    size: int
    """Bytes."""


class ToolCall(Wire):
    name: str = ""
    arguments: str = ""


class Figures(Wire):
    """What an answer took, as the engine measured it; each may be unknown."""

    seconds: float | None = None
    first_token: float | None = None
    """Seconds from the request to the first token."""
    thought_seconds: float | None = None
    thought_tokens: int | None = None
    prompt_tokens: int | None = None
    """All of the prompt, with what was cached."""
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    prompt_speed: float | None = None
    speed: float | None = None
    """Tokens per second."""
    context: int | None = None
    """Tokens that fit into the engine's slot."""

    @property
    def context_used(self) -> int | None:
        if self.prompt_tokens is None:
            return None
        return self.prompt_tokens + (self.generated_tokens or 0)


class PromptProgress(Wire):
    """How much of the prompt was read."""

    done: int
    total: int
    cached: int = 0


class MessageTold(Wire):
    """One message. An answer's text grows while its state is "running"."""

    id: int
    parent: int
    """The message that it follows; 0 for the first."""
    role: Literal["user", "assistant", "summary"]
    """A summary stands for everything before it."""
    at: float
    text: str
    thought: str = ""
    tools: list[ToolCall] = Field(default_factory=list)
    attachments: list[AttachmentTold] = Field(default_factory=list)
    state: str = "done"
    """"running", "done", "stopped", "cut" (the studio ended meanwhile), "length" (the longest
    answer or the context's end was reached) or "failed"."""
    cause: str = ""
    """"context" where the context is full, "engine" where the engine went away."""
    error: str = ""
    hint: str = ""
    left_out: int = 0
    """Messages at the begin that were not sent, for the context was full."""
    profile: str = ""
    model: str = ""
    image: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    figures: Figures | None = None


class ConversationSummary(Wire):
    id: str
    title: str
    created: float
    changed: float
    messages: int
    profile: str
    """What answered last."""
    private: bool
    running: bool
    found: str = ""
    """Where a search found its words."""


class ConversationTold(Wire):
    """A conversation as a whole: a tree of messages, of which one path is shown."""

    summary: ConversationSummary
    messages: list[MessageTold]
    leaf: int
    """The end of the path that is shown; 0 for none."""
    settings: ChatSettings
    unsaved: str
    """Why it is not on the disk as it should be; nothing, if it is."""


class ChatSetting(Wire):
    """One setting as it holds for a conversation."""

    key: str
    value: Any
    origin: Literal["profile", "conversation", "engine"]
    """"engine": nobody set it, so the engine's own default holds."""
    doc: str = ""


class ChatFacts(Wire):
    """What there is to know before a message is sent."""

    profile: str
    """What would answer; empty where nothing is served and nothing was before."""
    ready: bool
    state: str
    context: int | None = None
    vision: bool = False
    levels: list[str] = Field(default_factory=list)
    """Levels of reasoning."""
    settings: list[ChatSetting] = Field(default_factory=list)


class Sent(Wire):
    """What was begun: the message that was said, if one was, and the answers to it."""

    message: MessageTold | None
    answers: list[int]


class TokenCount(Wire):
    tokens: int
    exact: bool
    """Whether the model's own tokenizer counted, or it is a guess."""
