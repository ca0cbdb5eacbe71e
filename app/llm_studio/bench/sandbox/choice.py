"""Which sandbox there is on this machine; none is no licence to run anything."""

from __future__ import annotations

from llm_studio.bench.sandbox.bubblewrap import BubblewrapSandbox
from llm_studio.bench.sandbox.container import ContainerSandbox
from llm_studio.bench.sandbox.job import Sandbox
from llm_studio.errors import NotReady


async def sandbox(studio: str) -> Sandbox:
    """A container, else bubblewrap, else a refusal."""
    found: Sandbox | None = await ContainerSandbox.here(studio) or await BubblewrapSandbox.here()
    if found is None:
        raise NotReady(
            "Code that a model wrote cannot be run safely here",
            why="There is neither Docker nor a bubblewrap that works.",
            hint="Install one of them. Nothing is ever run on the bare machine.",
        )
    return found
