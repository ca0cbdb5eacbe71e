"""A fence around an agent where there is no bubblewrap: a container that has the project, the
agent's own folder and its program, types into a terminal of its own, and reaches the gateway alone.

Docker's own command line runs it, as it would for somebody at a shell: it knows how a terminal is
lent, signals are handed on and an exit code comes back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.agents import bridge
from llm_studio.agents.ground import covered, git_parts
from llm_studio.errors import StudioError
from llm_studio.settings import home_folder
from llm_studio.text import untrusted_line

LABEL = "llm-studio.agent"
SECONDS = 30
"""For the first look at whether a program runs in the image."""
_BRIDGE = "/run/llm-studio-bridge.py"
_GATEWAY = "/run/llm-studio-gateway.sock"
_LIFELINE = "/run/llm-studio-lifeline.sock"
_OF_THE_TERMINAL = frozenset(
    "TERM COLORTERM COLORFGBG TERM_PROGRAM TERM_PROGRAM_VERSION NO_COLOR TZ".split()
)
"""What a program in another system's files still has use for."""


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker that can hold an agent."""

    program: str
    address: str
    image: str
    """Its id: what was looked at is what runs."""
    name: str
    options: tuple[str, ...] = ()
    """What this daemon needs beside what all do."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A program as it runs in there, and what has to be mounted for that."""

    command: tuple[str, ...]
    files: tuple[Path, ...]


def docker_here(image: str) -> Docker | str:
    """The Docker of this machine with that image; a sentence where there is none."""
    if sys.platform != "linux":
        return "A container on this system cannot be given the way to the gateway."
    program = shutil.which("docker")
    if program is None:
        return "Docker's command line is not installed."
    from llm_studio.engines.docker.connection import Connection

    connection = Connection(os.environ)
    try:
        endpoint = connection.endpoint
        if endpoint.scheme != "unix":
            return f"The Docker at {endpoint} may be another machine's."
        daemon = connection.daemon()
        if daemon.apart and not daemon.rootless:
            return f"{daemon.name} runs in a virtual machine, where the gateway cannot be reached."
        found = connection.do(lambda client: client.images(image))
    except StudioError as error:
        return error.sentence
    finally:
        connection.close()
    if not found:
        own = image.startswith("llm-studio/sandbox")
        how = " (llm-studio image build sandbox)" if own else ""
        return f"There is no image {untrusted_line(image)}{how}."
    # In a rootless one, root is this user.
    user = "0:0" if daemon.rootless else f"{os.geteuid()}:{os.getegid()}"
    options = ["--user", user]
    if daemon.remapped:
        options += ["--userns", "host"]
    if daemon.selinux:
        # Else SELinux hides the project; the alternative writes labels onto it.
        options += ["--security-opt", "label=disable"]
    return Docker(program, endpoint.url, str(found[0]["Id"]), image, tuple(options))


def carried(program: Path) -> Carried | str:
    """How a program gets into the container; a sentence where it cannot."""
    real = program.resolve()
    try:
        with open(real, "rb") as file:
            head = file.read(256)
    except OSError as error:
        return f"{program} cannot be read: {error.strerror}."
    if head.startswith(b"\x7fELF"):
        return Carried((str(real),), (real,))
    words = head.partition(b"\n")[0].removeprefix(b"#!").split() if head[:2] == b"#!" else []
    interpreter = os.path.basename(os.fsdecode(words[-1])) if words else ""
    if interpreter != "node":
        told = f"a script for {interpreter}" if interpreter else "no program that is known"
        return f"{program} is {untrusted_line(told)}: its other files are not in an image."
    node = shutil.which("node")
    if node is None:
        return f"{program} needs Node.js, which is not installed."
    # The outermost of these holds all that it is made of; a folder of another kind may hold keys.
    within = [each for each in real.parents if each.name == "node_modules"]
    runs = Path(node).resolve()
    return Carried((str(runs), str(real)), (runs, within[-1] if within else real))


