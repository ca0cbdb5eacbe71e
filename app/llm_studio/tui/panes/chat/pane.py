"""The conversation that is shown, and everything that can be done with it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker

from llm_studio.errors import NotFound, StudioError
from llm_studio.tui.actions import bindings_of
from llm_studio.tui.figures import counted
from llm_studio.tui.panes.chat import ACTIONS
from llm_studio.tui.panes.chat.acting import Acting
from llm_studio.tui.panes.chat.composer import Composer
from llm_studio.tui.panes.chat.deeds import Deeds
from llm_studio.tui.panes.chat.feed import Follower, ask
from llm_studio.tui.panes.chat.files import Attached, attached_text
from llm_studio.tui.panes.chat.markdown.document import Document
from llm_studio.tui.panes.chat.model import Message, Talk
from llm_studio.tui.panes.chat.pictures import draw
from llm_studio.tui.panes.chat.sending import Sending
from llm_studio.tui.panes.chat.status import ChatStatus, status_of
from llm_studio.tui.panes.chat.taking import Taking
from llm_studio.tui.panes.chat.transcript import Transcript
from llm_studio.tui.view import View

RECENT = 3600.0
"""Seconds for which a conversation is what one comes back to."""
PICTURES = 100
"""Of so many of the last messages pictures are drawn."""
WIDE = 110
"""Columns from which two answers stand beside each other."""


class ChatPane(Acting):
    DEFAULT_CSS = """
    ChatPane #talks { height: 1fr; }
    ChatPane #talks.-narrow { layout: vertical; }
    ChatPane #other { display: none; border-left: solid $border; }
    ChatPane .-narrow #other { border-left: none; border-top: solid $border; }
    ChatPane #along { height: auto; max-height: 3; padding: 0 1; color: $dim; display: none; }
    ChatPane #empty { display: none; padding: 1 3; color: $dim; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.facts: dict[str, Any] = {}
        self.along: list[Attached] = []
        """What goes with the next message."""
        self.editing: Message | None = None
        """The message in whose place the next one is said."""
        self.other = 0
        """The answer that is shown beside."""
        self.deeds = Deeds(self)
        self.taking = Taking(self)
        self.sending = Sending(self)
        self._followed: dict[Message, Worker[None]] = {}
        self._told: object = None
        self._opened = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="talks"):
            yield Static(id="empty")
            yield Transcript(id="main")
            yield Transcript(id="other")
        yield ChatStatus()
        yield Static(id="along")
        yield Composer()

    @property
    def transcript(self) -> Transcript:
        return self.query_one("#main", Transcript)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    def start_here(self) -> None:
        self.turn_to(self.composer)

    @property
    def _there(self) -> bool:
        return self.is_mounted and bool(self.query(Composer))

    def on_mount(self) -> None:
        self.redraw()

    # While it is seen

    def wake(self) -> None:
        self.run_worker(self._wake, group="facts", exclusive=True)  # type: ignore[arg-type]

    async def _wake(self) -> None:
        """Come back to what is shown; the first time, to what was said last."""
        try:
            if self.talk.id:
                await self.reload()
            elif not self._opened:
                found = await self.ask("GET", "", limit=1)
                self._opened = True
                if found and (found[0]["running"] or time.time() - found[0]["changed"] < RECENT):
                    await self.open(found[0]["id"])
            await self.learn()
        except NotFound:  # deleted elsewhere, or a private one whose studio ended
            self.clear()
        except (StudioError, OSError, ValueError):
            return  # the frame tells of a studio that is away, and when it is back
        self.redraw()

    def rest(self) -> None:
        for worker in self._followed.values():
            worker.cancel()
        self._followed.clear()

    def look(self, view: View) -> None:
        status = view.status
        told = (
            tuple((each.profile, each.state) for each in status.all) if status else None,
            view.live,
        )
        if told != self._told:
            self._told = told
            self.wake()

    async def ask(self, method: str, route: str, body: Any = None, **query: Any) -> Any:
        return await ask(self.studio.wire, method, f"/conversations{route}", body, **query)

    async def learn(self) -> None:
        """What would answer, and with which settings."""
        self.facts = await self.ask("GET", "/facts", conversation=self.talk.id or None)

    # The conversation

    async def open(self, id_: str) -> None:
        """Show another conversation."""
        self.rest()
        self.talk, self.other, self.editing = Talk(id=id_), 0, None
        self.transcript.following = True
        await self.reload()
        self.composer.past = [each.text for each in self.talk.path if each.role == "user"]
        await self.learn()
        self.redraw()

    async def reload(self) -> None:
        self.take(await self.ask("GET", f"/{self.talk.id}"))

    def take(self, data: Any) -> None:
        """The conversation as the studio tells it; running answers are followed."""
        self.talk.take(data)
        running = self.talk.running
        for message in list(self._followed):
            if message not in running:
                self._followed.pop(message).cancel()
        for message in running:
            if message not in self._followed:
                follower = Follower(
                    self.studio.wire, self.talk.id, message, grew=self._grew, ended=self._ended
                )
                self._followed[message] = self.run_worker(follower.run(), group="follow")
        self.redraw()
        self._draw_pictures()

    def _draw_pictures(self) -> None:
        shown = not (self.app.no_color or self.app.has_class("-plain"))
        unseen = [
            message
            for message in self.talk.path[-PICTURES:]
            if any(each.picture and each.rows is None for each in message.attachments)
        ]
        if unseen and shown:
            self.run_worker(self._drawing(unseen), group="pictures", exit_on_error=False)

    async def _drawing(self, messages: list[Message]) -> None:
        room, id_ = self.size, self.talk.id
        for message in messages:
            if await draw(self.studio.wire, id_, message, room.width - 6, room.height - 8):
                self.redraw()

    async def begun(self) -> str:
        """The conversation's id; a new one is made where there is none."""
        if not self.talk.id:
            body = {"private": self.talk.private, "settings": self.talk.settings or None}
            made = await self.ask("POST", "", body)
            self.talk.id = made["summary"]["id"]
        return self.talk.id

    def clear(self, *, private: bool = False) -> None:
        """Begin anew; nothing is asked of the studio before something is said."""
        self.rest()
        self.talk, self.other, self.editing = Talk(private=private), 0, None
        self.along, self._opened = [], True
        self.redraw()
        self.composer.focus()
        self.wake()

    async def answered(self, number: int) -> None:
        """Returns once an answer that is followed has ended."""
        worker = next((w for m, w in self._followed.items() if m.id == number), None)
        if worker is not None:
            await worker.wait()

    def _grew(self, message: Message) -> None:
        if not self._there:
            return
        for transcript in self.query(Transcript):
            transcript.grew()
        self.tell()

    def _ended(self, message: Message) -> None:
        self._followed.pop(message, None)
        self._grew(message)
        self.refresh_bindings()
        self.run_worker(self._read_whole(message), group="whole")

    async def _read_whole(self, message: Message) -> None:
        """The final text, read once as a whole: a part may look other than in its surroundings."""
        text = message.text
        document = await asyncio.to_thread(Document.of, text)
        if message.text == text:
            message.document = document
            message.version += 1
        self.redraw()

    # Telling

    def redraw(self) -> None:
        if not self._there:
            return
        path, other = self.talk.path, self.talk.path_to(self.other)
        empty, talks = self.query_one("#empty", Static), self.query_one("#talks")
        empty.display = not path
        self.transcript.display = bool(path)
        if not path:
            empty.update(Content(self._welcome()))
        talks.set_class(self.size.width < WIDE, "-narrow")
        beside = self.query_one("#other", Transcript)
        beside.display = bool(other and path)
        self.transcript.show(path, [self._place(each) for each in path])
        if beside.display:
            beside.show(other, [self._place(each) for each in other])
        self.tell()
        self.refresh_bindings()

    def _place(self, message: Message) -> str:
        siblings = self.talk.siblings(message)
        if len(siblings) < 2:
            return ""
        return f"{siblings.index(message) + 1}/{len(siblings)}"

    def _welcome(self) -> str:
        if self.talk.private:
            return "A private conversation: it is never written, and ends with the studio."
        profile = self.facts.get("profile")
        if self.facts.get("ready"):
            return f"Talk to {profile}. Enter sends, Ctrl+J begins a new line, F1 shows all keys."
        if profile:
            return f"{profile} is not loaded. Write all the same: it is offered when you send."
        return "No model is loaded. F2 picks one."

    def tell(self) -> None:
        other = self.talk.messages.get(self.other)
        parts = status_of(self.talk, self.facts, other.profile if other else "")
        if self.editing is not None:
            parts = [("editing: Esc leaves it   ", "accent"), *parts]
        self.query_one(ChatStatus).show(parts)
        along = self.query_one("#along", Static)
        along.display = bool(self.along)
        if self.along:
            told = "  ".join(f"+ {each.name} ({each.told})" for each in self.along)
            along.update(Content(told))

    def on_transcript_moved(self) -> None:
        self.refresh_bindings()  # what can be done depends on the message

    def on_resize(self) -> None:
        self.redraw()
        self._draw_pictures()  # those that there was no room for yet

    # Sending

    def on_composer_sent(self, event: Composer.Sent) -> None:
        if event.text.strip() or self.along:
            self.studio.do(self.sending.send(event.text))

    def on_composer_pasted(self, event: Composer.Pasted) -> None:
        lines = event.text.count("\n") + 1
        name = f"pasted-{len(self.along) + 1}.txt"
        self.attach(attached_text(name, event.text, counted(lines, "line")))

    def attach(self, attached: Attached) -> None:
        self.along = [*self.along, attached]
        self.tell()
        if not attached.picture:
            self.run_worker(self.sending.count(attached), group="count")

    # Actions

    def action_send(self) -> None:
        self.composer.action_send()

    def action_newline(self) -> None:
        self.composer.action_newline()

    def action_write(self) -> None:
        self.composer.focus()

    def action_stop(self) -> None:
        if self.talk.running:
            self.studio.do(self.deeds.stop())
        elif self.editing is not None:
            self.editing = None
            self.composer.put("")
            self.tell()
        elif self.composer.has_focus:
            self.transcript.focus()
        elif self.other:
            self.other = 0
            self.redraw()

    def action_new(self) -> None:
        self.clear()

    def action_private(self) -> None:
        self.clear(private=True)

    def action_detach(self) -> None:
        self.along = []
        self.tell()
