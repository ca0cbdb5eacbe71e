"""All conversations of this user: a journal each, and the pictures that went with them beside it.

Private ones are in memory alone.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from weakref import WeakValueDictionary

from llm_studio.errors import NotFound, StudioError, UsageError
from llm_studio.schema_chat import ConversationSummary, Given
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.journal import Journal, read
from llm_studio.studio.conversations.message import Attachment, whole
from llm_studio.text import untrusted_line

OPEN = 16
"""Conversations that are kept in memory; more only while they are answered."""
_ID = re.compile(r"[0-9a-f]{12}")
_AROUND = 60
"""Characters that are told around what a search found."""


class Archive:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Conversation] = {}
        self._alive: WeakValueDictionary[str, Conversation] = WeakValueDictionary()
        """All that somebody still works with: of one conversation there are never two."""
        self._private_pictures: dict[str, dict[str, bytes]] = {}
        self._summaries: dict[str, tuple[tuple[int, int], ConversationSummary]] = {}
        """By id: of what state of the file, and what it tells."""
        self._reading = asyncio.Lock()

    # One

    def create(self, *, private: bool = False) -> Conversation:
        """A new one; nothing is written before something is said in it."""
        id_ = secrets.token_hex(6)
        journal = Journal(None if private else self._path(id_))
        conversation = Conversation(id_, journal, private=private)
        self._open[id_] = self._alive[id_] = conversation
        self._close_some()
        return conversation

    async def get(self, id_: str) -> Conversation:
        conversation = self._alive.get(id_)
        if conversation is not None:
            self._open.pop(id_, None)
            self._open[id_] = conversation  # the newest last
            return conversation
        async with self._reading:
            if id_ in self._alive:
                return self._alive[id_]
            if not _ID.fullmatch(id_) or not await asyncio.to_thread(self._path(id_).exists):
                raise NotFound(f"There is no conversation {untrusted_line(id_)!r}")
            conversation = await asyncio.to_thread(self._read, id_)
            self._open[id_] = self._alive[id_] = conversation
        self._close_some()
        return conversation

    def _read(self, id_: str) -> Conversation:
        path = self._path(id_)
        conversation = Conversation(id_, Journal(path))
        conversation.recall(read(path))
        return conversation

    async def delete(self, conversation: Conversation) -> None:
        """Gone, with its pictures."""
        await conversation.journal.flushed()
        self._open.pop(conversation.id, None)
        self._alive.pop(conversation.id, None)
        self._summaries.pop(conversation.id, None)
        self._private_pictures.pop(conversation.id, None)
        if not conversation.private:
            await asyncio.to_thread(self._remove, conversation.id)

    def _remove(self, id_: str) -> None:
        try:
            self._path(id_).unlink(missing_ok=True)
        except OSError as error:
            raise StudioError(
                "The conversation could not be deleted", why=error.strerror or str(error)
            ) from error
        shutil.rmtree(self._pictures(id_), ignore_errors=True)

    def _close_some(self) -> None:
        idle = [each for each in self._open.values() if not (each.private or each.running)]
        for each in idle[: max(len(idle) - OPEN, 0)]:
            if not each.journal.problem and not each.journal.busy:
                del self._open[each.id]

    # All

    async def all(self, search: str = "") -> list[ConversationSummary]:
        """The newest first; with a search, those that hold its words."""
        words = search.casefold().split()
        async with self._reading:
            # Those in memory may change while a thread reads: they are looked at here.
            opened = [each for each in self._open.values() if each.messages]
            found = [_found(each, words) for each in opened]
            others = await asyncio.to_thread(self._closed, words, set(self._open))
        for each in filter(None, found):
            others.append(each)
        return sorted(others, key=lambda each: each.changed, reverse=True)

    def _closed(self, words: list[str], opened: set[str]) -> list[ConversationSummary]:
        found = []
        for path, stamp in self._files():
            if path.stem in opened:
                continue
            known = self._summaries.get(path.stem)
            if not words and known and known[0] == stamp:
                found.append(known[1])
                continue
            with contextlib.suppress(StudioError):  # one that cannot be read hides no other
                conversation = self._read(path.stem)
                self._summaries[path.stem] = (stamp, conversation.summary())
                told = _found(conversation, words)
                if told is not None:
                    found.append(told)
        return found

    def _files(self) -> Iterable[tuple[Path, tuple[int, int]]]:
        try:
            paths = [Path(each.path) for each in os.scandir(self._folder)]
        except OSError:
            return
        for path in paths:
            if path.suffix == ".jsonl" and _ID.fullmatch(path.stem):
                with contextlib.suppress(OSError):
                    state = path.stat()
                    yield path, (state.st_mtime_ns, state.st_size)

    async def flushed(self) -> None:
        for conversation in list(self._open.values()):
            await conversation.journal.flushed()

    # Files that go with messages

    async def keep(self, conversation: Conversation, given: Iterable[Given]) -> list[Attachment]:
        """What a message takes along, kept."""
        kept = []
        for each in given:
            name = untrusted_line(each.name)
            if each.image is not None:
                kept.append(await self._keep_picture(conversation, name, each))
            else:
                kept.append(Attachment(name, text=whole(each.text or "")))
        return kept

    async def _keep_picture(
        self, conversation: Conversation, name: str, given: Given
    ) -> Attachment:
        try:
            data = base64.b64decode(given.image or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"{name} is not base64") from error
        key = hashlib.sha256(data).hexdigest()[:32]
        if conversation.private:
            self._private_pictures.setdefault(conversation.id, {})[key] = data
        else:
            path = self._pictures(conversation.id) / key
            await asyncio.to_thread(_write_picture, path, data)
        return Attachment(name, picture=key, media=given.media, size=len(data))

    async def picture(self, conversation: Conversation, key: str) -> bytes:
        if conversation.private:
            return self._private_pictures.get(conversation.id, {}).get(key, b"")
        path = self._pictures(conversation.id) / key
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise StudioError(
                "A picture of this conversation cannot be read", why=error.strerror or str(error)
            ) from error

    def _path(self, id_: str) -> Path:
        return self._folder / f"{id_}.jsonl"

    def _pictures(self, id_: str) -> Path:
        return self._folder / f"{id_}.files"


def _write_picture(path: Path, data: bytes) -> None:
    # Base64 inside the journal would be read at every listing; a file of its own never is.
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(partial, path)
    except OSError as error:
        raise StudioError("The picture cannot be kept", why=error.strerror or str(error)) from error


def _found(conversation: Conversation, words: list[str]) -> ConversationSummary | None:
    """What is told of a conversation that holds all words, in its title or in one message."""
    title = conversation.shown_title.casefold()
    if all(word in title for word in words):
        return conversation.summary()
    for message in conversation.messages.values():
        text = str(message.text)
        folded = text.casefold()
        if all(word in folded for word in words):
            at = max(folded.find(words[0]) - _AROUND // 2, 0)
            around = " ".join(text[at : at + 2 * _AROUND].split())
            return conversation.summary(untrusted_line(around))
    return None