def fails_in(docker: Docker, what: Carried) -> str:
    """Why the program does not run in the image; empty where it does. This tries."""
    words = [*_run(docker), "--init", "--env", "HOME=/tmp"]
    for path in what.files:
        words += _mount(path, writable=False)
    # The alarm outlives the exec: what hangs is ended in there, where Docker would let it be.
    code = f"import os, signal, sys; signal.alarm({SECONDS}); os.execv(sys.argv[1], sys.argv[1:])"
    words += [docker.image, "-I", "-S", "-c", code, *what.command, "--version"]
    try:
        tried = subprocess.run(
            words, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            timeout=2 * SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Docker does not run it: {untrusted_line(str(error))}"
    if tried.returncode == 0:
        return ""
    told = (tried.stderr or tried.stdout).strip().splitlines()
    last = untrusted_line(told[-1], limit=200) if told else f"exit code {tried.returncode}"
    return f"It does not run in the image {docker.name}: {last}"


def contained(
    docker: Docker,
    command: Sequence[str],
    *,
    session: str,
    project: Path,
    files: Iterable[Path],
    writable: Iterable[Path],
    hidden: Iterable[Path],
    environment: Iterable[str],
    way: str,
    port: int,
    terminal: tuple[bool, bool],
) -> list[str]:
    """The command line that runs `command` in there. `environment` names what Docker hands on of
    its own; `way` is the folder of the sockets; `terminal` says of stdin and stdout whether they
    are one."""
    words = [*_run(docker, f"{way}/docker"), "--label", f"{LABEL}={session}"]
    if all(terminal):
        # Nobody types these keys by chance; what was left in there would run on unseen.
        words += ["--tty", "--interactive", "--detach-keys", "ctrl-^,ctrl-\\,ctrl-^,ctrl-\\"]
    elif not terminal[0]:
        words += ["--interactive"]
    words += _mount(project, writable=True)
    for path, may in git_parts(project / ".git"):
        words += _mount(path, writable=may)
    for path in covered(hidden, project):
        if project in path.parents:
            words += _emptied(path)
    for path in files:
        if project not in path.parents:
            words += _mount(path, writable=False)
    for path in writable:
        words += _mount(path, writable=True)
    for source, target in (
        (bridge.__file__, _BRIDGE),
        (f"{way}/gateway.sock", _GATEWAY),
        (f"{way}/lifeline.sock", _LIFELINE),
        (f"{way}/passwd", "/etc/passwd"),
    ):
        words += _mount(source, writable=False, target=target)
    for name in environment:
        words += ["--env", name]
    words += ["--workdir", str(project), docker.image]
    return [*words, "-I", "-S", _BRIDGE, str(port), _GATEWAY, _LIFELINE, *command]


def furnish(way: str) -> None:
    """What `contained` expects beside the sockets."""
    os.mkdir(f"{way}/docker")  # its command line finds no settings there
    # Programs ask who runs them, and Node.js breaks where nobody has that number.
    users = dict.fromkeys([(0, 0), (os.geteuid(), os.getegid())])
    lines = (
        f"{'user' if uid else 'root'}:x:{uid}:{gid}::{home_folder()}:/bin/sh\n"
        for uid, gid in users
    )
    Path(way, "passwd").write_text("".join(lines), encoding="utf-8")


def environment_in(caller: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """What an agent is told in there: the folders that the caller's tell of are not."""
    kept = {name: value for name, value in caller.items() if name in _OF_THE_TERMINAL}
    return {**kept, "HOME": str(home_folder()), "LANG": "C.UTF-8", **added}


def _run(docker: Docker, configuration: str = "/nonexistent") -> Iterator[str]:
    """Docker's command line up to what a container of its own needs. A configuration that others
    can write would name programs for it to start."""
    yield from (docker.program, "--config", configuration, "--host", docker.address)
    yield from ("run", "--rm", "--pull", "never", "--log-driver", "none")
    yield from ("--network", "none", "--read-only", "--pids-limit", "4096")
    yield from ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    yield from docker.options
    for place in ("/tmp", "/var/tmp"):
        yield from ("--tmpfs", f"{place}:rw,exec,nosuid,nodev,mode=1777")
    if (home := home_folder()) != Path("/"):  # what is written there would be lost unnoticed
        yield from ("--tmpfs", f"{home}:ro,nosuid,nodev,mode=755")
    yield from ("--entrypoint", "python3")


def _mount(source: str | Path, *, writable: bool, target: str = "") -> Sequence[str]:
    fields = ["type=bind", f"source={source}", f"target={target or source}"]
    return ("--mount", _fields(*fields, *(() if writable else ("readonly",))))


def _emptied(path: Path) -> Sequence[str]:
    if path.is_dir():
        return ("--mount", _fields("type=tmpfs", f"target={path}", "readonly"))
    return _mount("/dev/null", writable=False, target=str(path))


def _fields(*fields: Any) -> str:
    """As Docker reads them: a line of CSV."""
    return ",".join(
        '"' + each.replace('"', '""') + '"' if any(mark in each for mark in ',"\n') else each
        for each in fields
    )
