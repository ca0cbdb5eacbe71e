"""Follows a job that goes on whether somebody watches or not: one line that is rewritten on a
terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any

from llm_studio.cli.output import narrate, styled
from llm_studio.client import Client
from llm_studio.text import untrusted_line

SELDOM = 10.0
"""Seconds between two lines where nothing can be rewritten."""
CLEAR = "\r\x1b[K"


def watch(client: Client, job_id: str) -> dict[str, Any]:
    """The job once it is over; Ctrl-C stops watching, and says how to end the job itself."""
    line = _Line()
    try:
        job: dict[str, Any] = client.ask("GET", f"/jobs/{job_id}")
        for name, data in client.events() if job["state"] == "running" else ():
            if name == "status":
                job = client.ask("GET", f"/jobs/{job_id}")
            elif name == "job" and data["id"] == job_id:
                job = data
            else:
                continue
            if job["state"] != "running":
                break
            line.show(job)
    except KeyboardInterrupt:
        line.end()
        narrate(
            f"It goes on in the studio. `llm-studio jobs {job_id}` shows it, "
            f"`llm-studio jobs cancel {job_id}` ends it."
        )
        raise
    finally:
        line.end()
    return job


class _Line:
    def __init__(self) -> None:
        self._rewrites = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = ""
        self._last = 0.0

    def show(self, job: dict[str, Any]) -> None:
        part = job["fraction"]
        text = untrusted_line(job["message"]) + ("" if part is None else f"  {part:.0%}")
        if not text or text == self._shown:
            return
        if self._rewrites:
            room = shutil.get_terminal_size().columns - 1
            cut = text if len(text) <= room else f"{text[: room - 1]}…"
            sys.stderr.write(CLEAR + styled(cut, "dim", sys.stderr))
            sys.stderr.flush()
        elif time.monotonic() - self._last >= SELDOM:
            self._last = time.monotonic()
            narrate(text)
        else:
            return
        self._shown = text

    def end(self) -> None:
        if self._rewrites and self._shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
        self._shown = ""
