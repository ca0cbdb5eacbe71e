"""A conversation as the pane has it: messages that grow, and the path that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_studio.text import untrusted, untrusted_line
from llm_studio.tui.figures import size
from llm_studio.tui.panes.chat.markdown.blocks import Code
from llm_studio.tui.panes.chat.markdown.document import Document
from llm_studio.tui.panes.chat.markdown.rows import Row
from llm_studio.tui.view import Told

LONGEST = 1 << 26
_JOINERS = str.maketrans(dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff"))


def shown(text: str) -> str:
    """Text of a message, made safe. What only joins letters is left out, not shown as a code."""
    if text.isascii() and "\r" not in text:
        return untrusted(text, limit=LONGEST)
    return untrusted(text.replace("\r\n", "\n").translate(_JOINERS), limit=LONGEST)


@dataclass(slots=True)
class Figures(Told):
    """What an answer took."""

    seconds: float | None = None
    first_token: float | None = None
    thought_seconds: float | None = None
    thought_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    generated_tokens: int | None = None
    prompt_speed: float | None = None
    speed: float | None = None
    context: int | None = None

    @property
    def used(self) -> int | None:
        """Tokens of the context that are taken."""
        if self.prompt_tokens is None:
            return None
        return self.prompt_tokens + (self.generated_tokens or 0)


@dataclass(slots=True)
class Went:
    """A file that went with a message."""

    name: str
    picture: bool
    size: int
    rows: list[Row] | None = None
    """The picture, once it is drawn; nothing where it cannot be."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Went:
        return cls(untrusted_line(data["name"]), data["kind"] == "image", data["size"])

    @property
    def told(self) -> str:
        kind = "picture, " if self.picture else ""
        return f"{self.name} ({kind}{size(self.size)})"


@dataclass(slots=True, eq=False)
class Message:
    """One message; `version` counts its changes."""

    id: int
    parent: int
    role: str
    at: float
    text: str = ""
    thought: str = ""
    tools: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Went] = field(default_factory=list)
    state: str = "done"
    cause: str = ""
    error: str = ""
    hint: str = ""
    left_out: int = 0
    profile: str = ""
    figures: Figures = field(default_factory=Figures)
    stage: str = ""
    progress: tuple[int, int] | None = None
    document: Document | None = None
    version: int = 0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Message:
        message = cls(data["id"], data["parent"], data["role"], data["at"])
        message.take(data)
        message.text, message.thought = shown(data["text"]), shown(data["thought"])
        return message

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def answer(self) -> bool:
        return self.role != "user"

    def take(self, data: Mapping[str, Any]) -> None:
        """All but the texts, which come by pieces."""
        self.tools = _calls(data["tools"])
        if len(self.attachments) != len(data["attachments"]):
            self.attachments = [Went.of(each) for each in data["attachments"]]
        self.state, self.cause = data["state"], data["cause"]
        self.error = untrusted(data["error"], limit=2000)
        self.hint = untrusted(data["hint"], limit=1000)
        self.left_out, self.profile = data["left_out"], untrusted_line(data["profile"])
        self.figures = Figures.of(data["figures"] or {})
        self.progress, self.stage = None, ""
        self.version += 1

    def grow(self, data: Mapping[str, Any]) -> None:
        """A piece of the answer."""
        if text := shown(data.get("text", "")):
            self.text += text
            if self.document is not None:
                self.document.add(text)
        self.thought += shown(data.get("thought", ""))
        if "tools" in data:
            self.tools = _calls(data["tools"])
        if "figures" in data:
            self.figures = Figures.of(data["figures"])
        self.stage = untrusted_line(data.get("stage", self.stage))
        progress = data.get("progress")
        self.progress = (progress["done"], progress["total"]) if progress else None
        self.version += 1

    def read(self) -> Document:
        """Its text as Markdown; a text that grows is read as it does."""
        if self.document is None:
            if self.running:
                self.document = Document()
                self.document.add(self.text)
            else:
                self.document = Document.of(self.text)
        return self.document

    @property
    def code(self) -> list[Code]:
        return [block for block in self.read().blocks if isinstance(block, Code)]


def _calls(data: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(untrusted_line(each["name"]), shown(each["arguments"])) for each in data]


@dataclass(slots=True)
class Talk:
    """A conversation; one without an id is not begun yet."""

    id: str = ""
    title: str = ""
    private: bool = False
    leaf: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    unsaved: str = ""

    def take(self, data: Mapping[str, Any]) -> None:
        """The conversation as the studio has it; messages that are known stay what they are."""
        summary = data["summary"]
        self.id, self.private = summary["id"], summary["private"]
        self.title = untrusted_line(summary["title"])
        self.leaf, self.settings = data["leaf"], data["settings"]
        self.unsaved = untrusted_line(data["unsaved"])
        known, self.messages = self.messages, {}
        for each in data["messages"]:
            before, running = known.get(each["id"]), each["state"] == "running"
            if before is None or before.running != running:
                self.messages[each["id"]] = Message.of(each)
                continue
            if not running:  # else it grows by itself
                before.take(each)
            self.messages[each["id"]] = before

    @property
    def path(self) -> list[Message]:
        return self.path_to(self.leaf)

    def path_to(self, number: int) -> list[Message]:
        found: list[Message] = []
        while number in self.messages:
            found.append(self.messages[number])
            number = found[-1].parent
        return found[::-1]

    def siblings(self, message: Message) -> list[Message]:
        """The messages in the same place, itself among them."""
        return [
            each
            for each in self.messages.values()
            if each.parent == message.parent and each.answer == message.answer
        ]

    @property
    def running(self) -> list[Message]:
        return [each for each in self.messages.values() if each.running]

    @property
    def last_answer(self) -> Message | None:
        return next((each for each in reversed(self.path) if each.answer), None)
