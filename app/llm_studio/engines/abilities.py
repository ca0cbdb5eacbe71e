"""What a llama-server says of itself: its version, and the flags that it knows."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Sequence

from llm_studio.engines.base import Abilities, EngineError
from llm_studio.engines.ending import end_all

ASKED, PRINTED = 30.0, 1 << 20
"""Seconds that a llama-server may take to say what it is, and bytes."""


async def ask(command: Sequence[str]) -> Abilities:
    """Asks the program itself, which costs two starts of it."""
    version, help_text = await asyncio.gather(
        _output(*command, "--version"), _output(*command, "--help"), return_exceptions=True
    )
    if isinstance(version, BaseException):
        raise version
    if isinstance(help_text, BaseException):
        raise help_text
    return Abilities(version_in(version), flags_in(help_text), log_level_in(help_text))


def build_of(command: Sequence[str]) -> object:
    """What is another one when llama-server is replaced."""
    path = command[0]
    if len(command) > 1:
        from importlib.util import find_spec

        spec = find_spec("xllamacpp")
        path = spec.origin or "" if spec else ""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (path, found.st_ino, found.st_size, found.st_mtime_ns)


async def _output(*command: str) -> str:
    """What a short command prints, wherever it prints it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{command[0]} does not start", why=str(error)) from error
    printed = bytearray()
    try:
        assert process.stdout is not None
        async with asyncio.timeout(ASKED):
            while len(printed) < PRINTED and (data := await process.stdout.read(PRINTED)):
                printed += data
    except TimeoutError as error:
        told = f"It took over {ASKED:.0f} s."
        raise EngineError(f"{command[0]} does not answer", why=told) from error
    finally:
        await end_all(process)
    return printed.decode("utf-8", "replace")


_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


def flags_in(help_text: str) -> frozenset[str]:
    """The flags that a llama-server's help lists."""
    found: set[str] = set()
    for line in help_text.splitlines():
        if line.startswith("-"):
            found.update(_FLAG.findall(re.split(r"\s{2,}(?![-\s])", line, maxsplit=1)[0]))
    return frozenset(found)


def log_level_in(help_text: str) -> int | None:
    """The level between information and debugging, which builds before May 2026 do not have:
    at theirs of that number they log every token."""
    match = re.search(r"(\d): trace\b", help_text)
    return int(match[1]) if match else None


def version_in(text: str) -> str:
    """`version: 0.7.0 (11669)` as `0.7.0 (11669)`."""
    match = re.search(r"version:\s*(.+)", text)
    return match[1].strip()[:80] if match else "unknown"
