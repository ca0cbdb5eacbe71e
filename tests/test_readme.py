"""README.md cannot lie: what it tells people to type is typed here, and works."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import readme
from tests.e2e.user import User, line_of
from tests.standins.architectures import write_architecture
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.cli.commands import BY_NAME, COMMANDS
from llm_studio.documents.commands import parser_of
from llm_studio.documents.http_page import openapi
from llm_studio.documents.pages import PAGES
from llm_studio.profiles.profile import Profile
from llm_studio.settings import BY_KEY, Paths

NOT_RUN = {
    "git clone": "needs the network",
    "make run": "opens the terminal UI, which tests/e2e/test_terminal_ui.py does",
    "make test": "runs this very test",
    "pipx": "needs the network",
    "uvx": "needs the network",
    "ssh": "needs another machine",
    "llm-studio bench speed": "takes a while; tests/bench measures a tiny model",
    "llm-studio bench fetch": "needs the network; tests/bench fetches from a stand-in",
    "llm-studio bench coding": "needs the tasks; tests/bench has its own",
    "llm-studio bench compare": "needs results; tests/bench compares some",
    "llm-studio bench report": "needs results; tests/bench reports some",
    "llm-studio bench": "takes minutes; tests/bench runs each suite",
}
"""Lines that are not run here, by how they begin, and why."""


def _not_run(line: str) -> bool:
    return any(line.startswith(start) for start in NOT_RUN)


def test_every_exception_is_still_there() -> None:
    text = readme.README.read_text()
    assert [start for start in NOT_RUN if start not in text] == []


BY_HAND = [readme.README, *(page for page in readme.DOCS if page.name not in PAGES)]
SAID = [
    said
    for page in BY_HAND
    for said in [
        *(part for line in readme.typed(page) for part in readme.ours(line)),
        *readme.mentioned(page),
    ]
]
"""On pages that are made from the program it cannot be wrong."""


@pytest.mark.parametrize("line", SAID)
def test_commands_and_options_exist(line: str) -> None:
    _, command, *arguments = readme.words(line)
    if command in ("--help", "--version", "--theme"):
        return
    assert command in BY_NAME, line
    if "…" in line or len(arguments) == 0:
        return  # a command that is only named
    with contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            _, others = (parser := parser_of(BY_NAME[command])).parse_known_args(arguments)
        except SystemExit as ended:
            pytest.fail(f"{line}: {ended.code} {told.getvalue()}")
    for_another_program = any(action.metavar == "ARGS" for action in parser._actions)
    assert not others or for_another_program, line


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[User]:
    """A user with the model files of the README, no GPU and no Docker."""
    user = User(tmp_path / "home")
    shutil.rmtree(user.home / "profiles")
    (user.models / "tiny.gguf").unlink()
    write_tiny_llama(user.models / "Qwen3-8B-Q4_K_M.gguf", context=512)
    flash = user.models / "GLM-4.7-Flash" / "GLM-4.7-Flash-Q4_K_M.gguf"
    flash.parent.mkdir()
    write_architecture("glm-4.7-flash-q4km", user.models).rename(flash)
    user.environment["DOCKER_HOST"] = f"unix://{tmp_path}/no-docker.sock"
    user.profile("qwen3-8b", file="Qwen3-8B-Q4_K_M.gguf")
    _project(user.home / "project")
    command = tmp_path / "bin" / "llm-studio"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m llm_studio "$@"\n')
    command.chmod(0o755)
    user.environment["PATH"] = f"{command.parent}:{user.environment['PATH']}"
    yield user
    user.close()


def _project(folder: Path) -> None:
    """Where somebody works: a repository with a change, a log, and a schema."""
    folder.mkdir()
    (folder / "main.py").write_text("print(1)\n")
    (folder / "error.log").write_text("NameError: one\n")
    schema = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 99}}}
    (folder / "person.json").write_text(json.dumps({**schema, "required": ["age"]}))
    for words in (["init", "--quiet"], ["add", "main.py"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "main.py").write_text("print(one)\n")


def test_what_it_says_can_be_typed_line_by_line(newcomer: User) -> None:
    for line in readme.typed():
        if _not_run(line) or ("| jq" in line and shutil.which("jq") is None):
            continue
        assert readme.ours(line), f"{line}: say in NOT_RUN why it is not run"
        command = readme.words(readme.ours(line)[0])[1]
        if line.endswith(" logs -f"):
            _first_line_of(newcomer, "logs", "-f")
            continue
        if command == "chat" and newcomer.run("status").code:
            newcomer.ok("up", "qwen3-8b")  # parts of the page begin with a model that serves
        done = _typed(newcomer, line.replace("/data/models", str(newcomer.models)))
        allowed = (0, 1) if command == "doctor" else (0,)  # what is wrong here is its own
        assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or command in ("config", "down", "up"), line


def _typed(user: User, line: str) -> subprocess.CompletedProcess[str]:
    """A line as a shell takes it, in a folder with the files that the page speaks of."""
    return subprocess.run(
        ["sh", "-c", line], cwd=user.home / "project", env=user.environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _first_line_of(user: User, *words: str) -> None:
    """What never ends by itself is watched until it says something."""
    process = user.begin(*words)
    assert line_of(process).strip()
    process.send_signal(signal.SIGINT)
    process.communicate()


def test_the_memory_that_it_shows_is_what_is_planned(newcomer: User) -> None:
    (shown,) = [
        block.lines for block in readme.blocks() if any("WEIGHTS" in x for x in block.lines)
    ]
    (command,) = [line[2:] for line in shown if line.startswith("$ ")]
    planned = newcomer.ok(*readme.words(command)[1:]).out.replace("\t", " ").splitlines()
    for line in shown:
        if line.startswith(("Fit:", "MiB", "GPU")):
            assert " ".join(line.split()) in planned
        elif line.startswith("host"):  # the rest is of the machine
            assert any(told.startswith(" ".join(line.split()[:6])) for told in planned)


def test_every_command_is_in_the_table() -> None:
    told = " ".join(row[0] for row in readme.table("## Commands"))
    missing = [each.name for each in COMMANDS if not re.search(rf"\b{each.name}\b", told)]
    assert missing == []


def test_options_in_the_table_exist() -> None:
    for row in readme.table("## Commands"):
        for form in re.findall(r"`([a-z]+[^`]*)`", row[0]):
            options = set(re.findall(r"(?<!\S)\[?(--?[a-z][a-z-]*)", form))
            known = {
                x
                for each in parser_of(BY_NAME[form.split()[0]])._actions
                for x in each.option_strings
            }
            assert options <= known, form


def test_settings_in_the_table_are_as_it_says() -> None:
    paths = Paths(*(Path(f"/{name}") for name in "abcde"))
    for names, default, _ in readme.table("## Settings"):
        told = default.split()
        for number, key in enumerate(re.findall(r"`(\w+)`", names)):
            value = BY_KEY[key].default(paths)
            if told and isinstance(value, bool | int | str) and value != "":
                assert str(value).lower() == told[min(number, len(told) - 1)], key


def test_routes_in_the_table_exist() -> None:
    document = openapi()
    known = {f"{m.upper()} {path}" for path, each in document["paths"].items() for m in each}
    for row in readme.table("## Serving"):
        for route in re.findall(r"`((?:GET|POST) /\S*?)(?: \{.*?)?`", row[0]):
            assert route in known | {"GET /docs", "GET /openapi.json"}, route


def test_its_profile_is_one() -> None:
    texts = ["\n".join(block.lines) for block in readme.blocks() if block.language == "toml"]
    for text in texts:
        Profile.model_validate(tomllib.loads(text))
    assert texts


def test_its_figures_are_those_that_were_measured() -> None:
    measured = (readme.README.parent / "docs/performance.md").read_text()
    for row in readme.table("## How fast"):
        assert f"| {' | '.join(row)} |" in measured, row


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", readme.README.read_text())
    gone = [x for x in links if "://" not in x and not (readme.README.parent / x).exists()]
    assert gone == []
    assert links
