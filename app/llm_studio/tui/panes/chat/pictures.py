"""Pictures that went with messages, fetched and drawn in the background."""

from __future__ import annotations

import asyncio
import json
import sys

from llm_studio.errors import StudioError
from llm_studio.tui.panes.chat import drawing
from llm_studio.tui.panes.chat.markdown.rows import Row
from llm_studio.tui.panes.chat.model import Message
from llm_studio.tui.wire import Wire

WIDEST, HIGHEST = 72, 24
LEAST = 8
SECONDS = 30.0


async def draw(wire: Wire, conversation: str, message: Message, width: int, height: int) -> bool:
    """Draw those of a message that are not drawn yet; whether there are new ones."""
    columns, rows = min(width, WIDEST), min(height, HIGHEST)
    if columns < LEAST or rows < LEAST // 2:
        return False
    drawn = False
    for number, attached in enumerate(message.attachments):
        if not attached.picture or attached.rows is not None:
            continue
        attached.rows = []  # whatever comes of it, it is tried once
        route = f"/conversations/{conversation}/messages/{message.id}/attachments/{number}"
        try:
            raw = await wire.exchange("GET", route)
            head, _, data = raw.partition(b"\r\n\r\n")
            if b" 200 " in head.partition(b"\r\n")[0]:
                attached.rows = await _drawn(data, columns, rows)
                drawn = drawn or bool(attached.rows)
        except (StudioError, OSError):
            continue  # its name and size are told all the same
    if drawn:
        message.version += 1
    return drawn


async def _drawn(data: bytes, columns: int, rows: int) -> list[Row]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, drawing.__file__, str(columns), str(rows),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told, _ = await asyncio.wait_for(process.communicate(data), SECONDS)
    except TimeoutError:
        return []
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        return []
    return [Row([(text, style) for text, style in line]) for line in json.loads(told)]
