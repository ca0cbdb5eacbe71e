"""The terminal UI itself, on a studio of made-up readings; and its screen as a frame."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

from tests.tui.looking import Look, opened
from tests.tui.scripted_studio import ScriptedStudio
from textual._compositor import LayoutUpdate

from llm_studio.engines.line_meaning import meaning_of
from screenshots import example
from screenshots.machine import SHOWN_AS, Workstation
from screenshots.svg import Frame, spans_of

HOST = "gpubox"


class ExampleStudio(ScriptedStudio):
    """Answers what the workstation of the pictures would; `bare` is one that has no model yet."""

    def __init__(self, path: Path, workstation: Workstation, *, bare: bool = False) -> None:
        super().__init__(path)
        self._workstation = workstation
        self.profiles = workstation.listing(bare=bare)
        self.files = [] if bare else workstation.files()
        self.devices = workstation.one(example.SERVED, None, None)["devices"]
        told, listed = example.talk()
        self.answers |= {
            "/history": example.past(self.devices), "/requests": example.requests(),
            "/conversations": [listed], "/conversations/c1": told,
            "/conversations/facts": example.FACTS,
            "/agents/sessions": example.sessions(),
        }  # fmt: skip
        if bare:
            self.answers |= {"/conversations": [], "/requests": [], "/agents/sessions": []}
        for number, (at, line) in enumerate(example.log(), 1):
            source, level, text = line.split(" ", 2)
            self.log.append({
                "seq": number, "time": at, "source": source, "level": level, "text": text,
            })  # fmt: skip

    def serve(self) -> None:
        """The model of the pictures is loaded, and works on a request."""
        since = time.time() - example.LOADED
        engine = {
            "kind": "docker", "detail": "llama.cpp b11669, CUDA 13", "since": since,
            "adopted": False, "address": "http://127.0.0.1:41873", "instance": "48211",
        }  # fmt: skip
        self.serves(example.SERVED, engine=engine, running=1, since=since)
        self.tell("sample", example.readings(self.devices))

    def load(self, progress: float) -> None:
        """The model of the pictures is on its way."""
        id_ = example.SERVED
        self.job("j1", "running", title=f"Serve {id_}", fraction=progress)
        self.tell("sample", example.resting(self.devices, progress))
        self.becomes(
            state="loading", profile=id_, desired=id_, stage="loading the weights",
            progress=progress, since=time.time() - 12 * progress,
        )  # fmt: skip

    async def _data(self, method: str, route: str, query: dict[str, str], body: Any) -> Any:
        if method == "GET" and route.startswith("/profiles/"):
            context = query.get("context")
            id_ = route.split("/")[2]
            return self._workstation.one(
                id_, int(context) if context else None, query.get("cache_type")
            )
        if route.endswith("/explained"):
            line = self.log[int(route.split("/")[2]) - 1]
            meaning = meaning_of(line["text"]) if line["source"] == "engine" else None
            told = {key: getattr(meaning, key, "") for key in ("kind", "what", "why", "hint")}
            return {"seq": line["seq"], **told}
        return await super()._data(method, route, query, body)


@contextmanager
def workstation(home: Path) -> Iterator[Workstation]:
    """The workstation of the pictures, in a folder of its own; nothing of the user's is read."""
    before, name = dict(os.environ), socket.gethostname
    for key in [each for each in os.environ if each.startswith(("LLM_STUDIO_", "XDG_", "SSH_"))]:
        del os.environ[key]
    os.environ.pop("NO_COLOR", None)
    os.environ |= {
        "LLM_STUDIO_HOME": str(home), "LLM_STUDIO_MODELS": str(home / "models"), "HOME": str(home),
        "LLM_STUDIO_CACHES": "false", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC",
        "COLORTERM": "truecolor", "TERM": "xterm-256color",
    }  # fmt: skip
    socket.gethostname = lambda: HOST
    try:
        yield Workstation(home)
    finally:
        socket.gethostname = name
        os.environ.clear()
        os.environ |= before


@asynccontextmanager
async def shown(
    workstation: Workstation, *, size: tuple[int, int], bare: bool
) -> AsyncIterator[tuple[ExampleStudio, Look]]:
    path = workstation.home / "state" / "studio.sock"
    studio = ExampleStudio(path, workstation, bare=bare)
    await studio.open()
    try:
        os.environ["LLM_STUDIO_MODELS"] = SHOWN_AS
        found = AsyncMock(return_value=example.agents())
        with patch("llm_studio.tui.panes.agents.pane.agents_here", found):
            async with opened(studio, size=size) as look:
                yield studio, look
    finally:
        os.environ["LLM_STUDIO_MODELS"] = str(workstation.home / "models")
        await studio.close()


def frame_of(look: Look, colours: dict[str, str], seconds: float = 1.0) -> Frame:
    """What the terminal shows now, what lies below a dialog included."""
    app = look.app
    update = app.screen._compositor.render_update(
        full=True, screen_stack=app._background_screens, simplify=True
    )
    assert isinstance(update, LayoutUpdate)
    rows = (chain.from_iterable(strips) for strips in update.strips)
    return Frame(tuple(spans_of(row, colours) for row in rows), seconds)
