"""What the pictures show: one function a scene. A new one is taken in by `@scene`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from tests.tui.benching import tell
from tests.tui.looking import Look

from llm_studio.tui.panes import PANES
from llm_studio.tui.widgets.listing import Listing
from screenshots import example
from screenshots.stage import ExampleStudio

Play = Callable[[ExampleStudio, Look], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    play: Play
    bare: bool = False
    """Whether there is no model yet."""


SCENES: list[Scene] = []


def scene(play: Play) -> Play:
    SCENES.append(Scene(play.__name__.replace("_", "-"), play))
    return play


def bare_scene(play: Play) -> Play:
    SCENES.append(Scene(play.__name__.replace("_", "-"), play, bare=True))
    return play


async def go_to(look: Look, pane: str) -> None:
    """To a pane by its number."""
    await look.press(str(next(spec.number for spec in PANES if spec.id == pane)))
    await look.until(lambda: look.app.pane is not None and look.app.pane.id == f"pane-{pane}")


async def served(studio: ExampleStudio, look: Look) -> None:
    studio.serve()
    await look.until(f"● ready  {example.SERVED}")
    await look.until("31.")


async def selected(look: Look, profile: str) -> AsyncIterator[None]:
    """Move the cursor of Models down to a profile, step by step."""
    listing = look.app.screen.query_one(Listing)
    await look.press("home")
    for _ in listing.keys:
        yield
        if listing.key == profile:
            return
        await look.press("down")
    raise AssertionError(f"{profile} is not listed")


async def choose(look: Look, profile: str) -> None:
    """Look closely at a profile."""
    async for _ in selected(look, profile):
        pass
    await look.until("█ weights")


@scene
async def models(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await choose(look, example.SERVED)


@scene
async def monitor(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await go_to(look, "monitor")
    studio.tell("sample", example.readings(studio.devices))
    await look.until("RTX 5070 Ti")
    await look.until("messages")


@scene
async def logs(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await go_to(look, "logs")
    await look.until("task 1531")
    await look.press("up", "up", "up", "up")
    await look.until("318 tokens")


@scene
async def chat(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await go_to(look, "chat")
    await look.until("become one")


@scene
async def bench(studio: ExampleStudio, look: Look) -> None:
    """Results, and one of them closely: slower than under the image before."""
    tell(studio, *example.benchmarks(), regressed=example.REGRESSED)
    await served(studio, look)
    await go_to(look, "bench")
    await look.until("143 of 164")
    await look.press("down", "down", "down")
    await look.until("speed of qwen3-32b")
    await look.until("Worse than")


@scene
async def agents(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await go_to(look, "agents")
    await look.until("answering")
    await look.until("Claude Code")


@bare_scene
async def first_steps(studio: ExampleStudio, look: Look) -> None:
    await look.until("No model of yours is here yet")
    studio.tell("sample", example.resting(studio.devices))
    await look.until("GPU 24.0")


@scene
async def loading(studio: ExampleStudio, look: Look) -> None:
    studio.load(0.63)
    await look.until("loading 63%")
    await choose(look, example.SERVED)


@scene
async def failure(studio: ExampleStudio, look: Look) -> None:
    """A load that ran out of memory, the cause, and what to change."""
    await choose(look, example.SERVED)
    studio.tell("sample", example.resting(studio.devices))
    studio.becomes(
        state="failed", profile=example.SERVED, desired=example.SERVED,
        failure=example.failure(), since=time.time() - 3,
    )  # fmt: skip
    await look.until("✗ failed")
    await look.press("F")


@scene
async def model_picker(studio: ExampleStudio, look: Look) -> None:
    await served(studio, look)
    await look.press("m")
    await look.until("Which model?")
