"""Tests an image before people rely on it: started as the engine starts it, asked as clients ask.

A tiny random model is enough for that, and the same everywhere. What it says is noise; that it
says it in the right form, over every way in, is what is tested. Its speed compares builds.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import Engine, Launch, Running
from llm_studio.engines.health import HealthProbe
from llm_studio.engines.images.asker import STEP_LIMIT, Asker, Fault, Speed
from llm_studio.engines.images.tiny_model import CONTEXT, write_tiny_model
from llm_studio.errors import StudioError
from llm_studio.models.memory import Device
from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.schema import ImageCheck, ImageFinding
from llm_studio.text import untrusted_line

MODEL = "tiny random llama"
LOAD_LIMIT = 120.0
LAST_LINES = 5
OWN_FLAGS = ("--model", "--host", "--port", "--api-key-file", "--cors-origins", "--metrics")
"""What every engine is started with."""
_PROFILE = f"""\
name = "Image check"
[model]
file = "tiny.gguf"
[server]
alias = "tiny"
context = {CONTEXT}
parallel = 1
gpu_layers = "all"
threads = 1
"""
"""One thread, for several spend their time on waiting for each other with so small a model."""
Told = Callable[[str, float | None], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """An image to test, and where."""

    image: str
    folder: Path
    """For the model and for keys."""
    devices: tuple[Device, ...] = ()

    def launch(self) -> Launch:
        """What starts it as the engine does, each time as another one."""
        model = write_tiny_model(self.folder / "tiny.gguf")
        source = Source("image-check", Path("image-check.toml"), False, _PROFILE)
        entry = Catalogue([parse_source(source)]).get(source.id)
        return Launch(entry, Files(model), {}, self.devices, image=self.image, folder=self.folder)


async def accept(
    engine: Engine,
    subject: Subject,
    needed: Mapping[str, Sequence[str]],
    told: Told,
    in_use: Subject | None = None,
) -> ImageCheck:
    """Tests one image; `needed` are flags and who needs them, `in_use` is for comparison."""
    steps = _Steps(told)
    told("asking the image what it knows", None)
    abilities = await engine.abilities(subject.image)
    await steps.take("flags", lambda: _flags(abilities.flags, needed))
    speed: Speed | None = None
    async with contextlib.AsyncExitStack() as stack:
        running: list[Running] = []

        async def load() -> str:
            begun = time.monotonic()
            running.append(await stack.enter_async_context(_started(engine, subject)))
            return f"ready after {time.monotonic() - begun:.1f} s"

        await steps.take("loads", load)
        if running:
            async with Asker(running[0]) as asker:
                for name, step in asker.steps:
                    await steps.take(name, step)
                with contextlib.suppress(Fault, httpx.HTTPError):
                    speed = await asker.speed()
    if speed is not None:
        await steps.take("speed", lambda: _compared(engine, speed, in_use))
    return ImageCheck(
        passed=all(each.passed for each in steps.findings) and speed is not None,
        at=time.time(),
        version=abilities.version,
        model=MODEL,
        findings=steps.findings,
        prompt_speed=speed.prompt if speed else None,
        speed=speed.answer if speed else None,
    )


class _Steps:
    """Takes one step after the other; one that fails does not end the test."""

    def __init__(self, told: Told) -> None:
        self.findings: list[ImageFinding] = []
        self._told = told

    async def take(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        self._told(f"testing: {name}", None)
        try:
            said, passed = await asyncio.wait_for(step(), LOAD_LIMIT + STEP_LIMIT), True
        except Fault as fault:
            said, passed = str(fault), False
        except StudioError as error:
            said, passed = error.sentence, False
        except TimeoutError:
            said, passed = "no answer in time", False
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            said, passed = f"{type(error).__name__}: {error}", False
        told = untrusted_line(said, limit=400)
        self.findings.append(ImageFinding(step=name, passed=passed, told=told))


async def _flags(known: frozenset[str], needed: Mapping[str, Sequence[str]]) -> str:
    wanted = {**dict.fromkeys(OWN_FLAGS, ("every engine",)), **needed}
    missing = [
        f"{flag} ({', '.join(list(who)[:3])}{' …' if len(who) > 3 else ''})"
        for flag, who in wanted.items()
        if flag not in known
    ]
    if missing:
        raise Fault(f"unknown here: {', '.join(missing)}")
    return f"all {len(wanted)} flags that the profiles need"


@contextlib.asynccontextmanager
async def _started(engine: Engine, subject: Subject) -> AsyncIterator[Running]:
    """The engine once it is ready; nothing of it is left afterwards."""
    launch = await asyncio.to_thread(subject.launch)
    running = await engine.start(launch)
    health = HealthProbe()
    try:
        deadline = time.monotonic() + LOAD_LIMIT
        while not (await health.ask(running)).ready:
            if not (await engine.vitals(running)).alive:
                raise Fault(f"it ended: {await _last_lines(engine, running)}")
            if time.monotonic() > deadline:
                raise Fault(f"not ready after {LOAD_LIMIT:.0f} s")
            await asyncio.sleep(0.05)
        yield running
    finally:
        await health.close()
        await engine.stop(running, 5)
        await engine.forget(running)


async def _last_lines(engine: Engine, running: Running) -> str:
    lines = [line.text async for line in engine.log(running)]
    errors = [line for line in lines if " E " in line]
    return " / ".join((errors or lines)[:LAST_LINES]) or "it said nothing"


async def _compared(engine: Engine, speed: Speed, in_use: Subject | None) -> str:
    said = f"{speed.answer:,.0f} tokens/s, prompt {speed.prompt:,.0f} tokens/s ({MODEL})"
    if in_use is None:
        return said
    try:
        async with _started(engine, in_use) as running, Asker(running) as asker:
            other = await asker.speed()
    except (Fault, StudioError, httpx.HTTPError) as error:
        return f"{said}; the image in use could not be measured: {error}"
    return (
        f"{said}; ×{speed.answer / other.answer:.2f} of the image in use, prompt "
        f"×{speed.prompt / other.prompt:.2f}"
    )
