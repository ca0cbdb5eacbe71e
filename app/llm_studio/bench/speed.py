"""Measures the speed of what is served, through llama-server, point by point."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from llm_studio.bench.asking import Answer, Asker, NoAnswer
from llm_studio.bench.disturbance import Meanwhile, Observer
from llm_studio.bench.record import Facts, Point, Spread
from llm_studio.bench.speed_plan import Plan, fewer, plan, saturated, users

GLANCE = 0.5
"""Seconds between two looks at what else goes on."""
TOO_LONG = 900.0
"""Seconds of one repetition after which longer ones of its kind are not tried."""
TEXT = (
    "The harbour master wrote down every ship that came in: its name, its cargo, the weather, and "
    "what the captain said about the lights on the northern cape. def tide(hour, moon): return "
    "0.5 * sin(hour / 12.4) + moon ** 2  # good enough for planning\n"
)
Told = Callable[[str, float | None], None]


@dataclass(slots=True)
class Stretch:
    """The time in which a point was measured."""

    seconds: float = 0.0
    meanwhile: Meanwhile = field(default_factory=lambda: Meanwhile([]))


class Speed:
    """One run on one engine."""

    def __init__(
        self,
        asker: Asker,
        observer: Callable[[], Observer],
        told: Told,
        *,
        quick: bool,
        repetitions: int = 0,
    ) -> None:
        self._asker = asker
        self._observer = observer
        self._told = told
        self._quick = quick
        self._repetitions = repetitions
        self._words: list[int] = []
        self._period = 0
        self.points: list[Point] = []
        self.notes: list[str] = []
        self.settings: Facts = {}

    async def run(self) -> None:
        """Fills `points`; what is there when it is cancelled stays true."""
        props = await self._asker.props()
        context = int(props["default_generation_settings"].get("n_ctx") or 0)
        slots = int(props.get("total_slots") or 1)
        todo = plan(context, slots, quick=self._quick, repetitions=self._repetitions)
        self.settings |= {
            "quick": self._quick, "context": context, "slots": slots, "temperature": 0.8,
            "repetitions": todo.repetitions, "warm-up requests": 1,
        }  # fmt: skip
        self._words = await self._vocabulary(context)
        self._told("warming up", None)
        await self._asker.complete(self._fresh(todo.prompt), todo.answer, cache=False)
        skipped: set[str] = set()
        for number, point in enumerate(todo.points):
            if point.kind in skipped:
                continue
            done = number / (len(todo.points) + 2)
            took = await self._point(point, todo, done)
            if took > TOO_LONG:
                skipped.add(point.kind)
                self.notes.append(f"{_named(point)} took {took:.0f} s, so nothing longer was tried")
        await self._crowds(todo)

    async def _point(self, point: Point, todo: Plan, done: float) -> float:
        """Measure one; seconds that its slowest repetition took."""
        fixed: list[int] = []
        if point.depth or point.cache == "warm":
            self._told(f"{_named(point)}: filling the context", done)
            fixed = self._fresh(point.depth or point.prompt)
            await self._asker.complete(fixed, 1, cache=True)
        answers: list[Answer] = []
        slowest, errors = 0.0, 0
        async with self._watched() as watch:
            while len(answers) + errors < fewer(todo, slowest).repetitions:
                self._told(f"{_named(point)}: {len(answers) + 1} of {todo.repetitions}", done)
                prompt = self._prompt(point, fixed)
                try:
                    answer = await self._asker.complete(prompt, point.answer, cache=bool(fixed))
                except NoAnswer as error:
                    errors += 1
                    self.notes.append(f"{_named(point)}: {error.sentence}")
                    continue
                answers.append(answer)
                slowest = max(slowest, answer.seconds)
        self._keep(point, answers, errors, watch)
        return slowest

    def _prompt(self, point: Point, fixed: list[int]) -> list[int]:
        if point.depth:
            return fixed + self._fresh(point.prompt)
        return fixed or self._fresh(point.prompt)

    async def _crowds(self, todo: Plan) -> None:
        """More and more users at a time, until that gives nothing more."""
        before: Point | None = None
        count = 1
        while count <= todo.most_users:
            point = await self._crowd(users(todo, count), todo)
            why = saturated(before, point)
            if why:
                self.notes.append(f"no more users at a time were tried: {why}")
                return
            before, count = point, count * 2
        self.notes.append(f"more than {todo.most_users} at a time were not tried")

    async def _crowd(self, point: Point, todo: Plan) -> Point:
        answers: list[Answer] = []
        totals: list[float] = []
        errors = 0
        async with self._watched() as watch:
            for number in range(todo.crowds):
                self._told(f"{_named(point)}: {number + 1} of {todo.crowds}", 0.95)
                begun = time.perf_counter()
                found = await asyncio.gather(
                    *(
                        self._asker.complete(self._fresh(point.prompt), point.answer, cache=False)
                        for _ in range(point.users)
                    ),
                    return_exceptions=True,
                )
                took = time.perf_counter() - begun
                came = [each for each in found if isinstance(each, Answer)]
                for each in found:
                    if isinstance(each, BaseException) and not isinstance(each, NoAnswer):
                        raise each
                errors += len(found) - len(came)
                answers += came
                if came:
                    totals.append(sum(each.generated for each in came) / took)
        return self._keep(point, answers, errors, watch, totals)

    def _keep(
        self, point: Point, answers: Sequence[Answer], errors: int, watch: Stretch,
        totals: Sequence[float] = (),
    ) -> Point:  # fmt: skip
        told = measures_of(point, answers, totals)
        tokens = sum(each.generated + each.prompt for each in answers)
        meanwhile = watch.meanwhile
        joules = meanwhile.joules
        measured = point.model_copy(
            update={
                "measures": told, "seconds": watch.seconds, "errors": errors,
                "disturbed": meanwhile.disturbed, "power": meanwhile.power,
                "energy": joules / tokens if joules is not None and tokens else None,
                "gpu_memory": meanwhile.gpu_memory, "host_memory": meanwhile.host_memory,
            }
        )  # fmt: skip
        if point.cache == "cold" and any(each.cached for each in answers):
            self.notes.append(f"{_named(point)}: some of the prompt came from the cache")
        kept = point.depth or (point.prompt if point.cache == "warm" else 0)
        if kept and any(each.cached < 0.9 * kept for each in answers):
            self.notes.append(f"{_named(point)}: the cache did not keep it, so it was read again")
        if len(self._asker.engines) > 1:
            what = "the engine was ended and loaded again meanwhile"
            measured = measured.model_copy(update={"disturbed": [*measured.disturbed, what]})
            del self._asker.engines[0]
        if answers:
            self.points.append(measured)
        return measured

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[Stretch]:
        observer, begun = self._observer(), time.perf_counter()
        stretch = Stretch()

        async def look() -> None:
            while True:
                observer.note()
                await asyncio.sleep(GLANCE)

        watch = asyncio.create_task(look())
        try:
            yield stretch
        finally:
            watch.cancel()
            stretch.seconds = time.perf_counter() - begun
            stretch.meanwhile = observer.ended()

    # Prompts

    async def _vocabulary(self, context: int) -> list[int]:
        """Text in tokens of this model, enough for the longest prompt from anywhere in it."""
        words = await self._asker.tokens(TEXT)
        if not words:
            raise NoAnswer("The engine's tokenizer gave nothing")
        self._period = len(words)
        return words * (context // len(words) + 3)

    def _fresh(self, length: int) -> list[int]:
        """A prompt that no cache holds: it begins as none did before."""
        start = secrets.randbelow(self._period)
        salt = [self._words[secrets.randbelow(self._period)] for _ in range(min(8, length))]
        return (salt + self._words[start:])[:length]


def measures_of(
    point: Point, answers: Sequence[Answer], totals: Sequence[float]
) -> dict[str, Spread]:
    """The values of all repetitions by name; names without values are left out."""
    told: dict[str, list[float | None]] = {"first_token": [each.first_token for each in answers]}
    if point.depth or (point.kind == "prompt" and point.cache == "cold"):
        told["prompt_speed"] = [each.prompt_speed for each in answers]
        told["engine_prompt_speed"] = [each.engine_prompt_speed for each in answers]
    if point.kind != "prompt":
        told |= {
            "speed": [each.speed for each in answers],
            "engine_speed": [each.engine_speed for each in answers],
            **{f"gap_p{part}": [each.gap(part / 100) for each in answers] for part in (50, 95, 99)},
            "total_speed": list(totals),
        }
    found = {}
    for name, values in told.items():
        spread = Spread.of([value for value in values if value is not None])
        if spread is not None:
            found[name] = spread
    return found


def _named(point: Point) -> str:
    match point.kind:
        case "prompt":
            return f"prompt of {point.prompt} tokens, {point.cache} cache"
        case "answer":
            return f"answer of {point.answer} tokens"
        case "depth":
            return f"{point.depth} tokens deep"
        case _:
            return f"{point.users} at a time"
