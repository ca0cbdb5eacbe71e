"""What a speed benchmark measures: which prompts, depths, answers and how many users."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llm_studio.bench.record import Point
from llm_studio.errors import NotReady

PROMPTS = (128, 512, 2048, 8192, 32768, 65536, 131072)
DEPTHS = (0, 2048, 8192, 32768, 65536, 131072)
ANSWERS = (32, 128, 512)
USUAL_PROMPT = 512
USUAL_ANSWER = 128
SHORT_ANSWER = 8
"""Tokens of answer where only the prompt is of interest."""
MARGIN = 16
"""Tokens of the context that stay free."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The points in their order; those of several users are found while it runs."""

    points: tuple[Point, ...]
    repetitions: int
    crowds: int
    """Repetitions of each number of users."""
    most_users: int
    prompt: int
    answer: int


def plan(context: int, slots: int, *, quick: bool, repetitions: int = 0) -> Plan:
    """For a context (of one slot) and as many slots as the engine has; 0: the usual repetitions."""
    usable = context - MARGIN
    if usable < 64:
        raise NotReady(f"A context of {context} tokens is too small to measure anything")
    prompt = min(USUAL_PROMPT, usable // 2)
    answer = min(64 if quick else USUAL_ANSWER, usable // 4)
    points = []
    prompts = [prompt] if quick else [p for p in PROMPTS if p + SHORT_ANSWER <= usable]
    for length in prompts or [prompt]:
        cold = Point(kind="prompt", prompt=length, answer=SHORT_ANSWER)
        points += [cold, cold.model_copy(update={"cache": "warm"})]
    answers = [answer] if quick else [a for a in ANSWERS if a + 8 <= usable]
    points += [Point(kind="answer", prompt=8, answer=length) for length in _usual_first(answers)]
    depths = [d for d in DEPTHS if d and d + prompt + answer <= usable]
    deepest = usable - prompt - answer
    if not depths and deepest > prompt:
        depths = [deepest]
    elif depths and not quick and deepest > depths[-1] * 1.25:
        depths.append(deepest)
    for depth in depths[:1] if quick else depths:
        points.append(Point(kind="depth", depth=depth, prompt=prompt, answer=answer, cache="warm"))
    return Plan(
        tuple(points),
        repetitions or (3 if quick else 5),
        repetitions or 3,
        min(slots, 2) if quick else 2 * slots,
        prompt,
        answer,
    )


def _usual_first(answers: list[int]) -> list[int]:
    """The figure that stands for the profile is the one of the usual length."""
    return sorted(answers, key=lambda length: (length != USUAL_ANSWER, length))


def users(plan: Plan, count: int) -> Point:
    return Point(kind="users", users=count, prompt=plan.prompt, answer=plan.answer)


def saturated(before: Point | None, now: Point) -> str:
    """Why more users at a time need not be tried, if so."""
    tried = now.users + now.errors
    if now.errors * 10 >= tried:
        return f"{now.errors} requests failed"
    waits = now.measures.get("first_token")
    if waits is not None and max(waits.values) > 30:
        return "some waited longer than 30 s for their first token"
    if before is None:
        return ""
    first, second = before.measures.get("total_speed"), now.measures.get("total_speed")
    if first is None or second is None or second.median < 1.1 * first.median:
        return f"{now.users} at a time got less than 10 % more out of it than {before.users}"
    return ""


def fewer(plan: Plan, seconds: float) -> Plan:
    """With fewer repetitions where one takes long: a night is no week."""
    count = plan.repetitions if seconds < 60 else min(plan.repetitions, 2) if seconds < 300 else 1
    return replace(plan, repetitions=count)
