"""A conversation: a tree of messages, rebuilt from the records of its journal.

Every change is a record first: what is told to `apply` now is what will be read after a restart.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

from llm_studio.errors import NotFound
from llm_studio.schema_chat import (
    ChatSettings,
    ConversationSummary,
    ConversationTold,
    Figures,
    ToolCall,
)
from llm_studio.studio.conversations.journal import Journal, Record
from llm_studio.studio.conversations.message import Attachment, Growing, Message, Role, State
from llm_studio.text import untrusted_line

TITLE = 60
_ATTACHED = {each.name for each in fields(Attachment)}


class Conversation:
    """Its messages by their numbers, and the end of the path that is shown."""

    def __init__(self, id_: str, journal: Journal, *, private: bool = False) -> None:
        self.id = id_
        self.journal = journal
        self.private = private
        self.created = self.changed = time.time()
        self.title = ""
        self.settings = ChatSettings()
        self.leaf = 0
        self.messages: dict[int, Message] = {}
        self._last = 0

    # Changing

    def record(self, record: Record, *, sync: bool = False) -> None:
        """A change: it holds from now on, and is written."""
        record = {**record, "at": time.time()}
        self.apply(record)
        self.journal.add(record, sync=sync)

    def recall(self, records: list[Record]) -> None:
        """What the journal holds. An answer without an end was cut by the studio's own."""
        for record in records:
            # A record of a later release, or a damaged one, must not hide the others.
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self.apply(record)
        for message in self.messages.values():
            if message.state == "running":
                message.state, message.error = "cut", "The studio ended in the midst of it."

    def apply(self, record: Record) -> None:
        kind = record["is"]
        if kind == "begun":
            self.created = record["at"]
        elif kind == "title":
            self.title = str(record["title"])
        elif kind == "settings":
            known = _known(ChatSettings.model_fields, record["settings"])
            self.settings = ChatSettings.model_validate(known)
        elif kind == "leaf":
            self.leaf = record["leaf"] if record["leaf"] in self.messages else 0
        elif kind == "message":
            self._add(record)
        elif kind == "piece":
            self._grow(record)
        elif kind == "resumed":
            self.messages[record["id"]].state = "running"
        elif kind == "ended":
            self._end(record)
        self.changed = float(record.get("at", self.changed))

    def _add(self, record: Record) -> None:
        message = Message(
            id=int(record["id"]), parent=int(record["parent"]),
            role=record["role"] if record["role"] in get_args(Role) else "assistant",
            at=float(record["at"]), text=Growing(record.get("text", "")),
            attachments=tuple(
                Attachment(**_known(_ATTACHED, each)) for each in record.get("attachments", ())
            ),
            state=_state(record.get("state")), profile=record.get("profile", ""),
        )  # fmt: skip
        if message.parent and message.parent not in self.messages:
            raise ValueError("its parent was deleted")
        self.messages[message.id] = message
        self._last = max(self._last, message.id)
        self.leaf = message.id

    def _grow(self, record: Record) -> None:
        message = self.messages[record["id"]]
        message.thought.add(record.get("thought", ""))
        message.text.add(record.get("text", ""))
        if "tools" in record:
            message.tools = [ToolCall.model_validate(each) for each in record["tools"]]

    def _end(self, record: Record) -> None:
        message = self.messages[record["id"]]
        message.state = _state(record["state"])
        message.cause, message.error = record.get("cause", ""), record.get("error", "")
        message.hint, message.left_out = record.get("hint", ""), record.get("left_out", 0)
        message.profile = record.get("profile", message.profile)
        message.model, message.image = record.get("model", ""), record.get("image", "")
        message.settings = record.get("settings", {})
        message.figures = Figures.model_validate(record.get("figures", {}))

    # Messages

    def next_id(self) -> int:
        return self._last + 1

    def get(self, number: int) -> Message:
        message = self.messages.get(number)
        if message is None:
            raise NotFound(f"There is no message {number} in this conversation")
        return message

    def path(self, leaf: int) -> list[Message]:
        """From the first message to this one."""
        found: list[Message] = []
        while leaf and leaf in self.messages:
            found.append(self.messages[leaf])
            leaf = found[-1].parent
        return found[::-1]

    def below(self, number: int) -> list[Message]:
        """A message and all that follows it."""
        children = self._children()
        found = [self.messages[number]]
        for each in found:
            found += children.get(each.id, ())
        return found

    def end_of(self, number: int) -> int:
        """The end of the path through a message that was taken last."""
        children = self._children()
        while number in children:
            number = children[number][-1].id
        return number

    def _children(self) -> dict[int, list[Message]]:
        found: dict[int, list[Message]] = {}
        for each in self.messages.values():
            found.setdefault(each.parent, []).append(each)
        return found

    def remove(self, number: int) -> None:
        """A message and all that follows it; the journal must be rewritten then."""
        parent = self.get(number).parent
        for message in self.below(number):
            del self.messages[message.id]
        if self.leaf not in self.messages:
            self.leaf = self.end_of(parent)

    @property
    def running(self) -> bool:
        return any(each.state == "running" for each in self.messages.values())

    # Telling

    @property
    def shown_title(self) -> str:
        if self.title:
            return self.title
        first = next((each for each in self.messages.values() if each.role == "user"), None)
        words = " ".join(str(first.text).split()) if first else ""
        if first and not words and first.attachments:
            words = first.attachments[0].name
        cut = words if len(words) <= TITLE else words[: TITLE - 1].rstrip() + "…"
        return untrusted_line(cut) or "New conversation"

    def summary(self, found: str = "") -> ConversationSummary:
        answers = [each for each in self.messages.values() if each.answer]
        return ConversationSummary(
            id=self.id, title=self.shown_title, created=self.created, changed=self.changed,
            messages=len(self.messages), profile=answers[-1].profile if answers else "",
            private=self.private, running=self.running, found=found,
        )  # fmt: skip

    def told(self) -> ConversationTold:
        return ConversationTold(
            summary=self.summary(),
            messages=[each.told() for each in self.messages.values()],
            leaf=self.leaf,
            settings=self.settings,
            unsaved=self.journal.problem,
        )

    def records(self) -> Iterator[Record]:
        """The fewest records that make the conversation what it is."""
        yield {"is": "begun", "at": self.created}
        yield {"is": "title", "title": self.title, "at": self.created}
        yield {"is": "settings", "settings": self.settings.model_dump(), "at": self.created}
        for each in self.messages.values():
            yield from _records_of(each)
        yield {"is": "leaf", "leaf": self.leaf, "at": self.changed}


