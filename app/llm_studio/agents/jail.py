"""A fence around any agent, made with bubblewrap: it may write to the project and to its own
folder, sees no secrets of the user, types nothing into the user's shell, and reaches the gateway
alone."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from llm_studio.agents import bridge, no_typing
from llm_studio.settings import home_folder

SOCKET = "/run/llm-studio-gateway.sock"
_BRIDGE = "/run/llm-studio-bridge.py"
SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".npmrc",
    ".pypirc", ".password-store", ".pgpass", ".vault-token", ".terraform.d", ".config/gcloud",
    ".config/gh", ".config/git/credentials", ".config/op", ".config/google-chrome",
    ".config/chromium", ".config/BraveSoftware", ".mozilla", ".thunderbird",
    ".local/share/keyrings", ".local/share/password-store", ".cache/huggingface/token",
    ".huggingface/token", ".claude/.credentials.json", ".claude/projects", ".claude/history.jsonl",
    ".claude.json", ".codex", ".gemini", ".qwen", ".aider.conf.yml", ".config/opencode",
    ".local/share/opencode", ".config/goose", ".bash_history", ".zsh_history", ".python_history",
    ".local/share/fish",
)  # fmt: skip
"""Below the user's home: keys, logins, histories, and what other agents keep."""
_HIDDEN_WHOLE = ("/tmp", "/var/tmp", "/run", "/dev/shm")
"""Empty in there: sockets and files of others."""


@cache
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
    no_typing: str,
) -> list[str]:
    """The command line that runs `command` in there. `hidden` comes on top of the user's secrets;
    what is `writable`, or has to stay `readable`, shines through all that. `no_typing` is the
    number of an open file with that filter."""
    words = ["bwrap", *_NAMESPACES, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--seccomp", no_typing]
    for place in _HIDDEN_WHOLE:
        if os.path.isdir(place) and not os.path.islink(place):
            words += ["--tmpfs", place]
    words += ["--bind", str(project), str(project)]
    words += _git(project / ".git")
    covered = _covered((*(home_folder() / each for each in SECRETS), *hidden, *_sockets()), project)
    for path in covered:
        words += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
    for path in readable:
        words += ["--ro-bind", str(path), str(path)]
    for path in writable:
        words += ["--bind", str(path), str(path)]
    for path in filter(Path.is_dir, covered):  # what is written there would be lost unnoticed
        words += ["--remount-ro", str(path)]
    words += ["--ro-bind", bridge.__file__, _BRIDGE, "--ro-bind", socket, SOCKET]
    python = os.path.realpath(sys.executable)  # not the one of an environment that may be hidden
    words += ["--chdir", str(project), "--", python, "-I", "-S", _BRIDGE, str(port), SOCKET]
    return [*words, *command]


def _git(folder: Path) -> Iterator[str]:
    """What git would run later, out of the jail, is not to be written, nor its folder exchanged."""
    if folder.is_file():  # a worktree's: it names where all that is
        yield from ("--ro-bind", str(folder), str(folder))
    elif folder.is_dir() and not folder.is_symlink():
        yield from ("--bind", str(folder), str(folder))
        (folder / "hooks").mkdir(exist_ok=True)
        for path in (folder / "hooks", folder / "config", folder / "config.worktree"):
            if path.exists():
                yield from ("--ro-bind", str(path), str(path))


def _sockets() -> Iterator[Path]:
    """Where services of this machine listen, of those that could be seen in there: a read-only
    file system does not keep anybody from talking to them (Docker, LXD, databases, agents of keys).
    """
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            names = [line.split(maxsplit=7)[7:] for line in file]
    except OSError:
        return
    for name in {each[0].rstrip("\n") for each in names if each}:
        if name.startswith("/") and not name.startswith(tuple(f"{e}/" for e in _HIDDEN_WHOLE)):
            yield Path(name)


def _covered(paths: Iterable[Path], project: Path) -> list[Path]:
    """What is there of these, each whole; a folder that the project is in is no secret."""
    found = set()
    for path in paths:
        try:
            real = path.resolve(strict=True)
        except OSError:
            continue
        seen = project in real.parents or not _emptied(real)
        if seen and real != project and real not in project.parents:
            found.add(real)
    return sorted(each for each in found if not found.intersection(each.parents))


def _emptied(path: Path) -> bool:
    return any(Path(each) in path.parents for each in _HIDDEN_WHOLE)
