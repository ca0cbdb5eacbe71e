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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from llm_studio.agents import container, jail
from llm_studio.agents.agent import Agent, Place, Seat, Setup
from llm_studio.agents.bridge import Bridge, Lifeline
from llm_studio.agents.environment import environment_for
from llm_studio.agents.fence import Fence
from llm_studio.agents.jail import Handed
from llm_studio.errors import NotReady, StudioError, UsageError
from llm_studio.storage import write_atomically

JAILED = (
    "bubblewrap: it can write to the project alone, sees nothing where keys and logins "
    "usually lie, and reaches nothing but the gateway"
)
CONTAINED = (
    "container: it sees the project alone, has the programs of the image {image}, and reaches "
    "nothing but the gateway"
)
OWN = "its own sandbox, for the commands that it runs; its other tools ask you first"
NONE = "none: it can do whatever you can"
TRIES = 3
"""Of a fence that fell down while it was put up."""


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
    fence: Fence
    session: str

    @property
    def protection(self) -> str:
        if self.fence.docker is not None:
            return CONTAINED.format(image=self.fence.docker.name)
        if self.fence:
            return JAILED
        return OWN if self.setup.own_sandbox else NONE

    @property
    def unprotected(self) -> bool:
        return not self.fence and not self.setup.own_sandbox

    @property
    def words(self) -> list[str]:
        """The agent's own command line."""
        start = self.fence.carried.command if self.fence.carried else (str(self.program),)
        return [*start, *self.setup.arguments, *self.arguments]

    def command(self, way: str, files: Sequence[str]) -> list[str]:
        """The same within its fence; `way` is the folder of what leads out of it, and `files` are
        the numbers of those that bubblewrap is handed."""
        if not self.fence:
            return self.words
        port = urlsplit(self.seat.gateway).port or 80
        if self.fence.docker is not None and self.fence.carried is not None:
            return container.contained(
                self.fence.docker,
                self.words,
                session=self.session,
                project=self.place.project,
                files=self.fence.carried.files,
                writable=[self.place.folder],
                hidden=self.hidden,
                environment=sorted(self.environment(os.environ)),
                way=way,
                port=port,
                terminal=(os.isatty(0), os.isatty(1)),
            )
        return jail.jailed(
            self.words,
            project=self.place.project,
            writable=[self.place.folder, self.place.session],
            hidden=self.hidden,
            readable=self.fence.carried.files if self.fence.carried else [self.program.resolve()],
            socket=f"{way}/gateway.sock",
            port=port,
            files=files,
        )

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        if self.fence.docker is not None:
            return container.environment_in(caller, self.setup.environment)
        return environment_for(caller, self.setup.environment, jailed=bool(self.fence))


def prepare(
    agent: Agent,
    program: Path,
    seat: Seat,
    *,
    state: Path,
    session: str,
    project: Path,
    arguments: tuple[str, ...],
    fence: Fence,
    hidden: tuple[Path, ...],
) -> Launch:
    """Everything but the start; nothing is written."""
    if agent.configure is None:
        raise NotReady(f"{agent.title} cannot use a local model", why=agent.note)
    # What an agent leaves in its folder (hooks, servers to start) must not run unfenced later.
    folder = state / "agents" / (agent.id if fence else f"{agent.id}-unfenced")
    for word in arguments:
        if word.partition("=")[0] in agent.refused:
            raise UsageError(
                f"{word.partition('=')[0]} is set by llm-studio",
                why="It holds what keeps the agent local and fenced in.",
                hint=f"What {agent.title} keeps of your own settings is in {folder}",
            )
    if fence:  # there is another loopback in there, which has the gateway alone
        port = urlsplit(seat.gateway).port
        seat = replace(seat, gateway=f"http://127.0.0.1:{port}")
    place = Place(folder, folder / f"session-{session}", project, bool(fence))
    setup = agent.configure(seat, place)
    return Launch(agent, program, seat, place, setup, arguments, hidden, fence, session)


def write_files(setup: Setup, *, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (*setup.once, *setup.files):
        # The folder is the agent's to write: a link that it left there would lead us out.
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            raise NotReady(
                f"{path.parent} leads out of the agent's own folder",
                why="An agent put a link there.",
                hint=f"Look at it, and remove it:  rm {path.parent}",
            )
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
        with _way_out(gateway if launch.fence else "") as way:
            return _handed_over(launch, way)
    finally:
        shutil.rmtree(launch.place.session, ignore_errors=True)


def clear(state: Path, sessions: Sequence[str]) -> None:
    """What those left whose launcher was killed: the gateway's key is in it."""
    for id_ in sessions:
        for folder in (state / "agents").glob(f"*/session-{id_}"):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _way_out(gateway: str) -> Iterator[str]:
    if not gateway:
        yield ""
        return
    address = urlsplit(gateway)
    with tempfile.TemporaryDirectory(prefix="llm-studio-agent-") as folder:
        container.furnish(folder)
        lifeline = Lifeline(os.path.join(folder, "lifeline.sock"))
        path = os.path.join(folder, "gateway.sock")
        bridge = Bridge(path, address.hostname or "127.0.0.1", address.port or 80)
        try:
            yield folder
        finally:
            lifeline.close()
            bridge.close()


def _handed_over(launch: Launch, way: str) -> int:
    """What would end us ends the agent first."""
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: object) -> None:
        if process is not None:
            process.send_signal(number)

    kept = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with _terminal_restored():
            for tries_left in reversed(range(TRIES)):
                handed = Handed() if launch.fence.kind == "bubblewrap" else None
                files = handed.files if handed else ()
                process = subprocess.Popen(
                    launch.command(way, [str(each) for each in files]),
                    env=launch.environment(os.environ),
                    cwd=launch.place.project,
                    pass_fds=files,
                )
                code = process.wait()
                if not (handed and handed.fell_down() and code == 1 and tries_left):
                    break
    except OSError as error:
        raise StudioError(
            f"{launch.agent.title} does not start", why=error.strerror or str(error)
        ) from error
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


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
