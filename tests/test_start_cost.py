"""A start costs little: what a command does not need is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Home

HEAVY = {
    "textual", "rich", "docker", "fastapi", "starlette", "uvicorn", "huggingface_hub", "httpx",
    "requests", "mcp", "xllamacpp", "numpy", "gguf",
}  # fmt: skip
APP = Path(__file__).parents[1] / "app"


def imported(*words: str) -> set[str]:
    """The modules, outside the frozen core, that a command imports in a fresh interpreter."""
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import contextlib, io, json\n"
        "free = set(sys.modules) - before\n"
        "from llm_studio.cli import main\n"
        f"words = {list(words)!r}\n"
        "if words:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        main(words)\n"
        "print(json.dumps(sorted(set(sys.modules) - before - free)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(APP)!r})\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(told.stdout))


def test_importing_the_package_imports_nothing() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(APP)!r}); before = set(sys.modules)\n"
        "import llm_studio\n"
        "print(sorted(set(sys.modules) - before))"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "['llm_studio']"


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",)])
def test_help_and_version_need_next_to_nothing(home: Home, words: tuple[str, ...]) -> None:
    modules = imported(*words)
    own = {name for name in modules if name.startswith("llm_studio")}
    assert own <= {"llm_studio", "llm_studio.cli", "llm_studio.cli.commands"}
    assert not modules & {
        "argparse",
        "pydantic",
        "tomllib",
        "tomlkit",
        "psutil",
        "pynvml",
        "asyncio",
    }


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (("list",), HEAVY | {"asyncio", "tomlkit"}),
        (("show", "base"), HEAVY | {"asyncio", "tomlkit"}),
        (("files",), HEAVY | {"asyncio", "tomlkit"}),
        (("config",), HEAVY | {"pydantic", "psutil", "pynvml", "sqlite3"}),
        (("completion", "--words", "show", "g"), HEAVY | {"pydantic", "psutil"}),
    ],
)
def test_a_command_imports_only_what_it_needs(
    home: Home, words: tuple[str, ...], spared: set[str]
) -> None:
    modules = imported(*words)
    assert {name.partition(".")[0] for name in modules} & spared == set()


def test_nothing_is_written_by_looking(home: Home) -> None:
    imported("--help")
    assert not home.root.exists()
