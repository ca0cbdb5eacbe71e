"""Ways out of the fences that no setting would show: each is tried, at each fence."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llm_studio.agents import container, jail
from llm_studio.agents.bridge import Lifeline
from llm_studio.agents.fence import fence_for
from llm_studio.agents.ground import git_parts, no_project
from llm_studio.bench.sandbox.container import IMAGE

Run = Callable[..., str]
USER = 12345


@pytest.fixture
def project(outdoors: Path) -> Path:
    project = outdoors / "project"
    project.mkdir()
    return project


@pytest.fixture
def way() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX) as gateway,
        socket.socket(socket.AF_UNIX) as lifeline,
    ):
        for listener, name in ((gateway, "gateway.sock"), (lifeline, "lifeline.sock")):
            listener.bind(os.path.join(folder, name))
            listener.listen()
        container.furnish(folder)
        yield folder


@pytest.fixture
def run(fence: str, project: Path, way: str) -> Run:
    """What a script in there says."""

    def run(script: str, *, terminal: bool = False, user: int = 0, **options: object) -> str:
        script_words = ["sh", "-c", script]
        given = {"stdin": subprocess.DEVNULL, **options}
        while True:
            handed = jail.Handed()
            if fence == "container":
                words = contained(project, way, script_words, terminal=terminal, user=user)
            else:
                words = jail.jailed(
                    script_words, project=project, writable=[], hidden=[], readable=[],
                    socket=f"{way}/gateway.sock", port=8080, files=[str(e) for e in handed.files],
                )  # fmt: skip
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=30, check=False,
                pass_fds=handed.files, **given,  # type: ignore[call-overload]
            )  # fmt: skip
            if not handed.fell_down() or fence == "container":
                break  # else the socket of another test had gone meanwhile
        return str(done.stdout) + str(done.stderr)

    return run


def contained(
    project: Path, way: str, words: list[str], *, terminal: bool = False, user: int = 0
) -> list[str]:
    docker = container.docker_here(IMAGE)
    assert isinstance(docker, container.Docker)
    if user:
        docker = replace(docker, options=("--user", f"{user}:{user}"))
    return container.contained(
        docker, words, session="test", project=project, files=[], writable=[], hidden=[],
        environment=[], way=way, port=8080, terminal=(terminal, terminal),
    )  # fmt: skip


def test_it_types_nothing_into_the_terminal(fence: str, project: Path, run: Run) -> None:
    (project / "type.py").write_text(
        "import fcntl, termios\n"
        "print('size', len(fcntl.ioctl(0, termios.TIOCGWINSZ, b'\\0' * 8)))\n"
        "for request in (termios.TIOCSTI, 0x541C):\n"
        "    for key in (b'x', b'\\n'):\n"
        "        try: fcntl.ioctl(0, request, key)\n"
        "        except OSError as error: print(error.strerror)\n"
    )
    master, slave = pty.openpty()
    try:
        told = run(
            "exec python3 type.py", terminal=True, stdin=slave, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR)),
        )  # fmt: skip
        waiting = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0]
    finally:
        os.close(master)
        os.close(slave)
    assert "size 8" in told, told
    assert waiting == 0, "the shell would run that"
    if fence == "bubblewrap":  # in a container it has a terminal of its own to type into
        assert told.count("Operation not permitted") == 4


def test_what_git_runs_later_cannot_be_exchanged(project: Path, run: Run) -> None:
    subprocess.run(["git", "init", "--quiet", "--template="], cwd=project, check=True)
    assert not (project / ".git" / "hooks").exists()
    before = (project / ".git" / "config").read_text()
    script = (
        "mv .git old; rm -rf .git; mkdir -p .git/hooks; echo x > .git/hooks/pre-commit;"
        " mv .git/hooks .git/hooks2; echo '[core]' >> .git/config; mv .git/config .git/c;"
        " echo kept > .git/description; echo ENDED"
    )
    assert "ENDED" in run(script)
    assert not (project / "old").exists()
    assert not list((project / ".git" / "hooks").iterdir())
    assert (project / ".git" / "config").read_text() == before
    assert (project / ".git" / "description").read_text() == "kept\n"


def test_nor_what_it_runs_in_submodules(project: Path, run: Run) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    inner = project / ".git" / "modules" / "vendor" / "lib"
    subprocess.run(["git", "init", "--quiet", "--bare", str(inner)], check=True)
    before = (inner / "config").read_text()
    script = (
        "cd .git/modules; mv vendor/lib vendor/old; mv vendor old; mv ../modules ../old;"
        " cd vendor/lib; echo x > hooks/pre-commit; mv hooks old; echo '[core]' >> config;"
        " rm config; mv config old; echo kept > description; echo ENDED"
    )
    assert "ENDED" in run(script)
    assert not (inner / "hooks" / "pre-commit").exists()
    assert (inner / "config").read_text() == before
    assert (inner / "description").read_text() == "kept\n"


def test_a_worktree_leads_nowhere_else(project: Path, run: Run) -> None:
    (project / ".git").write_text("gitdir: /somewhere\n")
    run("echo gitdir: own > .git; rm .git; mv .git old")
    assert (project / ".git").read_text() == "gitdir: /somewhere\n"


@pytest.mark.parametrize("inside", [False, True])
def test_services_of_the_machine_are_not_there(project: Path, run: Run, inside: bool) -> None:
    """As Docker, LXD and databases listen: outside of /run, in reach of whoever finds the path."""
    (project / "talk.py").write_text(
        "import socket, sys\n"
        "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('TALKED')\n"
        "except OSError as error: print('refused')\n"
    )
    with (
        tempfile.TemporaryDirectory(dir=project if inside else project.parent) as folder,
        socket.socket(socket.AF_UNIX) as service,
    ):
        service.bind(os.path.join(folder, "s"))
        service.listen()
        told = run(f"python3 talk.py {folder}/s")
    assert "refused" in told


def test_secrets_that_lie_in_the_project_are_not_seen(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when somebody keeps their settings in a repository."""
    monkeypatch.setattr("llm_studio.agents.ground.home_folder", lambda: project)
    (project / ".ssh").mkdir()
    (project / ".ssh" / "id").write_text("secret key")
    (project / ".netrc").write_text("secret word")
    told = run("cat .ssh/id .netrc; ls -a .ssh; echo x > .ssh/new; echo x > .netrc; echo ENDED")
    assert "ENDED" in told
    assert "secret" not in told
    assert os.listdir(project / ".ssh") == ["id"]
    assert (project / ".netrc").read_text() == "secret word"


