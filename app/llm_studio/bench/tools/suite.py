"""Tool calling: asks for each task, judges what is called, and counts."""

from __future__ import annotations

import asyncio

from llm_studio.bench.chat import Chat, Question, Unreadable
from llm_studio.bench.record import Score, TaskOutcome
from llm_studio.bench.suite import Bout
from llm_studio.bench.tools.functions import function
from llm_studio.bench.tools.task import Task, judged
from llm_studio.bench.tools.tasks import VERSION, tasks
from llm_studio.errors import StudioError

SYSTEM = (
    "You have tools. Call them where they are needed to do what is asked, with the values that are "
    "given; call several at once where several things are asked. Else answer in plain words."
)
MOST_TOKENS = 4096
TRIES = 3
PAUSE = 1.0
"""Seconds until the second try; twice as long until the third."""
INVALID = 0.05
"""The part of all tasks that may fail for reasons of ours; beyond it the run says so."""


class ToolsSuite:
    name = "tools"
    title = "Tool calling"
    own_context = False

    def __init__(self, *, limit: int = 0, concurrency: int = 0) -> None:
        self._concurrency = concurrency
        self._tasks = tasks()[: limit or None]

    async def prepare(self) -> None:
        """Nothing is needed beforehand."""

    async def run(self, bout: Bout) -> None:
        async with Chat(bout.studio.reception, bout.entry) as chat:
            slots, context = await chat.abilities()
            users = self._concurrency or slots
            question = Question.of(bout.entry, MOST_TOKENS, context)
            bout.settings |= {
                "tasks": len(self._tasks), "tasks version": VERSION, "requests at a time": users,
                **question.settings(),
            }  # fmt: skip
            queue = list(self._tasks)

            async def worker() -> None:
                while queue:
                    bout.tasks.append(await _one(chat, question, queue.pop(0)))
                    _count(bout)
                    done, right = len(bout.tasks), sum(each.base for each in bout.tasks)
                    told = f"{done} of {len(self._tasks)} tasks, {right} right"
                    bout.told(told, done / len(self._tasks))

            async with asyncio.TaskGroup() as group:
                for _ in range(min(users, len(queue))):
                    group.create_task(worker())
        errors = sum(task.verdict == "error" for task in bout.tasks)
        if errors > INVALID * len(self._tasks):
            bout.notes.append(
                f"not valid: {errors} tasks failed for reasons that are not the model's"
            )


async def _one(chat: Chat, question: Question, task: Task) -> TaskOutcome:
    """What fails on our side is tried again, and is no wrong answer."""
    why = ""
    messages = [{"role": "system", "content": SYSTEM}, *task.messages]
    if question.system:  # the profile's own goes first, in one message: some templates take one
        messages[0] = {"role": "system", "content": f"{question.system}\n{SYSTEM}"}
    offered = [function(name) for name in task.tools]
    for attempt in range(1, TRIES + 1):
        try:
            reply = await chat.talk(
                messages, question.without_system(), tools=offered, parallel_tool_calls=True
            )
            return judged(task, reply).model_copy(update={"attempts": attempt})
        except Unreadable as error:
            return TaskOutcome(
                task=task.id, kind=task.kind, verdict="unparsed", why=error.why, attempts=attempt
            )
        except StudioError as error:
            why = error.sentence
            if attempt < TRIES:
                await asyncio.sleep(PAUSE * attempt)
    return TaskOutcome(task=task.id, kind=task.kind, verdict="error", why=why, attempts=TRIES)


def _count(bout: Bout) -> None:
    """The scores of what there is so far: of all, and of each kind."""
    counted = [task for task in bout.tasks if task.verdict != "error"]
    bout.scores["right"] = Score.counted(sum(task.base for task in counted), len(counted))
    for kind in sorted({task.kind for task in counted}):
        some = [task for task in counted if task.kind == kind]
        bout.scores[f"right: {kind}"] = Score.counted(sum(task.base for task in some), len(some))
    bout.settings["calls that cannot be read"] = sum(t.verdict == "unparsed" for t in counted)
    bout.settings["truncated answers"] = sum(task.truncated for task in counted)
    bout.settings["errors that are not the model's"] = len(bout.tasks) - len(counted)
