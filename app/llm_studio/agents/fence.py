"""Which fence an agent can have on this machine: the best that works, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_studio.agents import jail
from llm_studio.agents.container import Carried, Docker, carried, docker_here, fails_in
from llm_studio.agents.ground import lies_hidden

Kind = Literal["bubblewrap", "container", "none"]


@dataclass(frozen=True, slots=True)
class Fence:
    """What is put around an agent."""

    kind: Kind
    why: str = ""
    """Why there is none, or no better one."""
    docker: Docker | None = None
    carried: Carried | None = None
    """How the program gets in, where it is not seen in there by itself."""

    def __bool__(self) -> bool:
        return self.kind != "none"


NONE = Fence("none")


def fence_for(program: Path, image: str) -> Fence:
    """The one for this program, by what is here; whether it really runs in a container is tried
    before a launch."""
    return fences({"": program}, image)[""]


def fences(programs: Mapping[str, Path], image: str) -> dict[str, Fence]:
    """The same for several, for which the machine is looked at once."""
    why = jail.missing()
    docker = docker_here(image) if why else ""
    return {id_: _fence(program, why, docker) for id_, program in programs.items()}


def _fence(program: Path, why: str, docker: Docker | str) -> Fence:
    if not why:
        return _bubblewrap(program)
    inside = carried(program)
    if isinstance(inside, str):
        return _none(why, inside)
    if isinstance(docker, str):
        return _none(why, docker)
    return Fence("container", why, docker, inside)


def _bubblewrap(program: Path) -> Fence:
    real = program.resolve()
    if not lies_hidden(program) and not lies_hidden(real):
        return Fence("bubblewrap")
    if not lies_hidden(real):  # by a link that is not seen in there
        return Fence("bubblewrap", carried=Carried((str(real),), (real,)))
    # Some install themselves beside their keys, as Codex does below ~/.codex.
    inside = carried(program)
    if isinstance(inside, Carried):
        return Fence("bubblewrap", carried=inside)
    return Fence(
        "none", f"{real} lies where a fence hides all, with its other files; install it elsewhere."
    )


def tried(fence: Fence) -> Fence:
    """The same, if the program runs in it."""
    if fence.docker is None or fence.carried is None:
        return fence
    failure = fails_in(fence.docker, fence.carried)
    return _none(fence.why, failure) if failure else fence


def _none(why: str, no_container: str) -> Fence:
    return Fence("none", f"{why} Nor is there a container for it. {no_container}")