@pytest.mark.parametrize("fence", ["container"], indirect=True)
def test_somebody_who_is_not_root_has_a_name_in_there(
    project: Path, way: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(project, USER, USER)
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    monkeypatch.setattr(os, "getegid", lambda: USER)
    os.rmdir(f"{way}/docker")
    container.furnish(way)
    for name in ("", "gateway.sock", "lifeline.sock", "passwd"):
        os.chmod(f"{way}/{name}", 0o755)
    for name in ("gateway.sock", "lifeline.sock"):
        os.chown(f"{way}/{name}", USER, USER)
    code = "import pwd, os; print(pwd.getpwuid(os.getuid()))"
    told = run(f"echo x > mine; python3 -c '{code}'", user=USER)
    assert f"pw_uid={USER}" in told, told
    assert (project / "mine").stat().st_uid == USER


@pytest.mark.parametrize("fence", ["container"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_a_program_that_does_not_run_in_the_image_is_told_before_a_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docker = container.docker_here(IMAGE)
    assert isinstance(docker, container.Docker)
    told = container.fails_in(docker, container.Carried(("/there/is/none",), ()))
    assert "It does not run in the image" in told
    assert "/there/is/none" in told or "No such file" in told
    monkeypatch.setattr(container, "SECONDS", 1)
    assert container.fails_in(docker, container.Carried(("/bin/sh", "-c", "exec sleep 100"), ()))
    found = container.docker_here("llm-studio/no-such:image")
    assert found == "There is no image llm-studio/no-such:image."


@pytest.mark.parametrize("fence", ["bubblewrap"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_a_fence_that_fell_down_is_told_from_a_command_that_failed(
    project: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a service's socket goes between the look and the launch."""

    def told(script: str) -> bool:
        handed = jail.Handed()
        words = jail.jailed(
            ["sh", "-c", script], project=project, writable=[], hidden=[], readable=[],
            socket=f"{way}/gateway.sock", port=8080, files=[str(each) for each in handed.files],
        )  # fmt: skip
        done = subprocess.run(words, check=False, capture_output=True, pass_fds=handed.files)
        assert done.returncode == 1
        return handed.fell_down()

    assert not told("exit 1")
    monkeypatch.setattr(jail, "covered", lambda *_: [Path("/there/is/no/such")])
    assert told("exit 1")


def test_links_that_an_earlier_agent_left_in_git_show_nothing_else(
    fence: str, project: Path, outdoors: Path, run: Run
) -> None:
    """They would be bound from out here, where they lead elsewhere."""
    (outdoors / "keys").mkdir()
    (outdoors / "keys" / "id").write_text("secret key")
    for inner in (project / ".git", project / ".git" / "modules" / "lib"):
        subprocess.run(["git", "init", "--quiet", "--bare", "--template=", str(inner)], check=True)
        (inner / "hooks").symlink_to(os.path.relpath(outdoors / "keys", inner))
        (inner / "config.worktree").symlink_to(outdoors / "keys" / "id")
    told = run("cd .git; cat hooks/id config.worktree; cd modules/lib; cat hooks/id; echo ENDED")
    assert "ENDED" in told
    if fence == "container":  # in the other all is seen but keys, whose places are covered after
        assert "secret" not in told


def test_a_link_that_git_follows_cannot_be_exchanged(project: Path, run: Run) -> None:
    subprocess.run(["git", "init", "--quiet", "--template="], cwd=project, check=True)
    (project / "ours").mkdir()
    (project / ".git" / "hooks").symlink_to("../ours")
    assert "ENDED" in run("cd .git; rm hooks; mkdir hooks; echo x > hooks/pre-commit; echo ENDED")
    assert (project / ".git" / "hooks").is_symlink()


def test_nor_what_worktrees_take_their_settings_from(project: Path, run: Run) -> None:
    made = project / ".git" / "worktrees" / "side"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (
        ["init", "-q"],
        ["commit", "-qm1", "--allow-empty"],
        ["worktree", "add", "-q", "side"],
    ):
        subprocess.run([*git, *words], cwd=project, check=True)
    before = (made / "commondir").read_text()
    script = "cd .git/worktrees; mv side old; mv ../worktrees ../old; cd side; mv commondir old;"
    assert "ENDED" in run(f"{script} echo /evil > commondir; echo ENDED")
    assert (made / "commondir").read_text() == before
    assert not (made / "hooks").exists()


def test_where_git_can_be_led_elsewhere_there_is_no_fence_for_a_project(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "real"], cwd=project, check=True)
    git = project / "real" / ".git"
    assert not no_project(project / "real")
    (git / "commondir").write_text("../evil")
    assert f"{git}/commondir" in no_project(project / "real")
    (project / ".git").symlink_to("real/.git")
    assert f"{project}/.git is a link" in no_project(project)
    assert not list(git_parts(project / ".git"))


@pytest.mark.parametrize("fence", ["bubblewrap"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_a_program_that_a_fence_hides_is_told_before_a_launch(
    outdoors: Path, tmp_path: Path
) -> None:
    seen = outdoors / "agent"
    seen.write_text(f"#!{sys.executable}\n")
    assert fence_for(seen, IMAGE).carried is None
    link = tmp_path / "agent"
    link.symlink_to(seen)
    around = fence_for(link, IMAGE)
    assert around.carried is not None, "it runs by the name that is seen"
    assert around.carried.command == (str(seen.resolve()),)
    hidden = tmp_path / "hidden"
    hidden.write_text(f"#!{sys.executable}\n")
    around = fence_for(hidden, IMAGE)
    assert not around
    assert f"{hidden} lies where a fence hides all" in around.why


@pytest.mark.parametrize("fence", ["container"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_an_agent_that_ends_all_others_in_there_does_not_outlive_its_launcher(
    project: Path, way: str
) -> None:
    os.unlink(f"{way}/lifeline.sock")
    lifeline = Lifeline(f"{way}/lifeline.sock")
    script = (
        "for each in /proc/[0-9]*; do each=${each#/proc/}; [ $each = $$ ] || kill -9 $each; done;"
        " echo BEGUN; exec sleep 600"
    )
    words = contained(project, way, ["sh", "-c", script])
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"BEGUN\n"
        lifeline.close()
        assert process.wait(timeout=20) == 1


@pytest.mark.parametrize("fence", ["container"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_what_ends_it_is_told_and_what_is_sent_to_it_arrives(project: Path, way: str) -> None:
    caught = "trap 'echo HUNG; exit 5' HUP; echo BEGUN; while :; do sleep 0.1; done"
    for script, number, told, code in (
        (caught, signal.SIGHUP, b"HUNG\n", 5),
        ("echo BEGUN; exec sleep 600", signal.SIGTERM, b"", 128 + signal.SIGTERM),
        ("echo BEGUN; exec sleep 600", signal.SIGINT, b"", 128 + signal.SIGINT),
    ):
        words = contained(project, way, ["sh", "-c", script])
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"BEGUN\n"
            process.send_signal(number)
            assert process.stdout.read() == told
            assert process.wait(timeout=20) == code


@pytest.mark.parametrize("fence", ["container"], indirect=True)
@pytest.mark.usefixtures("fence")
def test_keys_of_the_terminal_are_the_agents(project: Path, way: str) -> None:
    master, slave = pty.openpty()
    words = contained(project, way, ["sh", "-c", "echo BEGUN; exec sleep 600"], terminal=True)
    with subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR)),
    ) as process:  # fmt: skip
        os.close(slave)
        told = b""
        while b"BEGUN" not in told:
            told += os.read(master, 1000)
        os.write(master, b"\x03")
        assert process.wait(timeout=20) == 128 + signal.SIGINT
    os.close(master)


def test_of_a_script_that_is_of_no_package_its_folder_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node"
    node.write_bytes(b"\x7fELF")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    script = tmp_path / "agent.js"
    script.write_text("#!/usr/bin/env node\n")
    told = container.carried(script)
    assert isinstance(told, container.Carried)
    assert told.files == (node, script)
