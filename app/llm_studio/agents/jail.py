"""A fence around any agent, made with bubblewrap: it may write to the project and to its own
folder, sees no secrets of the user, types nothing into the user's shell, and reaches the gateway
alone."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from llm_studio.agents import bridge, no_typing
from llm_studio.agents.ground import EMPTIED, covered, git_parts

SOCKET = "/run/llm-studio-gateway.sock"
_BRIDGE = "/run/llm-studio-bridge.py"


def missing() -> str:
    """Why there can be no jail on this machine; empty where there can. This tries one."""
    if sys.platform != "linux":
        return "bubblewrap needs Linux."
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian, Ubuntu: sudo apt install bubblewrap)."
    if not no_typing.known():
        return f"A fence is known for other machines than {platform.machine()} alone."
    words = [program, *_NAMESPACES, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    file = no_typing.opened()
    try:
        tried = subprocess.run(
            [*words, "--seccomp", str(file), "true"],
            capture_output=True, text=True, timeout=10, check=False, pass_fds=[file],
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
    finally:
        os.close(file)
    if tried.returncode:
        told = tried.stderr.strip().partition("\n")[0]
        return f"bubblewrap may not make a sandbox here: {told or tried.returncode}"
    return ""


_NAMESPACES = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
    "--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL",
)  # fmt: skip


def jailed(
    command: Sequence[str],
    *,
    project: Path,
    writable: Iterable[Path],
    hidden: Iterable[Path],
    readable: Iterable[Path],
    socket: str,
    port: int,
    files: Sequence[str],
) -> list[str]:
    """The command line that runs `command` in there. `hidden` comes on top of the user's secrets;
    what is `writable`, or has to stay `readable`, shines through all that. `files` are
    the numbers of those that `Handed` holds."""
    words = ["bwrap", *_NAMESPACES, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--seccomp", files[0], "--json-status-fd", files[1]]
    for place in EMPTIED:
        if os.path.isdir(place) and not os.path.islink(place):
            words += ["--tmpfs", place]
    words += ["--bind", str(project), str(project)]
    for path, may in git_parts(project / ".git"):
        words += ["--bind" if may else "--ro-bind", str(path), str(path)]
    unseen = covered(hidden, project)
    for path in unseen:
        words += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
    for path in readable:
        words += ["--ro-bind", str(path), str(path)]
    for path in writable:
        words += ["--bind", str(path), str(path)]
    for path in filter(Path.is_dir, unseen):  # what is written there would be lost unnoticed
        words += ["--remount-ro", str(path)]
    words += ["--ro-bind", bridge.__file__, _BRIDGE, "--ro-bind", socket, SOCKET]
    python = os.path.realpath(sys.executable)  # not the one of an environment that may be hidden
    words += ["--chdir", str(project), "--", python, "-I", "-S", _BRIDGE, str(port), SOCKET, ""]
    return [*words, *command]


class Handed:
    """Open files for bubblewrap: the filter that it loads, and where it tells how far it came."""

    def __init__(self) -> None:
        self._told, told = os.pipe()
        self.files = (no_typing.opened(), told)

    def fell_down(self) -> bool:
        """Whether it ended before the command began: something that was to be covered, such as a
        service's socket, had gone meanwhile. To be asked once it has ended, which ends this too."""
        for file in self.files:
            os.close(file)
        with os.fdopen(self._told, "rb") as told:
            return b'"exit-code"' not in told.read()
