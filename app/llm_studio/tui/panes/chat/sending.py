"""Sends what was written, with what goes along; a model that is not loaded is offered first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llm_studio.errors import NotReady, StudioError
from llm_studio.tui.dialogs import STAY, Choice, Question
from llm_studio.tui.figures import counted
from llm_studio.tui.panes.chat.files import Attached

if TYPE_CHECKING:
    from llm_studio.tui.panes.chat.pane import ChatPane


class Sending:
    def __init__(self, pane: ChatPane) -> None:
        self._pane = pane
        self._under_way = False

    async def send(self, text: str) -> None:
        if self._under_way:  # Enter was pressed twice
            return
        self._under_way = True
        try:
            await self._send(text)
        finally:
            self._under_way = False

    async def _send(self, text: str) -> None:
        pane = self._pane
        wish = await self.wish()
        if wish is None:
            return
        id_, editing = await pane.begun(), pane.editing
        if editing is not None:
            await pane.ask("POST", f"/{id_}/messages/{editing.id}/edit", {"text": text, **wish})
        else:
            body = {"text": text, "attachments": [each.body for each in pane.along], **wish}
            await pane.ask("POST", f"/{id_}/messages", body)
        pane.editing, pane.along, pane.other = None, [], 0
        pane.composer.clear_written()
        pane.transcript.follow()
        await pane.reload()

    async def wish(self) -> dict[str, Any] | None:
        """How the next answer is wished for; None where the user would rather not."""
        pane = self._pane
        await pane.learn()
        status = pane.studio.view.status
        if pane.facts["ready"] or (status and status.state in ("asleep", "starting", "loading")):
            return {}
        profile = pane.facts["profile"]
        if not profile:
            raise NotReady("No model is loaded", hint="F2 picks one; then send again.")
        answer = await pane.app.push_screen_wait(
            Question(
                f"Load {profile}?",
                "No model is loaded. The message is sent as soon as it is ready.",
                (
                    Choice("load", "y", f"Load {profile} and send"),
                    Choice(STAY, "n", "Not now", "m picks another"),
                ),
            )
        )
        return {"profiles": [profile], "load": True} if answer.id else None

    async def count(self, attached: Attached) -> None:
        """Tell the tokens of a file, by the model's own tokenizer."""
        pane = self._pane
        try:
            told = await pane.ask("POST", "/tokens", {"text": attached.body["text"]})
        except (StudioError, OSError, ValueError):
            return
        about = "" if told["exact"] else "about "
        known = replace(attached, told=f"{about}{counted(told['tokens'], 'token')}")
        pane.along = [known if each is attached else each for each in pane.along]
        pane.tell()
