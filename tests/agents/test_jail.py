"""Ways out of the fence that no setting would show: each is tried."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_studio.agents import jail, no_typing

pytestmark = pytest.mark.usefixtures("fence")


@pytest.fixture
def project(outdoors: Path) -> Path:
    project = outdoors / "project"
    project.mkdir()
    return project


@pytest.fixture
def gateway() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "gateway.sock")
        listener.bind(path)
        listener.listen()
        yield path


def run(project: Path, gateway: str, script: str, **options: object) -> str:
    """What a script in there says."""
    file = no_typing.opened()
    words = jail.jailed(
        ["sh", "-c", script], project=project, writable=[], hidden=[], readable=[],
        socket=gateway, port=8080, no_typing=str(file),
    )  # fmt: skip
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=20, check=False, pass_fds=[file],
            **options,  # type: ignore[call-overload]
        )  # fmt: skip
    finally:
        os.close(file)
    return str(done.stdout) + str(done.stderr)


def test_it_types_nothing_into_the_terminal(project: Path, gateway: str) -> None:
    (project / "type.py").write_text(
        "import fcntl, termios\n"
        "print('size', len(fcntl.ioctl(0, termios.TIOCGWINSZ, b'\\0' * 8)))\n"
        "for request in (termios.TIOCSTI, 0x541C):\n"
        "    try: fcntl.ioctl(0, request, b'x'); print('TYPED')\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    master, slave = pty.openpty()
    try:
        told = run(
            project, gateway, "exec python3 type.py", stdin=slave, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR)),
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)
    assert "size 8" in told
    assert told.count("Operation not permitted") == 2
    assert "TYPED" not in told


def test_what_git_runs_later_cannot_be_exchanged(project: Path, gateway: str) -> None:
    subprocess.run(["git", "init", "--quiet", "--template="], cwd=project, check=True)
    assert not (project / ".git" / "hooks").exists()
    before = (project / ".git" / "config").read_text()
    script = (
        "mv .git old; rm -rf .git; mkdir -p .git/hooks; echo x > .git/hooks/pre-commit;"
        " mv .git/hooks .git/hooks2; echo '[core]' >> .git/config; mv .git/config .git/c;"
        " echo kept > .git/description; echo ENDED"
    )
    assert "ENDED" in run(project, gateway, script)
    assert not (project / "old").exists()
    assert not list((project / ".git" / "hooks").iterdir())
    assert (project / ".git" / "config").read_text() == before
    assert (project / ".git" / "description").read_text() == "kept\n"


def test_a_worktree_leads_nowhere_else(project: Path, gateway: str) -> None:
    (project / ".git").write_text("gitdir: /somewhere\n")
    run(project, gateway, "echo gitdir: own > .git; rm .git; mv .git old")
    assert (project / ".git").read_text() == "gitdir: /somewhere\n"


def test_services_of_the_machine_are_not_there(project: Path, gateway: str) -> None:
    """As Docker, LXD and databases listen: outside of /run, in reach of whoever finds the path."""
    (project / "talk.py").write_text(
        "import socket, sys\n"
        "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('TALKED')\n"
        "except OSError as error: print('refused')\n"
    )
    with (
        tempfile.TemporaryDirectory(dir=project.parent) as folder,
        socket.socket(socket.AF_UNIX) as service,
    ):
        service.bind(os.path.join(folder, "s"))
        service.listen()
        told = run(project, gateway, f"python3 talk.py {folder}/s")
    assert "refused" in told
