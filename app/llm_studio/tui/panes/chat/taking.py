"""What leaves a conversation, or is brought into it: the clipboard, files, the editor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import tempfile
import time
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from llm_studio.errors import NotReady, StudioError
from llm_studio.tui.dialogs import Ask
from llm_studio.tui.figures import counted
from llm_studio.tui.panes.chat import files
from llm_studio.tui.panes.chat.markdown.blocks import Code
from llm_studio.tui.panes.chat.model import Message
from llm_studio.tui.widgets.finder import Finder, Item

if TYPE_CHECKING:
    from llm_studio.tui.panes.chat.pane import ChatPane


class Taking:
    def __init__(self, pane: ChatPane) -> None:
        self._pane = pane

    @property
    def _message(self) -> Message:
        message = self._pane.transcript.selected
        if message is None:
            raise NotReady("Nothing was said yet")
        return message

    async def _wait(self, screen: Any) -> str:
        answer = await self._pane.app.push_screen_wait(screen)
        return str(answer if isinstance(answer, str) else answer.id)

    def copy(self) -> None:
        self._copied(self._message.text, "The message")

    def _copied(self, text: str, what: str) -> None:
        self._pane.app.copy_to_clipboard(text)
        self._pane.studio.tell(f"{what} is in the clipboard")

    async def _code(self, hint: str) -> list[Code]:
        blocks = self._message.code
        if len(blocks) < 2:
            return blocks
        items = [
            Item(str(at), next(iter(block.lines), "").strip() or "…", f"{block.language} · "
                 f"{counted(len(block.lines), 'line')}")
            for at, block in enumerate(blocks)
        ]  # fmt: skip
        chosen = await self._wait(Finder(items, hint=hint))
        return [blocks[int(chosen)]] if chosen else []

    async def copy_code(self) -> None:
        for block in await self._code("Which code?"):
            self._copied(block.text, "The code")

    async def save_code(self) -> None:
        blocks = self._message.code
        told = f"{counted(len(blocks), 'file')} will be written there. Esc does not."
        folder = await self._wait(Ask("Save code blocks", told, "~/llm-studio-code"))
        if folder:
            written = await asyncio.to_thread(files.save_code, folder, blocks)
            self._pane.studio.tell(", ".join(each.name for each in written) + f" in {folder}")

    async def external(self) -> None:
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        # In memory where the system has such a place: the conversation may be a private one.
        folder = os.environ.get("XDG_RUNTIME_DIR")
        descriptor, name = tempfile.mkstemp(".md", "llm-studio-", folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(self._message.text)
            with self._pane.app.suspend():
                process = await asyncio.create_subprocess_exec(*shlex.split(editor), name)
                await process.wait()
        except SuspendNotSupported as error:
            raise NotReady("This terminal cannot be lent to an editor") from error
        except (OSError, ValueError) as error:
            raise StudioError(
                f"The editor {editor!r} does not start",
                why=str(error),
                hint="Set EDITOR to one that is installed.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)

    async def attach(self) -> None:
        typed = await self._wait(
            Ask("Attach a file", "A text file, or a picture where the model sees.", "~/")
        )
        if not typed:
            return
        attached = await asyncio.to_thread(files.read_file, typed)
        if attached.picture and self._pane.facts.get("ready") and not self._pane.facts["vision"]:
            raise StudioError(
                "The model cannot see pictures",
                hint="Serve one with a projector (`mmproj` in [model]).",
            )
        self._pane.attach(attached)

    async def export(self) -> None:
        name = time.strftime("~/conversation-%Y%m%d-%H%M%S.md")
        told = "Markdown of what is shown; a name that ends in .json gets every branch."
        typed = await self._wait(Ask("Export", told, name))
        if not typed:
            return
        kind = "json" if typed.endswith(".json") else "markdown"
        route = f"/conversations/{self._pane.talk.id}/export"
        raw = await self._pane.studio.wire.exchange("GET", route, format=kind)
        text = raw.partition(b"\r\n\r\n")[2].decode(errors="replace")
        path = await asyncio.to_thread(files.write_new, typed, text)
        self._pane.studio.tell(f"Written to {path}")
