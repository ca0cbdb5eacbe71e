from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.standins.chatty_engine import ChattyEngine

from llm_studio.profiles.profile import Profile
from llm_studio.schema_chat import Sent
from llm_studio.studio.conversations.archive import Archive
from llm_studio.studio.conversations.chats import Chats
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.message import Message
from llm_studio.studio.serving.desk import Desk, RequestRecord, Target
from llm_studio.studio.serving.reception import Reception


class Room:
    """Conversations over an engine that is scripted, and a desk that is real."""

    def __init__(self, folder: Path, engine: ChattyEngine) -> None:
        self.folder = folder
        self.engine = engine
        self.profiles = {
            id_: Profile.model_validate({"name": id_, "sampling": {"temperature": 0.7}})
            for id_ in ("one", "two")
        }
        self.records: list[RequestRecord] = []
        self.served: list[str] = []
        self.desk = Desk(profile_of=lambda name: name or None, want=self._want, residence=0.0)
        self.chats = self._chats()

    def _chats(self) -> Chats:
        return Chats(
            Archive(self.folder),
            Reception(self.desk, {}, lambda name: name or None),
            remember=self.records.append,
            serve=self.serve,
            profile=self.profiles.get,
            last=lambda: self.served[-1] if self.served else "",
            state=lambda: "ready",
        )

    async def _want(self, id_: str) -> None:
        await self.serve(id_)

    async def serve(self, id_: str) -> None:
        self.served.append(id_)
        await self.desk.open(Target(self.engine.address, "key", id_, f"i-{id_}", image="img"))

    async def restart(self) -> None:
        await self.chats.close()
        self.chats = self._chats()

    async def begun(self, *, private: bool = False) -> Conversation:
        return await self.chats.create(private=private)

    async def ended(self, conversation: Conversation, sent: Sent) -> Message:
        """The first of the answers, once all are over."""
        for number in sent.answers:
            async for _ in self.chats.follow(conversation, number, 0, 0):
                pass
        return conversation.get(sent.answers[0])

    async def until_text(self, conversation: Conversation, number: int, text: str) -> None:
        """Until an answer holds a text."""
        async with asyncio.timeout(10):
            held = ""
            async with contextlib.aclosing(self.chats.follow(conversation, number, 0, 0)) as news:  # type: ignore[type-var]
                async for update in news:
                    held += update.get("text", "")
                    if text in held:
                        return


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with ChattyEngine() as engine:
        room = Room(tmp_path / "conversations", engine)
        await room.serve("one")
        yield room
        await room.chats.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
