"""Coding quality: asks for each task, runs the answer in the sandbox, keeps everything.

Every answer is kept at once, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_studio.bench.chat import Chat, Question, Reply
from llm_studio.bench.coding.extract import extract, without_thoughts
from llm_studio.bench.coding.judge import right
from llm_studio.bench.coding.tasks import Task, Tasks, load
from llm_studio.bench.coding.truth import Truth, truths
from llm_studio.bench.record import Score, TaskOutcome
from llm_studio.bench.sandbox.choice import sandbox
from llm_studio.bench.sandbox.job import Job, Sandbox
from llm_studio.bench.suite import Bout
from llm_studio.errors import StudioError
from llm_studio.profiles.measured import settings_of

PROMPT = (
    "Please provide a self-contained Python script that solves the following problem in a markdown "
    "code block:"
)
"""The one prompt, EvalPlus's own, so that scores can be held against published ones."""
PROMPT_VERSION = 1
MOST_TOKENS = 16384
TRIES = 3
PAUSE = 1.0
"""Seconds until the second try; twice as long until the third."""
INVALID = 0.05
"""The part of all tasks that may fail for reasons of ours; beyond it the run says so."""
AT_ONCE = 2
"""Sandboxes at a time."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    name: str
    file: Path
    folder: Path
    studio: str
    limit: int = 0
    concurrency: int = 0
    """Requests at a time; 0: as many as the engine has slots."""
    again: bool = False
    """Ask everything anew, whatever an interrupted run left."""


class CodingSuite:
    own_context = False

    def __init__(self, wish: Wish) -> None:
        self.name = wish.name
        self.title = f"Coding ({wish.name})"
        self._wish = wish
        self._tasks: Tasks | None = None

    async def prepare(self) -> None:
        self._tasks = await asyncio.to_thread(load, self._wish.name, self._wish.file)
        place = await sandbox(self._wish.studio)
        await place.close()

    async def run(self, bout: Bout) -> None:
        assert self._tasks is not None
        wish, tasks = self._wish, self._tasks.tasks
        chosen = tasks[: wish.limit] if wish.limit else tasks
        place = await sandbox(wish.studio)
        try:
            bout.told("running the solutions that are known to be right", None)
            known = await truths(place, chosen)
            async with Chat(bout.studio.reception, bout.entry) as chat:
                await self._ask_all(bout, chat, place, known, chosen)
        finally:
            await place.close()

    async def _ask_all(
        self, bout: Bout, chat: Chat, place: Sandbox, known: dict[str, Truth],
        chosen: Sequence[Task],
    ) -> None:  # fmt: skip
        assert self._tasks is not None
        slots, context = await chat.abilities()
        users = self._wish.concurrency or slots
        question = Question.of(bout.entry, MOST_TOKENS, context)
        bout.settings |= {
            "tasks": len(chosen), "data sha256": self._tasks.sha256, "prompt": PROMPT_VERSION,
            "sandbox": place.name, "requests at a time": users, **question.settings(),
        }  # fmt: skip
        running = bout.studio.berths.main.supervisor.serving
        served = [running.image, running.command] if running else []
        identity = json.dumps([bout.entry.id, settings_of(bout.entry), bout.settings, served])
        journal = Journal(self._wish.folder / f"{_short(identity)}.jsonl")
        done = {} if self._wish.again else await asyncio.to_thread(journal.read)
        if done:
            bout.notes.append(f"{len(done)} answers are of an earlier run that was interrupted")
        queue = [task for task in chosen if task.id not in done]
        bout.tasks += [done[task.id] for task in chosen if task.id in done]
        if self._wish.again:
            await asyncio.to_thread(journal.forget)
        running_now = asyncio.Semaphore(AT_ONCE)

        async def worker() -> None:
            while queue:
                task = queue.pop(0)
                outcome = await _one(chat, question, place, running_now, task, known[task.id])
                bout.tasks.append(outcome)
                if outcome.verdict != "error":
                    with contextlib.suppress(OSError):  # it only saves work after an interruption
                        await asyncio.to_thread(journal.add, outcome)
                _count(bout)
                right_ones = sum(each.plus for each in bout.tasks)
                part = len(bout.tasks) / len(chosen)
                bout.told(f"{len(bout.tasks)} of {len(chosen)} tasks, {right_ones} right", part)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(users, len(queue))):
                group.create_task(worker())
        _count(bout)
        errors = sum(task.verdict == "error" for task in bout.tasks)
        if errors > INVALID * len(chosen):
            bout.notes.append(
                f"not valid: {errors} tasks failed for reasons that are not the model's"
            )
        else:
            await asyncio.to_thread(journal.forget)


def _count(bout: Bout) -> None:
    """The scores of what there is so far."""
    counted = [task for task in bout.tasks if task.verdict != "error"]
    for name in ("base", "plus"):
        score = Score.counted(sum(getattr(task, name) for task in counted), len(counted))
        bout.scores[f"pass@1 {name}"] = score
    cut = sum(task.truncated for task in counted)
    bout.settings["truncated answers"] = cut
    bout.settings["errors that are not the model's"] = len(bout.tasks) - len(counted)


async def _one(
    chat: Chat, question: Question, place: Sandbox, running: asyncio.Semaphore, task: Task,
    truth: Truth,
) -> TaskOutcome:  # fmt: skip
    """Ask, extract, run, judge; what fails on our side is tried again, and is no wrong answer."""
    if truth.fault:
        return TaskOutcome(task=task.id, verdict="error", why=truth.fault)
    attempts, why = 0, ""
    reply: Reply | None = None
    while attempts < TRIES:
        attempts += 1
        try:
            reply = reply or await chat.ask(
                f"{PROMPT}\n```python\n{task.prompt.strip()}\n```", question
            )
            async with running:
                return (await judged(place, task, truth, reply)).model_copy(
                    update={"attempts": attempts}
                )
        except StudioError as error:
            why = error.sentence
            if attempts < TRIES:
                await asyncio.sleep(PAUSE * attempts)
    answer = reply.text if reply else ""
    return TaskOutcome(task=task.id, verdict="error", why=why, attempts=attempts, answer=answer)


async def judged(place: Sandbox, task: Task, truth: Truth, reply: Reply) -> TaskOutcome:
    """What an answer is worth."""
    text, inline = without_thoughts(reply.text)
    found = extract(text, task.entry)
    outcome = TaskOutcome(
        task=task.id, verdict="unanswered", truncated=reply.truncated, answer=reply.text,
        thought=reply.thought or inline, code=found.code, extracted=found.how,
        tokens=reply.tokens, seconds=reply.seconds,
    )  # fmt: skip
    if not found.code:
        why = (
            "the answer was cut off before any code" if reply.truncated else "no code in the answer"
        )
        return outcome.model_copy(update={"why": why})
    inputs = [*task.base, *task.plus]
    ran = await place.run(Job(found.code, task.entry, inputs, truth.limits))
    if ran.end == "crashed" and not ran.values and not ran.why:
        ran = await place.run(Job(found.code, task.entry, inputs, truth.limits))

    def work() -> tuple[int, int]:
        """How many values are right, from the first on, and how many came."""
        count = 0
        for words, value, expected in zip(inputs, ran.values, truth.values, strict=False):
            if not right(task, words, value, expected):
                break
            count += 1
        return count, len(ran.values)

    good, came = await asyncio.to_thread(work)
    base, plus = good >= len(task.base), good == len(inputs)
    verdict = "passed" if plus else "timeout" if good == came and ran.end == "time" else "failed"
    why = ""
    if not plus:
        why = f"input {good + 1} of {len(inputs)}: "
        why += "another value" if good < came else f"{ran.end} {ran.why}".strip()
    return outcome.model_copy(update={"verdict": verdict, "base": base, "plus": plus, "why": why})


class Journal:
    """The answers of a run that is under way; an interrupted one is found here."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, outcome: TaskOutcome) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(outcome.model_dump_json() + "\n")

    def read(self) -> dict[str, TaskOutcome]:
        found: dict[str, TaskOutcome] = {}
        with contextlib.suppress(OSError):
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError):  # cut where the studio died
                    outcome = TaskOutcome.model_validate_json(line)
                    found[outcome.task] = outcome
        return found

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
