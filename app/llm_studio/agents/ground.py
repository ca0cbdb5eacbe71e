"""What is an agent's in a project, and what is not, whichever fence is put around it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from llm_studio.settings import home_folder

SECRETS = (
    ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".npmrc",
    ".pypirc", ".password-store", ".pgpass", ".vault-token", ".terraform.d", ".config/gcloud",
    ".config/gh", ".config/git/credentials", ".config/op", ".config/google-chrome",
    ".config/chromium", ".config/BraveSoftware", ".mozilla", ".thunderbird",
    ".local/share/keyrings", ".local/share/password-store", ".cache/huggingface/token",
    ".huggingface/token", ".claude/.credentials.json", ".claude/projects", ".claude/history.jsonl",
    ".claude.json", ".codex", ".gemini", ".qwen", ".aider.conf.yml", ".config/opencode",
    ".local/share/opencode", ".config/goose", ".bash_history", ".zsh_history", ".python_history",
    ".local/share/fish", ".psql_history", ".mysql_history", ".node_repl_history", ".my.cnf",
    ".mylogin.cnf", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    ".m2/settings.xml", ".gradle/gradle.properties", ".config/hub", ".config/glab-cli",
    ".config/containers/auth.json", ".config/rclone", ".config/sops", ".config/age",
    ".config/doctl", ".config/hcloud", ".oci", ".s3cfg", ".boto", ".pki",
    ".cache/huggingface/stored_tokens", ".config/Code", ".config/microsoft-edge", ".config/vivaldi",
    ".config/Signal", ".config/Slack", ".config/discord", ".var/app", "snap/firefox",
    "snap/chromium",
)  # fmt: skip
"""Below the user's home, where they usually are: keys, logins, histories, and what other agents
keep."""
EMPTIED = ("/tmp", "/var/tmp", "/run", "/dev/shm")
"""Empty in there: sockets and files of others."""


_RUN_BY_GIT = ("hooks", "config", "config.worktree", "commondir")
"""In each of its repositories: what it runs or what names that; the last leads to another one."""


def no_project(folder: Path) -> str:
    """Why no fence around a folder would help; empty where one does."""
    home = home_folder().resolve()
    if folder == home or folder in home.parents:
        return f"{folder} is no project's folder: all that is yours lies in it."
    git = folder / ".git"
    if git.is_symlink():
        return (
            f"{git} is a link, for which an agent could put another repository; a file with "
            "`gitdir: PATH` in its place would hold."
        )
    if os.path.lexists(git / "commondir"):
        return (
            f"{git}/commondir makes git take hooks and settings from elsewhere, which a program "
            "that you may not trust has written: look at it, and remove it."
        )
    return ""


def git_parts(folder: Path) -> Iterator[tuple[Path, bool]]:
    """What is bound by itself, and whether it may be written: what git would run later, out of the
    fence, is not, nor is a folder that it lies in to be exchanged."""
    if folder.is_symlink():
        return
    if folder.is_file():  # a worktree's: it names where all that is
        yield folder, False
    elif folder.is_dir():
        yield from _repository(folder)
        yield from _repositories_in(folder / "modules")
        yield from _repositories_in(folder / "worktrees")


def _repositories_in(folder: Path) -> Iterator[tuple[Path, bool]]:
    if not folder.is_dir() or folder.is_symlink():
        return
    for place, folders, files in os.walk(folder):
        if "HEAD" in files:
            yield from _repository(Path(place))
            folders[:] = [each for each in folders if each == "modules"]
        else:
            yield Path(place), True
        folders[:] = [each for each in folders if not os.path.islink(os.path.join(place, each))]


def _repository(folder: Path) -> Iterator[tuple[Path, bool]]:
    parts = [folder / each for each in _RUN_BY_GIT]
    if any(each.is_symlink() for each in parts):
        # What is bound there would be what it leads to, be that a key; and it could be exchanged.
        yield folder, False
        return
    yield folder, True
    if not (folder / "commondir").exists():  # else it has the hooks of another
        with contextlib.suppress(OSError):  # what we may not write, an agent may not either
            (folder / "hooks").mkdir(exist_ok=True)
    yield from ((each, False) for each in parts if each.exists())


def _sockets() -> Iterator[Path]:
    """Where services of this machine listen: a read-only file system does not keep anybody from
    talking to them (Docker, LXD, databases, agents of keys)."""
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            names = [line.split(maxsplit=7)[7:] for line in file]
    except OSError:
        return
    for name in {each[0].rstrip("\n") for each in names if each}:
        if name.startswith("/"):
            yield Path(name)


def covered(hidden: Iterable[Path], project: Path) -> list[Path]:
    """What is there of the user's secrets, of services' sockets and of what else is to be hidden,
    each whole; a folder that the project is in is no secret."""
    found = set()
    for path in (*(home_folder() / each for each in SECRETS), *hidden, *_sockets()):
        try:
            real = path.resolve(strict=True)
        except OSError:
            continue
        seen = project in real.parents or not _emptied(real)
        if seen and real != project and real not in project.parents:
            found.add(real)
    return sorted(each for each in found if not found.intersection(each.parents))


def lies_hidden(path: Path) -> bool:
    """Whether it is where an agent sees nothing."""
    return _emptied(path) or any(home_folder() / each in path.parents for each in SECRETS)


def _emptied(path: Path) -> bool:
    return any(Path(each) in path.parents for each in EMPTIED)
