"""One walk through the program, second by second: choose, load, watch, chat."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.tui.looking import Look

from screenshots import example
from screenshots.scenes import go_to, selected, served
from screenshots.stage import ExampleStudio


async def tour(studio: ExampleStudio, look: Look) -> AsyncIterator[float]:
    """After each step, for how many seconds it is to be seen."""
    studio.tell("sample", example.resting(studio.devices))
    await look.until("VRAM 0.4")
    async for _ in selected(look, example.SERVED):
        yield 0.35
    await look.until("█ weights")
    yield 1.6
    await look.press("right_square_bracket")
    await look.until("cache f16")
    yield 1.6
    await look.press("escape")
    await look.until("cache q8_0")
    yield 0.8
    await look.press("enter")
    for percent in (4, 21, 38, 52, 67, 81, 94):
        studio.load(percent / 100)
        await look.until(f"loading {percent}%")
        yield 0.45
    studio.job("j1", "done", title=f"Serve {example.SERVED}", ended=0.0)
    await served(studio, look)
    yield 2.0
    look.app.clear_notifications()
    await go_to(look, "monitor")
    await look.until("messages")
    for second in range(example.PAST - 5, example.PAST):
        studio.tell("sample", example.readings(studio.devices, second))
        await look.pilot.pause(0.2)
        yield 0.8
    await go_to(look, "chat")
    await look.until("become one")
    yield 4.0
    await look.press("escape")
    await go_to(look, "agents")
    await look.until("answering")
    await look.until("Claude Code")
    yield 2.5
