"""A fence around any agent, made with bubblewrap: it may write to the project and to its own
folder, sees no secrets of the user, and reaches the gateway and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from llm_studio.agents import bridge

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
PROTECTED = (".git/hooks", ".git/config")
"""In the project, yet not to be written: what git would run later, out of the jail."""


@cache
def missing() -> str:
    """Why there can be no jail on this machine; empty where there can. This tries one."""
    if sys.platform != "linux":
        return "bubblewrap needs Linux."
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (Debian, Ubuntu: sudo apt install bubblewrap)."
    words = [program, *_NAMESPACES, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    try:
        tried = subprocess.run(
            [*words, "true"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
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
) -> list[str]:
    """The command line that runs `command` in there. `hidden` comes on top of the user's secrets;
    what is `writable`, or has to stay `readable`, shines through all that."""
    words = ["bwrap", *_NAMESPACES, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for place in ("/tmp", "/var/tmp", "/run", "/dev/shm"):
        if os.path.isdir(place) and not os.path.islink(place):
            words += ["--tmpfs", place]
    words += ["--bind", str(project), str(project)]
    for name in PROTECTED:
        if (project / name).exists():
            words += ["--ro-bind", str(project / name), str(project / name)]
    covered = _covered((*(Path.home() / each for each in SECRETS), *hidden), project)
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


def _covered(paths: Iterable[Path], project: Path) -> list[Path]:
    """What is there of these, each whole; a folder that the project is in is no secret."""
    found = set()
    for path in paths:
        try:
            real = path.resolve(strict=True)
        except OSError:
            continue
        if real != project and real not in project.parents:
            found.add(real)
    return sorted(each for each in found if not found.intersection(each.parents))
