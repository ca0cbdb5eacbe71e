"""The routes of conversations: what was said, saying more, and following answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from llm_studio.errors import NotFound
from llm_studio.schema_chat import (
    LONGEST,
    ChatFacts,
    ChatSettings,
    ConversationSummary,
    ConversationTold,
    Given,
    Sent,
    TokenCount,
)
from llm_studio.studio.conversations import export
from llm_studio.studio.conversations.answering import Wish
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.studio import Studio

GATHER = 0.015
"""Seconds in which tokens gather before they are told: fewer events, and nobody sees it."""

Text = Annotated[str, Field(max_length=LONGEST)]
Name = Annotated[str, Field(max_length=200)]
Number = Annotated[int, Field(ge=0, le=1 << 53)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewConversation(_Body):
    title: Name = ""
    private: bool = False
    """Private ones are never written, and end with the studio."""
    settings: ChatSettings | None = None


class ChangedConversation(_Body):
    title: Name | None = None
    settings: ChatSettings | None = None
    leaf: Number | None = None
    """The end of the path that is shown."""
    branch: Number | None = None
    """A message through which the path goes that is shown."""


class Wished(_Body):
    profiles: Annotated[list[Name], Field(max_length=4)] = Field(default_factory=list)
    """Which are to answer, each for itself; none: the one that is served."""
    load: bool = False
    """Load what is not served; else a profile that is named may be refused."""
    trim: bool = False
    """Leave the oldest messages out where not all fit into the context."""

    @property
    def wishes(self) -> list[Wish]:
        return [Wish(each, self.load, self.trim) for each in self.profiles or [""]]


class NewMessage(Wished):
    text: Text = ""
    parent: Number | None = None
    """What it follows; unset: the end of the path that is shown; 0: nothing."""
    attachments: Annotated[list[Given], Field(max_length=50)] = Field(default_factory=list)


class OtherText(Wished):
    text: Text


class Counted(_Body):
    text: Text
    profile: Name = ""


class Done(BaseModel):
    success: bool = True


def chat_routes(studio: Studio) -> APIRouter:
    routes = APIRouter(prefix="/conversations", tags=["conversations"])
    chats = studio.chats
    _whole(routes, studio)

    @routes.post("/{id_}/messages", summary="Say something, and have it answered", status_code=202)
    async def send(id_: str, body: NewMessage) -> Sent:
        return await chats.send(
            await chats.get(id_),
            body.text,
            parent=body.parent,
            given=body.attachments,
            wishes=body.wishes,
        )

    @routes.post("/{id_}/messages/{number}/edit", summary="Say it differently", status_code=202)
    async def edit(id_: str, number: int, body: OtherText) -> Sent:
        return await chats.edit(await chats.get(id_), number, body.text, wishes=body.wishes)

    @routes.post(
        "/{id_}/messages/{number}/regenerate", summary="Another answer beside it", status_code=202
    )
    async def regenerate(id_: str, number: int, body: Wished) -> Sent:
        return await chats.regenerate(await chats.get(id_), number, wishes=body.wishes)

    @routes.post(
        "/{id_}/messages/{number}/continue", summary="Go on with a cut answer", status_code=202
    )
    async def resume(id_: str, number: int, body: Wished) -> Sent:
        return await chats.resume(await chats.get(id_), number, body.wishes[0])

    @routes.post(
        "/{id_}/messages/{number}/summarise",
        summary="A summary that stands for all up to this message",
        status_code=202,
    )
    async def summarise(id_: str, number: int, body: Wished) -> Sent:
        return await chats.summarise(await chats.get(id_), number, body.wishes[0])

    @routes.post("/{id_}/stop", summary="End an answer now, or all of the conversation's")
    async def stop(id_: str, message: int | None = None) -> ConversationTold:
        conversation = await chats.get(id_)
        await chats.stop(conversation, message)
        return conversation.told()

    @routes.delete("/{id_}/messages/{number}", summary="Delete a message and what follows it")
    async def remove(id_: str, number: int) -> ConversationTold:
        conversation = await chats.get(id_)
        await chats.remove_message(conversation, number)
        return conversation.told()

    @routes.get(
        "/{id_}/messages/{number}/attachments/{place}",
        response_class=Response,
        summary="A picture that went with a message, the first being 0",
    )
    async def picture(id_: str, number: int, place: Annotated[int, Path(ge=0)]) -> Response:
        conversation = await chats.get(id_)
        message = conversation.messages.get(number)
        went = message.attachments[place : place + 1] if message else ()
        if not went or not went[0].picture:
            raise NotFound("No such picture went with that message")
        data = await chats.archive.picture(conversation, went[0].picture)
        # Never as a type that a browser would show: it came from anywhere.
        return Response(data, media_type="application/octet-stream")

    @routes.get(
        "/{id_}/messages/{number}/events",
        response_class=EventSourceResponse,
        summary="An answer as it grows; Last-Event-ID goes on after what is known",
    )
    async def events(
        id_: str, number: int, last_event_id: Annotated[str, Header(max_length=60)] = ""
    ) -> EventSourceResponse:
        conversation = await chats.get(id_)
        news = chats.follow(conversation, number, *_lengths(last_event_id))
        return EventSourceResponse(_events(conversation, number, news), ping=15)

    return routes


def _whole(routes: APIRouter, studio: Studio) -> None:
    """The routes of conversations as wholes. Fixed names come first: the others take any."""
    chats = studio.chats

    @routes.get("", summary="All conversations, the newest first")
    async def listing(
        search: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> list[ConversationSummary]:
        return (await chats.all(search))[:limit]

    @routes.post("", summary="A new conversation", status_code=201)
    async def create(body: NewConversation) -> ConversationTold:
        made = await chats.create(title=body.title, private=body.private, settings=body.settings)
        return made.told()

    @routes.get("/facts", summary="What would answer, and with which settings")
    async def facts(
        conversation: Annotated[str, Query(max_length=40)] = "",
        profile: Annotated[str, Query(max_length=200)] = "",
    ) -> ChatFacts:
        return await chats.outlook.facts(
            await chats.get(conversation) if conversation else None, profile
        )

    @routes.post("/tokens", summary="How many tokens a text has")
    async def tokens(body: Counted) -> TokenCount:
        return await chats.outlook.count(body.text, body.profile)

    @routes.get("/{id_}", summary="A conversation, every branch of it")
    async def one(id_: str) -> ConversationTold:
        return (await chats.get(id_)).told()

    @routes.patch("/{id_}", summary="Rename, change settings, show another branch")
    async def change(id_: str, body: ChangedConversation) -> ConversationTold:
        conversation = await chats.get(id_)
        if body.branch:
            await chats.show_branch(conversation, body.branch)
        await chats.change(conversation, title=body.title, settings=body.settings, leaf=body.leaf)
        return conversation.told()

    @routes.delete("/{id_}", summary="Delete a conversation for good")
    async def delete(id_: str) -> Done:
        await chats.delete(await chats.get(id_))
        return Done()

    @routes.get("/{id_}/export", summary="As Markdown (what is shown) or JSON (every branch)")
    async def exported(
        id_: str,
        format_: Annotated[Literal["markdown", "json"], Query(alias="format")] = "markdown",
    ) -> Response:
        conversation = await chats.get(id_)
        if format_ == "json":
            return Response(export.as_json(conversation), media_type="application/json")
        return PlainTextResponse(export.as_markdown(conversation))


def _lengths(mark: str) -> tuple[int, int]:
    """The characters of thought and of text that a listener has."""
    parts = mark.split(".")
    if len(parts) == 2 and all(each.isdecimal() and len(each) < 12 for each in parts):
        return int(parts[0]), int(parts[1])
    return 0, 0


async def _events(
    conversation: Conversation, number: int, news: AsyncIterator[dict[str, object]]
) -> AsyncIterator[ServerSentEvent]:
    mark = "0.0"
    async for update in news:
        mark = str(update.pop("mark"))
        yield ServerSentEvent(json.dumps(update), event="piece", id=mark)
        await asyncio.sleep(GATHER)
    message = conversation.messages.get(number)
    if message is not None:  # it was not deleted meanwhile
        told = message.told().model_copy(update={"text": "", "thought": ""})
        yield ServerSentEvent(told.model_dump_json(), event="end", id=mark)
