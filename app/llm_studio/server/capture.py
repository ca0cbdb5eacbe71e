"""Keeps prompts and answers, only where the user turned that on: to debug a client or a model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from llm_studio.studio.serving.desk import RequestRecord

MOST = 4 << 20
"""Bytes of one prompt or answer that are kept."""


class Capture:
    """One file a day, for the user alone; removing them is the user's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing: set[asyncio.Task[None]] = set()

    def keep(self, record: RequestRecord, asked: bytes, answered: bytes) -> None:
        told = {
            **asdict(record),
            "asked": asked[:MOST].decode("utf-8", "replace"),
            "answered": answered.decode("utf-8", "replace"),
        }
        task = asyncio.create_task(asyncio.to_thread(self._append, json.dumps(told) + "\n"))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        if self._writing:
            await asyncio.wait(self._writing)

    def _append(self, line: str) -> None:
        with contextlib.suppress(OSError):  # a full disk stops no request
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{time.strftime('%Y-%m-%d')}.jsonl"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
