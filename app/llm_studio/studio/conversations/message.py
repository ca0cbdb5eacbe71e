"""One message of a conversation, as the studio works with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_studio.schema_chat import (
    AttachmentTold,
    Figures,
    MessageTold,
    PromptProgress,
    ToolCall,
)

Role = Literal["user", "assistant", "summary"]
State = Literal["running", "done", "stopped", "cut", "length", "failed"]


class Growing:
    """A text that grows by pieces, and is asked for from some place on."""

    def __init__(self, text: str = "") -> None:
        self._parts = [text] if text else []
        self.length = len(text)

    def add(self, piece: str) -> None:
        self._parts.append(piece)
        self.length += len(piece)

    def __str__(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def after(self, length: int) -> str:
        """What came after the first so many characters."""
        return str(self)[length:] if length < self.length else ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that went with a message: its text, or the name of its picture in the archive."""

    name: str
    text: str | None = None
    picture: str = ""
    media: str = ""
    size: int = 0

    def told(self) -> AttachmentTold:
        if self.text is None:
            return AttachmentTold(name=self.name, kind="image", size=self.size)
        return AttachmentTold(name=self.name, kind="text", size=len(self.text.encode()))


@dataclass(slots=True, eq=False)
class Message:
    """A user's words, an answer, or a summary of what was before."""

    id: int
    parent: int
    role: Role
    at: float = field(default_factory=time.time)
    text: Growing = field(default_factory=Growing)
    thought: Growing = field(default_factory=Growing)
    tools: list[ToolCall] = field(default_factory=list)
    attachments: tuple[Attachment, ...] = ()
    state: State = "done"
    cause: str = ""
    error: str = ""
    hint: str = ""
    left_out: int = 0
    profile: str = ""
    model: str = ""
    image: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    progress: PromptProgress | None = None

    @property
    def answer(self) -> bool:
        """Whether a model wrote it."""
        return self.role != "user"

    def told(self) -> MessageTold:
        return MessageTold(
            id=self.id, parent=self.parent, role=self.role, at=self.at, text=str(self.text),
            thought=str(self.thought), tools=list(self.tools),
            attachments=[each.told() for each in self.attachments], state=self.state,
            cause=self.cause, error=self.error, hint=self.hint, left_out=self.left_out,
            profile=self.profile, model=self.model, image=self.image, settings=self.settings,
            figures=self.figures if self.answer else None,
        )  # fmt: skip


def whole(text: str) -> str:
    """The text without half characters, which no file and no wire can hold."""
    return text.encode("utf-8", "replace").decode()
