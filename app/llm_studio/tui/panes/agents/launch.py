"""Launches an agent out of the UI: the UI steps aside, or tmux opens a window."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from llm_studio.errors import NotReady, StudioError

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

_PASSED = ("PATH", "HOME", "LANG", "COLORTERM", "PYTHONPATH", "EDITOR", "XDG_STATE_HOME",
           "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST",
           "DOCKER_CONTEXT")  # fmt: skip
"""What the window needs of ours: the server of tmux has an environment of its own."""


def command_for(agent: str, *words: str) -> list[str]:
    action = words or ("run",)
    return [sys.executable, "-m", "llm_studio", "agent", *action, agent]


def folder_of(told: str) -> Path:
    """The folder that somebody typed."""
    folder = Path(os.path.expanduser(told))
    if not folder.is_dir():
        raise NotReady(f"{told} is no folder", hint="Name the project's folder.")
    return folder


async def launch(studio: StudioApp, agent: str, directory: Path) -> None:
    if os.environ.get("TMUX"):
        await _window(agent, directory)
        studio.tell(f"{agent} is in a tmux window of its own")
        return
    try:
        with studio.suspend():
            await _here(agent, directory)
    except SuspendNotSupported as error:
        raise NotReady("This terminal cannot be lent to an agent") from error


async def _here(agent: str, directory: Path) -> None:
    # Ctrl-C is for the agent: nothing of ours may hear it meanwhile.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = await asyncio.create_subprocess_exec(
            *command_for(agent),
            cwd=directory,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        if await process.wait():
            print("Enter returns to llm-studio. ", end="", flush=True)
            await _enter_or_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


async def _enter_or_ctrl_c() -> None:
    loop, pressed = asyncio.get_running_loop(), asyncio.Event()
    terminal = sys.__stdin__.fileno() if sys.__stdin__ else 0

    def entered() -> None:
        os.read(terminal, 4096)  # or the UI would take it for a key of its own
        pressed.set()

    loop.add_reader(terminal, entered)
    loop.add_signal_handler(signal.SIGINT, pressed.set)
    try:
        await pressed.wait()
    finally:
        loop.remove_reader(terminal)
        loop.remove_signal_handler(signal.SIGINT)


def window_command(agent: str, directory: Path) -> list[str]:
    """A window that stays open where the launch failed, so that one can read why."""
    names = [name for name in os.environ if name in _PASSED or name.startswith("LLM_STUDIO_")]
    passed = [word for name in names for word in ("-e", f"{name}={os.environ[name]}")]
    script = f"{shlex.join(command_for(agent))} || {{ printf 'Enter closes this. '; read _; }}"
    return ["tmux", "new-window", "-n", agent, "-c", str(directory), *passed, script]


async def _window(agent: str, directory: Path) -> None:
    command = window_command(agent, directory)
    code, told = await _said(*command, complaints=asyncio.subprocess.STDOUT)
    if code:
        raise StudioError(
            "tmux opened no window", why=told.decode("utf-8", "replace").strip(),
            hint="It must be 3.2 or newer.",
        )  # fmt: skip


async def agents_here() -> list[dict[str, Any]]:
    """The agents as this terminal finds them: the studio may have had another PATH."""
    command = (sys.executable, "-m", "llm_studio", "agent", "list", "--json")
    code, told = await _said(*command, complaints=asyncio.subprocess.DEVNULL)
    return list(json.loads(told)) if code == 0 else []


async def told_by(agent: str, action: str) -> str:
    """What `llm-studio agent ACTION` says of it, its complaints too."""
    _, told = await _said(*command_for(agent, action), complaints=asyncio.subprocess.STDOUT)
    return told.decode("utf-8", "replace").rstrip()


async def _said(*command: str, complaints: int) -> tuple[int | None, bytes]:
    """How a command ended, and its words; where nobody waits for it any more, it ends too."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=complaints,
    )
    try:
        told, _ = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode, told
