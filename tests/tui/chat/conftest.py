from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.conftest import Home
from tests.standins.chatty_engine import ChattyEngine
from tests.tui.looking import Look

from llm_studio.place import socket_path
from llm_studio.server.run import run
from llm_studio.settings import load_settings
from llm_studio.tui.app import StudioApp
from llm_studio.tui.panes.chat.pane import ChatPane
from llm_studio.tui.wire import Wire


class House:
    """A real studio over an engine that is scripted, and the pane on it."""

    def __init__(self, home: Home, engine: ChattyEngine) -> None:
        self.home = home
        self.engine = engine
        self.settings = load_settings()
        self.wire = Wire(socket_path(self.settings.paths.state))

    async def serve(self, id_: str = "chatty") -> None:
        job = (await self.wire.ask("POST", "/switch", {"model": id_}))["job"]
        ended = await self.wire.ask("GET", f"/jobs/{job['id']}", wait="true")
        assert ended["state"] == "done", ended

    @asynccontextmanager
    async def chatting(
        self, *, size: tuple[int, int] = (100, 30), ready: bool = True
    ) -> AsyncIterator[tuple[Look, ChatPane]]:
        app = StudioApp(self.settings, theme="dark", wire=self.wire, start=lambda: None)
        async with app.run_test(size=size, notifications=True) as pilot:
            look = Look(app, pilot)
            await look.until(lambda: app.view.live)
            await look.press("4")
            await look.until(lambda: isinstance(app.pane, ChatPane) and app.pane.facts)
            pane = app.pane
            assert isinstance(pane, ChatPane)
            if ready:
                await look.until(lambda: pane.facts["ready"])
            await look.until(lambda: pane.composer.has_focus)
            yield look, pane


@pytest.fixture
async def house(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    for port in ("GATEWAY", "API"):
        monkeypatch.setenv(f"LLM_STUDIO_{port}_PORT", "0")
    monkeypatch.setenv("LLM_STUDIO_CACHES", "off")
    async with ChattyEngine() as engine:
        home.profile("chatty", engine.profile())
        home.profile("second", engine.profile())
        house, ready = House(home, engine), asyncio.Event()
        studio = asyncio.create_task(run(house.settings, lambda _: ready.set()))
        await asyncio.wait(
            [studio, asyncio.create_task(ready.wait())], return_when="FIRST_COMPLETED"
        )
        yield house
        await house.wire.ask("POST", "/shutdown")
        await studio


@pytest.fixture
async def served(house: House) -> House:
    await house.serve()
    return house
