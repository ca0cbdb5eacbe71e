"""What is done with the conversation or the selected message, on behalf of its pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_studio.errors import NotReady, StudioError
from llm_studio.tui.dialogs import STAY, Ask, Choice, Question
from llm_studio.tui.panes.chat.finding import Conversations
from llm_studio.tui.panes.chat.model import Message
from llm_studio.tui.panes.chat.settings import ChatSettingsScreen
from llm_studio.tui.widgets.finder import Finder, Item

if TYPE_CHECKING:
    from llm_studio.tui.panes.chat.pane import ChatPane

_ON_MESSAGE = {
    "regenerate", "edit", "resume", "branch", "sibling", "fold", "copy", "copy_code", "save_code",
    "external", "compare", "summarise", "export", "remove",
}  # fmt: skip
_CALM = {"regenerate", "edit", "resume", "compare", "summarise", "branch"}
"""What has to wait for the answer that comes."""


class Deeds:
    def __init__(self, pane: ChatPane) -> None:
        self._pane = pane

    @property
    def _message(self) -> Message:
        message = self._pane.transcript.selected
        if message is None:
            raise NotReady("Nothing was said yet")
        return message

    def possible(self, action: str) -> bool:
        pane = self._pane
        if action == "stop":
            away = pane.composer.has_focus or pane.editing is not None or pane.other
            return bool(pane.talk.running or away)
        if action not in _ON_MESSAGE:
            return action != "rename" or bool(pane.talk.id)
        message = pane.transcript.selected
        if message is None or (action in _CALM and pane.talk.running):
            return False
        if action == "edit":
            return message.role == "user" or message.parent in pane.talk.messages
        if action == "resume":
            return message.role == "assistant" and message.state != "done" and bool(message.text)
        if action == "sibling":
            return len(pane.talk.siblings(message)) > 1
        if action in ("copy_code", "save_code"):
            return "```" in message.text or "~~~" in message.text
        return True

    async def _ask(self, method: str, route: str, body: Any = None, **query: Any) -> Any:
        return await self._pane.ask(method, f"/{self._pane.talk.id}{route}", body, **query)

    async def _wait(self, screen: Any) -> str:
        answer = await self._pane.app.push_screen_wait(screen)
        return str(answer if isinstance(answer, str) else answer.id)

    # Answers

    async def stop(self) -> None:
        self._pane.take(await self._ask("POST", "/stop"))

    async def regenerate(self) -> None:
        pane, message = self._pane, self._message
        wish = await pane.sending.wish()
        if wish is None:
            return
        if message.cause == "context":
            choice = await self._what_to_leave_out()
            if choice == "new":
                pane.clear()
            if choice == "summary":
                await self._summarise_and_ask(message, wish)
            if choice != "trim":
                return
            wish["trim"] = True
        pane.other = 0
        await self._ask("POST", f"/messages/{message.id}/regenerate", wish)
        pane.transcript.follow()
        await pane.reload()

    async def _what_to_leave_out(self) -> str:
        return await self._wait(
            Question(
                "The context is full",
                "The whole conversation no longer fits into what the model can hold at once.",
                (
                    Choice("trim", "o", "Leave the oldest messages out", "they stay here to read"),
                    Choice("summary", "s", "Summarise what was said", "and go on from that"),
                    Choice("new", "n", "Begin a new conversation"),
                    Choice(STAY, "x", "Do nothing"),
                ),
            )
        )

    async def _summarise_and_ask(self, message: Message, wish: dict[str, Any]) -> None:
        """A summary of all before the question, and the question again after it."""
        pane = self._pane
        asked = pane.talk.messages.get(message.parent)
        if asked is None or not asked.parent:
            raise StudioError(
                "There is nothing to summarise",
                why="The first message alone does not fit.",
                hint="Shorten it (e), or serve the model with more context.",
            )
        sent = await self._ask("POST", f"/messages/{asked.parent}/summarise", wish)
        await pane.reload()
        number = sent["answers"][0]
        await pane.answered(number)
        summary = pane.talk.messages.get(number)
        if summary is not None and summary.state == "done":
            await self._ask("POST", "/messages", {"text": asked.text, "parent": number, **wish})
            await pane.reload()

    async def summarise(self) -> None:
        pane = self._pane
        last = pane.talk.path[-1]
        if last.role != "assistant":
            raise NotReady("There is nothing to summarise yet")
        wish = await pane.sending.wish()
        if wish is not None:
            await self._ask("POST", f"/messages/{last.id}/summarise", wish)
            await pane.reload()

    async def resume(self) -> None:
        pane, message = self._pane, self._message
        wish = await pane.sending.wish()
        if wish is not None:
            await self._ask("POST", f"/messages/{message.id}/continue", wish)
            pane.transcript.follow()
            await pane.reload()

    def edit(self) -> None:
        pane, message = self._pane, self._message
        if message.answer:
            message = pane.talk.messages.get(message.parent, message)
        if message.role == "user":
            pane.editing = message
            pane.composer.put(message.text)
            pane.composer.focus()
            pane.redraw()

    async def compare(self) -> None:
        """The last answer beside one of another profile to the same message."""
        pane = self._pane
        last = pane.talk.last_answer
        if last is None:
            raise NotReady("There is no answer yet to compare with")
        beside = [each for each in pane.talk.siblings(last) if each is not last]
        items = [Item(str(each.id), each.profile or "answer", "is here already") for each in beside]
        items += [
            Item(f"profile {each.id}", each.id, each.name)
            for each in pane.studio.view.shown_profiles
            if each.state not in ("template", "broken", "missing", "incomplete", "unusable")
        ]
        chosen = await self._wait(Finder(items, hint="Beside the answer of which model?"))
        if chosen.isdecimal():
            pane.other = int(chosen)
            pane.redraw()
        elif chosen:
            wish = {"profiles": [chosen.removeprefix("profile ")], "load": True}
            shown = last.id
            sent = await self._ask("POST", f"/messages/{last.id}/regenerate", wish)
            pane.other = sent["answers"][0]
            pane.take(await pane.ask("PATCH", f"/{pane.talk.id}", {"leaf": shown}))

    # Branches

    async def branch(self) -> None:
        number = self._message.id
        self._pane.take(await self._pane.ask("PATCH", f"/{self._pane.talk.id}", {"leaf": number}))
        self._pane.composer.focus()

    async def sibling(self, step: int) -> None:
        pane, message = self._pane, self._message
        siblings = pane.talk.siblings(message)
        number = siblings[(siblings.index(message) + step) % len(siblings)].id
        pane.take(await pane.ask("PATCH", f"/{pane.talk.id}", {"branch": number}))
        pane.transcript.select(number)

    async def remove(self) -> None:
        pane, message = self._pane, self._message
        answer = await self._wait(
            Question(
                "Delete this message?",
                "It and everything that follows it is deleted from the disk, for good.",
                (Choice("delete", "y", "Delete", role="bad"), Choice(STAY, "n", "Keep it")),
            )
        )
        if answer:
            pane.take(await self._ask("DELETE", f"/messages/{message.id}"))

    # The conversation

    async def choose(self) -> None:
        chosen = await self._wait(Conversations())
        if chosen:
            await self._pane.open(chosen)
        elif self._pane.talk.id:
            try:
                await self._pane.reload()
            except StudioError:  # it was deleted there
                self._pane.clear()

    async def rename(self) -> None:
        talk = self._pane.talk
        title = await self._wait(Ask("Rename", "The conversation's new title", talk.title))
        if title:
            body = {"title": title[:200]}
            self._pane.take(await self._pane.ask("PATCH", f"/{talk.id}", body))

    async def settings(self) -> None:
        pane = self._pane
        await pane.learn()
        own = pane.talk.settings or {
            "system_prompt": None, "reasoning_level": None, "sampling": {}, "json_schema": None,
            "grammar": None,
        }  # fmt: skip
        changed = await pane.app.push_screen_wait(ChatSettingsScreen(pane.facts, own))
        if changed:
            id_ = await pane.begun()
            pane.take(await pane.ask("PATCH", f"/{id_}", {"settings": changed}))
            await pane.learn()
            pane.redraw()
