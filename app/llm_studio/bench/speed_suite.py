"""The speed of a profile: through the server, and of the engine alone beside it."""

from __future__ import annotations

from llm_studio.bench.alone import alone, alone_of
from llm_studio.bench.asking import Asker
from llm_studio.bench.speed import Speed
from llm_studio.bench.suite import Bout
from llm_studio.engines.base import Running
from llm_studio.errors import StudioError


class SpeedSuite:
    name = "speed"
    title = "Speed"
    own_context = True

    def __init__(self, *, quick: bool, engine_alone: bool, repetitions: int = 0) -> None:
        self._quick = quick
        self._repetitions = repetitions
        self._alone = engine_alone

    async def prepare(self) -> None:
        """Nothing is needed beforehand."""

    async def run(self, bout: Bout) -> None:
        pid = await bout.pid()
        async with Asker(bout.studio.reception, bout.entry.id) as asker:
            speed = Speed(
                asker, lambda: bout.observer(asker, pid), bout.told, quick=self._quick,
                repetitions=self._repetitions,
            )  # fmt: skip
            speed.points, speed.notes, speed.settings = bout.points, bout.notes, bout.settings
            await speed.run()
        running = bout.studio.berths.main.supervisor.serving
        if self._alone and running is not None:
            try:
                await self._measure_alone(bout, running)
            except StudioError as error:
                bout.notes.append(f"the engine alone was not measured: {error.sentence}")

    async def _measure_alone(self, bout: Bout, running: Running) -> None:
        found = await alone_of(running)
        answers = [point for point in bout.points if point.kind == "answer"]
        prompts = [point for point in bout.points if point.kind in ("depth", "users")]
        if not answers or not prompts:
            return
        for job in bout.studio.stop(bout.entry.id):  # else both would share the memory
            bout.told("giving the server's memory back, for the engine alone", 0.97)
            await bout.studio.jobs.ended(job)
        bout.told("the engine alone: llama-bench", 0.98)
        depths = [point.depth for point in bout.points if point.kind == "depth"]
        repetitions = 3 if self._quick else 5
        bout.points += await alone(
            found, running.command, prompts[0].prompt, answers[0].answer, depths, repetitions
        )
