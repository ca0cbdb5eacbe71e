"""A user with a real studio, a model that does as it is told, and the real Claude Code on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.user import User
from tests.standins.scripted_model import ScriptedModel

from llm_studio.agents import jail
from llm_studio.agents.container import docker_here
from llm_studio.bench.sandbox.container import IMAGE

CLAUDE = Path(str(find_spec("claude_agent_sdk").origin)).parent / "_bundled" / "claude"  # type: ignore[union-attr]


@dataclass
class AgentUser:
    """Somebody in a project's folder, with agents at hand."""

    user: User
    model: ScriptedModel
    project: Path

    def serve(self, id_: str, model: ScriptedModel) -> None:
        """A profile for a scripted model."""
        path = self.user.home / "profiles" / f"{id_}.toml"
        path.write_text(
            f'name = "{id_}"\n[engine]\nkind = "external"\nurl = "{model.url}"\n'
            f"[server]\ncontext = {model.context}\n"
        )

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return self.user.begin(*words, cwd=self.project, **options)

    def run(self, *words: str, **options: Any) -> tuple[int, str, str]:
        process = self.begin(*words, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def sessions(self) -> Any:
        return self.user.ask("GET", "/agents/sessions")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture
def outdoors() -> Iterator[Path]:
    """A folder that is not below /tmp: there a fenced-in agent has a folder of its own."""
    base = Path(__file__).parents[2] / ".pytest_cache"
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as folder:
        yield Path(folder)


@pytest.fixture
def agent_user(fence: None, outdoors: Path, model: ScriptedModel) -> Iterator[AgentUser]:
    user = User(outdoors / "home")
    user.environment["PATH"] = f"{CLAUDE.parent}{os.pathsep}{user.environment['PATH']}"
    project = outdoors / "project"
    project.mkdir()
    made = AgentUser(user, model, project)
    made.serve("scripted", model)
    yield made
    user.close()


FENCES = ("bubblewrap", "container")


@pytest.fixture(params=FENCES)
def fence(request: pytest.FixtureRequest) -> str:
    """For tests of the fences: what each is made of has to be there."""
    kind = str(request.param)
    found = docker_here(IMAGE) if kind == "container" else jail.missing()
    if found and isinstance(found, str):
        missing(found)
    return kind


def missing(why: str) -> None:
    """On a test machine all is there; elsewhere it may be."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def fenced(agent_user: AgentUser, fence: str, tmp_path: Path) -> AgentUser:
    """Somebody whose machine has what that fence is made of, and not the other."""
    if fence == "container":
        (tmp_path / "docker").symlink_to(str(shutil.which("docker")))
        agent_user.user.environment["PATH"] = f"{CLAUDE.parent}{os.pathsep}{tmp_path}"
    return agent_user