def message_record(message: Message) -> Record:
    """The record that a message begins with."""
    record: Record = {
        "is": "message", "id": message.id, "parent": message.parent, "role": message.role,
        "state": message.state,
    }  # fmt: skip
    if message.text.length:
        record["text"] = str(message.text)
    if message.attachments:
        record["attachments"] = [asdict(each) for each in message.attachments]
    if message.profile:
        record["profile"] = message.profile
    return record


def ended_record(message: Message) -> Record:
    """The record that an answer ends with."""
    told: dict[str, Any] = {
        "is": "ended", "id": message.id, "state": message.state, "cause": message.cause,
        "error": message.error, "hint": message.hint, "left_out": message.left_out,
        "profile": message.profile, "model": message.model, "image": message.image,
        "settings": message.settings, "figures": message.figures.model_dump(exclude_none=True),
    }  # fmt: skip
    return {key: value for key, value in told.items() if value not in ("", 0, {}) or key == "id"}


def _records_of(message: Message) -> Iterator[Record]:
    at = message.at
    yield {**message_record(message), "at": at}
    if not message.answer:
        return
    if message.thought.length or message.tools:
        tools = [each.model_dump() for each in message.tools]
        yield {
            "is": "piece",
            "id": message.id,
            "thought": str(message.thought),
            "tools": tools,
            "at": at,
        }
    if message.state != "running":
        yield {**ended_record(message), "at": at}


def _known(names: Container[str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only a later release understands."""
    return {name: value for name, value in kept.items() if name in names}


def _state(kept: Any) -> State:
    """How an answer is; a word of a later release can only mean that it is over."""
    return kept if kept in get_args(State) else "done"
