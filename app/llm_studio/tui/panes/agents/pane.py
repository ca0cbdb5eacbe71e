"""The Agents pane: which agents there are, which run, and what the one under the cursor came to."""

from __future__ import annotations

import asyncio
import os
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker

from llm_studio.errors import NotReady, StudioError
from llm_studio.text import untrusted
from llm_studio.tui.actions import bindings_of
from llm_studio.tui.dialogs import Ask, Dialog
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.agents import ACTIONS
from llm_studio.tui.panes.agents.launch import agents_here, folder_of, launch, told_by
from llm_studio.tui.panes.agents.rows import (
    AGENTS,
    FENCES,
    SESSIONS,
    agent_rows,
    session_rows,
    told_of_agent,
    told_of_session,
)
from llm_studio.tui.view import View
from llm_studio.tui.widgets.listing import Listing

ASK = 2.0
"""Seconds between questions for the sessions."""
LOOK = 60.0
"""Seconds between looks at what is installed."""


class Sheet(Dialog):
    """A longer text to read."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title), classes="title")
            with VerticalScroll() as scroll:
                scroll.styles.max_height = "80%"
                yield Static(Content(self._text), classes="last")
            yield Static(Content("Esc closes"), classes="quiet last")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()


class AgentsPane(Pane):
    DEFAULT_CSS = """
    AgentsPane .agents { height: 1fr; }
    AgentsPane .sessions { height: 8; border-top: solid $border; }
    AgentsPane #told { height: auto; max-height: 6; padding: 0 1; color: $dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(ACTIONS)]

    def __init__(self) -> None:
        super().__init__()
        self._agents: list[dict[str, Any]] = []
        self._sessions: list[dict[str, Any]] = []
        self._workers: list[Worker[None]] = []
        self._directory = ""

    def compose(self) -> ComposeResult:
        yield Listing(AGENTS)
        yield Listing(SESSIONS)
        yield Static(id="told")

    def on_mount(self) -> None:
        for listing, name in zip(self.query(Listing), ("agents", "sessions"), strict=True):
            listing.add_class(name)
        self._listing("agents").lit = True
        self._show()

    def _listing(self, name: str) -> Listing:
        return self.query_one(f".{name}", Listing)

    # While it is seen

    def wake(self) -> None:
        self._workers = [
            self.run_worker(work, group="agents", exit_on_error=False)
            for work in (self._follow(), self._look_for_agents())
        ]

    def rest(self) -> None:
        for worker in self._workers:
            worker.cancel()

    def look(self, view: View) -> None:
        self._tell()

    async def _follow(self) -> None:
        while True:
            try:
                self._sessions = await self.studio.wire.ask("GET", "/agents/sessions")
                self._show()
            except StudioError:
                pass  # the frame tells of a lost link; what is shown stays
            await asyncio.sleep(ASK)

    async def _look_for_agents(self) -> None:
        while True:
            self._agents = await agents_here() or self._agents
            self._show()
            await asyncio.sleep(LOOK)

    def _show(self) -> None:
        self._listing("agents").show(agent_rows(self._agents, self._sessions))
        self._listing("sessions").show(session_rows(self._sessions))
        self._listing("sessions").display = bool(self._sessions)
        self._tell()

    def on_listing_highlighted(self) -> None:
        self._tell()

    def on_descendant_focus(self) -> None:
        self._tell()

    def _tell(self) -> None:
        """Of the session under the cursor where one looks at those, else of the agent."""
        if not self.is_mounted:
            return
        told = ""
        sessions = self._listing("sessions")
        if sessions.has_focus:
            found = next((each for each in self._sessions if each["id"] == sessions.key), None)
            told = told_of_session(found) if found else ""
        elif agent := self._agent():
            last = next((each for each in self._sessions if each["agent"] == agent["id"]), None)
            told = told_of_agent(agent, last)
        elif not self._agents:
            told = "Looking for agents …"
        self.query_one("#told", Static).update(Content(told))

    def _agent(self) -> dict[str, Any] | None:
        """The one under the cursor, or the one whose session is."""
        id_ = self._listing("agents").key
        sessions = self._listing("sessions")
        if sessions.has_focus:
            found = next((each for each in self._sessions if each["id"] == sessions.key), None)
            id_ = found["agent"] if found else id_
        return next((each for each in self._agents if each["id"] == id_), None)

    # Actions

    def on_listing_chosen(self) -> None:
        self.action_launch()

    def action_launch(self) -> None:
        if agent := self._agent():
            self.studio.do(self._launch(agent))

    async def _launch(self, agent: dict[str, Any]) -> None:
        if not agent["launched"]:
            await self._read(agent, "config")
            return
        if not agent["installed"]:
            raise NotReady(f"{agent['title']} is not installed", hint=agent["install"])
        answer = await self.studio.push_screen_wait(
            Ask(
                f"Launch {agent['title']}",
                f"In which folder? {FENCES[agent['fence']]} Its model is the one that is served.",
                self._proposed(),
            )
        )
        if answer.id:
            self._directory = answer.id
            await launch(self.studio, agent["id"], folder_of(answer.id))

    def _proposed(self) -> str:
        if self._directory:
            return self._directory
        return str(self._sessions[0]["directory"]) if self._sessions else os.getcwd()

    def action_configuration(self) -> None:
        if agent := self._agent():
            self.studio.do(self._read(agent, "config"))

    def action_test(self) -> None:
        if agent := self._agent():
            self.studio.tell(f"Testing {agent['title']} …")
            self.studio.do(self._read(agent, "test"))

    async def _read(self, agent: dict[str, Any], action: str) -> None:
        if not agent["possible"]:
            raise NotReady(f"{agent['title']} cannot use a local model", why=agent["note"])
        told = await told_by(agent["id"], action)
        await self.studio.push_screen_wait(Sheet(agent["title"], untrusted(told)))
