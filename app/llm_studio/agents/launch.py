"""Launches an agent in this terminal: its files, its fence, its session, and what is left: nothing
but what it came to."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from llm_studio.agents import jail, no_typing
from llm_studio.agents.agent import Agent, Place, Seat, Setup
from llm_studio.agents.bridge import Bridge
from llm_studio.agents.environment import environment_for
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.settings import home_folder
from llm_studio.storage import write_atomically

JAILED = (
    "bubblewrap: it can write to the project alone, sees none of your keys and logins, and "
    "reaches nothing but the gateway"
)
OWN = "its own sandbox, for the commands that it runs; its other tools ask you first"
NONE = "none: it can do whatever you can"


@dataclass(frozen=True, slots=True)
class Launch:
    """An agent, ready to be started."""

    agent: Agent
    program: Path
    seat: Seat
    place: Place
    setup: Setup
    arguments: tuple[str, ...]
    hidden: tuple[Path, ...]
    """What of llm-studio itself it has no business with."""

    @property
    def protection(self) -> str:
        if self.place.jailed:
            return JAILED
        return OWN if self.setup.own_sandbox else NONE

    def command(self, socket: str, no_typing: str) -> list[str]:
        words = [str(self.program), *self.setup.arguments, *self.arguments]
        if not self.place.jailed:
            return words
        return jail.jailed(
            words,
            project=self.place.project,
            writable=[self.place.folder, self.place.session],
            hidden=self.hidden,
            readable=[self.program.resolve()],
            socket=socket,
            port=urlsplit(self.seat.gateway).port or 80,
            no_typing=no_typing,
        )

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        return environment_for(caller, self.setup.environment, jailed=self.place.jailed)


def prepare(
    agent: Agent,
    program: Path,
    seat: Seat,
    *,
    state: Path,
    session: str,
    project: Path,
    arguments: tuple[str, ...],
    jailed: bool,
    hidden: tuple[Path, ...],
) -> Launch:
    """Everything but the start; nothing is written."""
    if agent.configure is None:
        raise NotReady(f"{agent.title} cannot use a local model", why=agent.note)
    # What an agent leaves in its folder (hooks, servers to start) must not run unfenced later.
    folder = state / "agents" / (agent.id if jailed else f"{agent.id}-unfenced")
    for word in arguments:
        if word.partition("=")[0] in agent.refused:
            raise UsageError(
                f"{word.partition('=')[0]} is set by llm-studio",
                why="It holds what keeps the agent local and fenced in.",
                hint=f"What {agent.title} keeps of your own settings is in {folder}",
            )
    if jailed:  # there is another loopback in there, which has the gateway alone
        port = urlsplit(seat.gateway).port
        seat = replace(seat, gateway=f"http://127.0.0.1:{port}")
    place = Place(folder, folder / f"session-{session}", project, jailed)
    return Launch(agent, program, seat, place, agent.configure(seat, place), arguments, hidden)


def can_jail(project: Path) -> str:
    """Why the project cannot be fenced in; empty where it can."""
    home = home_folder().resolve()
    if project == home or project in home.parents:
        return f"{project} is no project's folder: all that is yours lies in it."
    return jail.missing()


def write_files(setup: Setup, *, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, text in setup.once.items():
        if not path.exists():
            write_atomically(path, text, mode=0o600)
    for path, text in setup.files.items():
        write_atomically(path, text, mode=0o600)


def run(launch: Launch, gateway: str) -> int:
    """Start it, hand the terminal over, and wait; its exit code. `gateway` is the real one."""
    write_files(launch.setup, folder=launch.place.folder)
    launch.place.session.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _way_out(gateway if launch.place.jailed else "") as socket:
            return _handed_over(launch, socket)
    finally:
        shutil.rmtree(launch.place.session, ignore_errors=True)


@contextlib.contextmanager
def _way_out(gateway: str) -> Iterator[str]:
    if not gateway:
        yield ""
        return
    address = urlsplit(gateway)
    with tempfile.TemporaryDirectory(prefix="llm-studio-agent-") as folder:
        path = os.path.join(folder, "gateway.sock")
        bridge = Bridge(path, address.hostname or "127.0.0.1", address.port or 80)
        try:
            yield path
        finally:
            bridge.close()


def _handed_over(launch: Launch, socket: str) -> int:
    """What would end us ends the agent first."""
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: object) -> None:
        if process is not None:
            process.send_signal(number)

    kept = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with _terminal_restored(), _filter(launch.place.jailed) as files:
            process = subprocess.Popen(
                launch.command(socket, "".join(map(str, files))),
                env=launch.environment(os.environ),
                cwd=launch.place.project,
                pass_fds=files,
            )
            code = process.wait()
    except OSError as error:
        raise StudioError(
            f"{launch.agent.title} does not start", why=error.strerror or str(error)
        ) from error
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _filter(jailed: bool) -> Iterator[tuple[int, ...]]:
    files = (no_typing.opened(),) if jailed else ()
    try:
        yield files
    finally:
        for file in files:
            os.close(file)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and its like are the agent's, and one too many must not cost the end of a session."""
    # Handlers of ours, not SIG_IGN: that the agent would inherit.
    kept = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _terminal_restored() -> Iterator[None]:
    """An agent that dies leaves the terminal as it had made it for itself."""
    if not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
