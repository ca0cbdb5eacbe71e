"""What can be done with conversations: said, asked again, branched, stopped, told of.

Answers ask for a place at the desk as any client does, so that switching, waiting and the list of
requests hold for them too; but straight, not through the gateway's address: nothing that could
record or refuse them stands between, and stopping one closes the engine's own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from llm_studio.errors import NotReady, UsageError
from llm_studio.profiles.profile import Profile
from llm_studio.schema_chat import (
    ChatSettings,
    ConversationSummary,
    Given,
    Sent,
)
from llm_studio.studio.conversations import prompt
from llm_studio.studio.conversations.answering import Answering, Wish
from llm_studio.studio.conversations.archive import Archive
from llm_studio.studio.conversations.conversation import Conversation, message_record
from llm_studio.studio.conversations.engine import Engines
from llm_studio.studio.conversations.following import ended, updates
from llm_studio.studio.conversations.message import Attachment, Growing, Message, whole
from llm_studio.studio.conversations.outlook import Outlook
from llm_studio.studio.serving.desk import Refusal, RequestRecord, Target
from llm_studio.studio.serving.reception import Reception
from llm_studio.text import untrusted_line


class Chats:
    """All conversations, and the answers under way."""

    def __init__(
        self,
        archive: Archive,
        reception: Reception,
        *,
        remember: Callable[[RequestRecord], None],
        serve: Callable[[str], Awaitable[None]],
        profile: Callable[[str], Profile | None],
        last: Callable[[], str],
        state: Callable[[], str],
    ) -> None:
        """`serve` loads a profile and returns once it is ready; `profile` reads one, in a thread;
        `last` is the profile that is served, or was."""
        self.archive = archive
        self.engines = Engines()
        self._reception = reception
        self.remember = remember
        self._serve = serve
        self.outlook = Outlook(reception, self.engines, profile=profile, last=last, state=state)
        self._answering: dict[tuple[str, int], Answering] = {}

    async def close(self) -> None:
        """Answers under way are cut, and kept as far as they came."""
        for answering in self._answering.values():
            answering.stop(cut=True)
        tasks = [each.task for each in self._answering.values()]
        if tasks:
            await asyncio.wait(tasks)
        await self.archive.flushed()
        await self.engines.close()

    # What an answer needs

    def lease(self, record: RequestRecord) -> contextlib.AbstractAsyncContextManager[Target]:
        return self._reception.lease(record)

    async def serve(self, profile: str) -> None:
        await self._serve(profile)

    async def profile(self, id_: str) -> Profile | None:
        return await self.outlook.profile(id_)

    async def picture(self, conversation: Conversation, key: str) -> bytes:
        return await self.archive.picture(conversation, key)

    # Saying

    async def send(
        self,
        conversation: Conversation,
        text: str,
        *,
        parent: int | None = None,
        given: Sequence[Given] = (),
        wishes: Sequence[Wish] = (Wish(),),
    ) -> Sent:
        """Say something after a message (the last one shown, if none is named). Each wish is an
        answer of its own."""
        parent = conversation.leaf if parent is None else parent
        if parent:
            self._require_calm(conversation, parent)
        if not text.strip() and not given:
            raise UsageError("There is nothing to send")
        attachments = await self.archive.keep(conversation, given)
        message = self._add(conversation, parent, "user", whole(text), attachments)
        answers = self._answer(conversation, message, wishes)
        await conversation.journal.flushed()
        return Sent(message=message.told(), answers=answers)

    async def edit(
        self, conversation: Conversation, number: int, text: str, *, wishes: Sequence[Wish]
    ) -> Sent:
        """Say something else in the place of a message, which stays as another branch."""
        before = conversation.get(number)
        if before.role != "user":
            raise UsageError("Only what you said can be said differently")
        message = self._add(conversation, before.parent, "user", whole(text), before.attachments)
        answers = self._answer(conversation, message, wishes)
        await conversation.journal.flushed()
        return Sent(message=message.told(), answers=answers)

    async def regenerate(
        self, conversation: Conversation, number: int, *, wishes: Sequence[Wish]
    ) -> Sent:
        """Another answer beside this one, or to this message of the user's."""
        message = conversation.get(number)
        if message.role == "summary":
            return await self.summarise(conversation, message.parent, wishes[0])
        asked = conversation.get(message.parent) if message.answer else message
        answers = self._answer(conversation, asked, wishes)
        await conversation.journal.flushed()
        return Sent(message=None, answers=answers)

    async def summarise(self, conversation: Conversation, leaf: int, wish: Wish) -> Sent:
        """A summary that stands for everything up to a message, from there on."""
        self._require_calm(conversation, leaf)
        message = self._add(conversation, conversation.get(leaf).id, "summary", "", (), wish)
        self._begin(conversation, message, wish)
        await conversation.journal.flushed()
        return Sent(message=None, answers=[message.id])

    async def resume(self, conversation: Conversation, number: int, wish: Wish) -> Sent:
        """Go on with an answer that was cut."""
        message = conversation.get(number)
        if message.role != "assistant" or message.state == "running":
            raise UsageError("Only an answer that ended can be continued")
        if not message.text.length:
            raise UsageError("There is nothing to continue", hint="Ask again instead.")
        if message.state == "done":
            raise UsageError("The answer is complete")
        conversation.record({"is": "resumed", "id": number})
        message.cause = message.error = message.hint = ""
        self._begin(conversation, message, Wish(wish.profile, wish.load, wish.trim, resume=True))
        return Sent(message=None, answers=[number])

    def _require_calm(self, conversation: Conversation, number: int) -> None:
        conversation.get(number)
        if any(each.state == "running" for each in conversation.path(number)):
            raise NotReady("The answer before is not done yet", hint="Wait for it, or stop it.")

    def _answer(
        self, conversation: Conversation, asked: Message, wishes: Sequence[Wish]
    ) -> list[int]:
        """One after the other where they cannot all be served at once."""
        answers, before = [], None
        for wish in wishes:
            message = self._add(conversation, asked.id, "assistant", "", (), wish)
            before = self._begin(conversation, message, wish, after=before)
            answers.append(message.id)
            if self._is_served(wish.profile):
                before = None
        if answers:  # of several, the first is the one to go on from
            conversation.record({"is": "leaf", "leaf": answers[0]})
        return answers

    def _is_served(self, profile: str) -> bool:
        try:
            self._reception.glance(profile)
        except Refusal:
            return False
        return True

    def _add(
        self,
        conversation: Conversation,
        parent: int,
        role: Any,
        text: str,
        attachments: Sequence[Attachment],
        wish: Wish | None = None,
    ) -> Message:
        message = Message(
            conversation.next_id(), parent, role, text=Growing(text),
            attachments=tuple(attachments), state="running" if wish else "done",
            profile=wish.profile if wish else "",
        )  # fmt: skip
        if not conversation.messages:
            conversation.record({"is": "begun"})
            if conversation.settings != ChatSettings():
                conversation.record(
                    {"is": "settings", "settings": conversation.settings.model_dump()}
                )
            if conversation.title:
                conversation.record({"is": "title", "title": conversation.title})
        conversation.record(message_record(message), sync=True)
        return conversation.messages[message.id]

    def _begin(
        self,
        conversation: Conversation,
        message: Message,
        wish: Wish,
        after: asyncio.Task[None] | None = None,
    ) -> asyncio.Task[None]:
        key = (conversation.id, message.id)
        wait = asyncio.wait([after]) if after is not None else None
        answering = Answering(self, conversation, message, wish, wait)
        self._answering[key] = answering
        answering.task.add_done_callback(lambda _: self._answering.pop(key, None))
        return answering.task

    async def stop(self, conversation: Conversation, number: int | None = None) -> None:
        """End an answer now, or all of this conversation; returns when they have ended."""
        found = [
            each
            for (id_, message), each in self._answering.items()
            if id_ == conversation.id and number in (None, message)
        ]
        for each in found:
            each.stop()
        if found:
            await asyncio.wait([each.task for each in found])
        await conversation.journal.flushed()

    # Changing

    async def create(
        self, *, title: str = "", private: bool = False, settings: ChatSettings | None = None
    ) -> Conversation:
        checked = prompt.checked(settings or ChatSettings())
        conversation = self.archive.create(private=private)
        conversation.title, conversation.settings = untrusted_line(title), checked
        return conversation

    async def change(
        self,
        conversation: Conversation,
        *,
        title: str | None = None,
        settings: ChatSettings | None = None,
        leaf: int | None = None,
    ) -> None:
        if settings is not None:
            settings = prompt.checked(settings)
        if leaf:
            conversation.get(leaf)
        if not conversation.messages:  # nothing is written before something is said
            conversation.title = conversation.title if title is None else untrusted_line(title)
            conversation.settings = settings or conversation.settings
            return
        if title is not None:
            conversation.record({"is": "title", "title": untrusted_line(title)})
        if settings is not None:
            conversation.record({"is": "settings", "settings": settings.model_dump()})
        if leaf is not None:
            conversation.record({"is": "leaf", "leaf": leaf})
        await conversation.journal.flushed()

    async def show_branch(self, conversation: Conversation, number: int) -> None:
        """Show the path through a message, to the end that was taken last."""
        conversation.get(number)
        await self.change(conversation, leaf=conversation.end_of(number))

    async def remove_message(self, conversation: Conversation, number: int) -> None:
        """A message and all that follows it, gone from the disk too."""
        for message in conversation.below(conversation.get(number).id):
            if (conversation.id, message.id) in self._answering:
                await self.stop(conversation, message.id)
        conversation.remove(number)
        await conversation.journal.rewrite(lambda: list(conversation.records()))

    async def delete(self, conversation: Conversation) -> None:
        await self.stop(conversation)
        await self.archive.delete(conversation)

    # Looking

    async def get(self, id_: str) -> Conversation:
        return await self.archive.get(id_)

    async def all(self, search: str = "") -> list[ConversationSummary]:
        return await self.archive.all(search)

    def follow(
        self, conversation: Conversation, number: int, thought: int, text: int
    ) -> AsyncIterator[dict[str, Any]]:
        """An answer's news after so many characters of thought and text, until it ends."""
        conversation.get(number)
        answering = self._answering.get((conversation.id, number))
        if answering is not None:
            return updates(answering, thought, text)
        return ended(conversation.get(number), thought, text)
