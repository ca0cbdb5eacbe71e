"""docs/placement.md shows what `llm-studio show` says."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest
from tests.conftest import Home, Run
from tests.readme import blocks
from tests.standins.architectures import write_architecture

from llm_studio.cli import workspace
from llm_studio.models.fit import Host
from llm_studio.models.memory import GiB
from llm_studio.profiles.plan import Machine

ROOT = Path(__file__).parents[2]
ARCHITECTURES = {
    "glm-flash-q4": "glm-4.7-flash-q4km",
    "gpt-oss-120b": "gpt-oss-120b-mxfp4",
    "llama-3.3-70b": "llama-3.3-70b-q4km",
    "qwen3-coder-30b-a3b": "qwen3-30b-a3b-q4km",
}
SHOWN = [block.lines for block in blocks(ROOT / "docs" / "placement.md") if not block.language]


def test_there_are_examples() -> None:
    assert len(SHOWN) >= 5


@pytest.mark.parametrize("shown", SHOWN, ids=lambda lines: lines[0])
def test_an_example_is_what_the_command_says(
    shown: tuple[str, ...], home: Home, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = shlex.split(shown[0].removeprefix("$ "))
    profile = tomllib.loads((ROOT / "profiles" / f"{command[2]}.toml").read_text())
    file = home.models / profile["model"]["file"]
    file.parent.mkdir(parents=True)
    write_architecture(ARCHITECTURES[command[2]], home.models).rename(file)
    machine = Machine((), Host(total=64 * GiB, available=60 * GiB), ())
    monkeypatch.setattr(workspace, "this_machine", lambda *_, **__: machine)
    told = run(*command[1:])
    assert told.code == 0, told.err
    said = " ".join(told.out.split())
    parts = " ".join(" ".join(line.split()) for line in shown[1:]).split("…")
    for part in parts:
        assert part.strip() in said
