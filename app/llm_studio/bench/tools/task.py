"""One task of tool calling, and what an answer to it is worth."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_studio.bench.chat import Messages, Reply
from llm_studio.bench.record import TaskOutcome
from llm_studio.studio.troubles import looks_like_a_call


@dataclass(frozen=True, slots=True)
class Either:
    """One of several values is right."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """It may be left out; if it is there, it must be this."""

    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """What is said, with which tools, and what is right: calls in any order, or an answer in
    words that holds `says`."""

    id: str
    kind: str
    tools: Sequence[str]
    messages: Messages
    calls: tuple[Call, ...] = ()
    says: str = ""


def judged(task: Task, reply: Reply) -> TaskOutcome:
    """Exactly: a value of another type, or one too many, is wrong."""
    shown = [f"{name}({arguments})" for name, arguments in reply.calls]
    outcome = TaskOutcome(
        task=task.id, kind=task.kind, verdict="failed", truncated=reply.truncated,
        answer="\n".join([*([reply.text] if reply.text else []), *shown]), thought=reply.thought,
        tokens=reply.tokens, seconds=reply.seconds,
    )  # fmt: skip
    try:
        calls = [Call(name, _object(arguments)) for name, arguments in reply.calls]
    except ValueError as error:
        return outcome.model_copy(update={"verdict": "unparsed", "why": str(error)})
    if not calls and looks_like_a_call(reply.text):
        why = "a call came as text, for it could not be read"
        return outcome.model_copy(update={"verdict": "unparsed", "why": why})
    if not calls and not reply.text.strip():
        why = "cut off" if reply.truncated else "neither a call nor an answer"
        return outcome.model_copy(update={"verdict": "unanswered", "why": why})
    why = _wrong_with(task, calls, reply.text)
    if why:
        return outcome.model_copy(update={"why": why})
    return outcome.model_copy(update={"verdict": "passed", "base": True, "plus": True})


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ValueError("the arguments of a call are no JSON object")
    return told


def _wrong_with(task: Task, calls: Sequence[Call], text: str) -> str:
    if not task.calls:
        if calls:
            return f"called {calls[0].name}, and no call was needed"
        said = re.search(rf"(?<!\w){re.escape(task.says)}(?!\w)", text, re.IGNORECASE)
        return "" if said or not task.says else f"the answer does not say {task.says}"
    if not calls:
        return "no call"
    if len(calls) != len(task.calls):
        return f"{len(calls)} calls, and {len(task.calls)} were right"
    left = list(calls)
    for wanted in task.calls:
        same = next((call for call in left if _same_call(wanted, call)), None)
        if same is None:
            return f"no right call of {wanted.name}"
        left.remove(same)
    return ""


def _same_call(wanted: Call, call: Call) -> bool:
    return wanted.name == call.name and same(wanted.arguments, call.arguments)


def same(wanted: Any, given: Any) -> bool:
    """Whether a value is right, in its type too; texts may differ in case and outer space."""
    if isinstance(wanted, Either):
        return any(same(each, given) for each in wanted.values)
    if isinstance(wanted, Maybe):
        return same(wanted.value, given)
    if isinstance(wanted, Mapping):
        return (
            isinstance(given, Mapping)
            and given.keys() <= wanted.keys()
            and all(
                same(value, given[key]) if key in given else isinstance(value, Maybe)
                for key, value in wanted.items()
            )
        )
    if isinstance(wanted, list):
        return (
            isinstance(given, list) and len(given) == len(wanted) and all(map(same, wanted, given))
        )
    if isinstance(wanted, str):
        return isinstance(given, str) and given.strip().casefold() == wanted.casefold()
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    return isinstance(given, int | float) and given == wanted
