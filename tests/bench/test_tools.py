"""Tool calling: the tasks, what answers are worth, and whole runs on a scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.conftest import Home
from tests.standins.scripted_upstream import Script, ScriptedUpstream, Wire

from llm_studio.bench.bench import Bench
from llm_studio.bench.chat import Reply
from llm_studio.bench.compare import compare
from llm_studio.bench.record import Run
from llm_studio.bench.tools import suite as tools
from llm_studio.bench.tools.functions import function
from llm_studio.bench.tools.suite import ToolsSuite
from llm_studio.bench.tools.task import Call, Either, Maybe, Task, judged
from llm_studio.bench.tools.tasks import tasks
from llm_studio.engines.registry import create_engines
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
BY_ID = {task.id: task for task in tasks()}
Answer = tuple[int, dict[str, Any]]


def plain(value: Any) -> Any:
    """One right value."""
    if isinstance(value, Either):
        return plain(value.values[0])
    if isinstance(value, Maybe):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def reply(*calls: tuple[str, Any], text: str = "", truncated: bool = False) -> Reply:
    told = tuple((name, a if isinstance(a, str) else json.dumps(a)) for name, a in calls)
    return Reply(text, "", truncated, 5, 0.1, told)


def right(task: Task) -> Reply:
    calls = [(call.name, plain(call.arguments)) for call in task.calls]
    return reply(*calls, text="" if calls else f"It is {task.says or 'so'}.")


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.id)
def test_what_is_right_can_be_called_and_passes(task: Task) -> None:
    offered = {name: function(name)["function"]["parameters"] for name in task.tools}
    for schema in offered.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for call in task.calls:
        jsonschema.validate(plain(call.arguments), offered[call.name])
    assert judged(task, right(task)).verdict == "passed"


LIGHTS = {"room": "kitchen", "on": False}


@pytest.mark.parametrize(
    ("id_", "answer", "verdict"),
    [
        ("choose/0", reply(("get_weather", {"city": " lisbon"})), "passed"),
        ("choose/0", reply(("get_weather", {"city": "Lisbon", "unit": "kelvin"})), "failed"),
        ("choose/0", reply(("get_weather", {"city": "Lisbon", "day": "now"})), "failed"),
        ("choose/0", reply(("get_forecast", {"city": "Lisbon"})), "failed"),
        ("choose/0", reply(text="I cannot know."), "failed"),
        ("choose/0", reply(("get_weather", "{city")), "unparsed"),
        ("choose/0", reply(("get_weather", "[]")), "unparsed"),
        ("choose/0", reply(text="<tool_call>{...}"), "unparsed"),
        ("choose/0", reply(truncated=True), "unanswered"),
        ("choose/11", reply(("reset_password", {"user_id": "4711"})), "failed"),
        ("types/0", reply(("set_thermostat", {"room": "bedroom", "degrees": "21.5"})), "failed"),
        ("types/1", reply(("switch_lights", {**LIGHTS, "on": 0})), "failed"),
        ("types/2", reply(("set_timer", {"seconds": 150.0})), "passed"),
        ("parallel/0", reply(("switch_lights", LIGHTS)), "failed"),
        ("parallel/0", reply(("switch_lights", LIGHTS), ("switch_lights", LIGHTS)), "failed"),
        (
            "parallel/0",
            reply(("switch_lights", {**LIGHTS, "room": "office"}), ("switch_lights", LIGHTS)),
            "passed",
        ),
        ("none/9", reply(text="42"), "passed"),
        ("none/9", reply(text="It is 421."), "failed"),
        ("none/9", reply(("set_timer", {"seconds": 42})), "failed"),
        ("result/5", reply(text="17 degrees"), "passed"),
        ("result/5", reply(("get_weather", {"city": "Turku"})), "failed"),
    ],
)
def test_what_an_answer_is_worth(id_: str, answer: Reply, verdict: str) -> None:
    outcome = judged(BY_ID[id_], answer)
    assert outcome.verdict == verdict, outcome.why
    assert outcome.base == (verdict == "passed")


def model(answer: Callable[[Task, int], Answer]) -> Script:
    """Answers each task as told, by its last request of the user and what came after."""
    known = {json.dumps(task.messages): task for task in tasks()}
    asked: dict[str, int] = {}

    async def script(wire: Wire) -> None:
        if not wire.seen.target.startswith("/v1/chat"):
            await wire.answer(b'{"data": [{"id": "scripted"}], "status": "ok"}')
            return
        body = json.loads(wire.seen.body)
        assert [each["function"]["name"] for each in body["tools"]]
        task = known[json.dumps(body["messages"][1:])]
        asked[task.id] = asked.get(task.id, 0) + 1
        status, message = answer(task, asked[task.id])
        told = message if status != 200 else {"choices": [{"message": message}]}
        await wire.answer(json.dumps(told).encode(), status=f"{status} X")

    return script


def message(answer: Reply) -> dict[str, Any]:
    calls = [{"function": {"name": n, "arguments": a}, "id": "x"} for n, a in answer.calls]
    return {"content": answer.text, "tool_calls": calls}


@pytest.fixture
async def studio(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    monkeypatch.setattr(tools, "PAUSE", 0.01)
    studio = Studio(load_settings(), create_engines(load_settings()))
    yield studio
    for job in studio.stop():
        await studio.jobs.ended(job)
    await studio.close()


async def ran(studio: Studio, home: Home, answer: Callable[[Task, int], Answer]) -> Run:
    async with ScriptedUpstream(model(answer)) as server:
        url = f"http://127.0.0.1:{server.port}"
        home.profile("far", f'name = "far"\n[engine]\nkind = "external"\nurl = "{url}"\n')
        bench = Bench(studio)
        async with asyncio.timeout(50):
            job = await studio.jobs.ended(await bench.start(ToolsSuite(concurrency=4), ["far"]))
    assert (job.state, job.error) == ("done", "")
    return bench.results.all()[-1]


async def test_a_model_that_is_right_and_one_that_is_not(studio: Studio, home: Home) -> None:
    good = await ran(studio, home, lambda task, _: (200, message(right(task))))
    assert {task.verdict for task in good.tasks} == {"passed"}
    assert good.scores["right"].right == good.scores["right"].of == len(BY_ID)
    assert good.scores["right: nested"].low < 1.0

    def careless(task: Task, _: int) -> Answer:
        if task.kind == "types":
            return 500, {"error": {"message": "Failed to parse input at pos 0: <tool_call>"}}
        calls: list[tuple[str, Any]] = [(call.name, {}) for call in task.calls]
        return 200, message(reply(*calls, text="no"))

    bad = await ran(studio, home, careless)
    assert bad.settings["calls that cannot be read"] == len(
        [task for task in tasks() if task.kind == "types"]
    )
    assert bad.scores["right: types"].right == 0
    assert {task.attempts for task in bad.tasks} == {1}  # the model's own faults are final
    (found,) = compare(good, bad)
    assert (found.measure, found.verdict) == ("right", "worse")


async def test_what_is_not_the_models_fault_is_no_wrong_answer(studio: Studio, home: Home) -> None:
    def answer(task: Task, times: int) -> Answer:
        if task.id == "choose/0" and times < 3:
            return 503, {"error": "busy"}
        if task.kind == "parallel":
            return 500, {"error": {"message": "out of memory"}}
        return 200, message(right(task))

    run = await ran(studio, home, answer)
    found = {task.task: task for task in run.tasks}
    assert (found["choose/0"].verdict, found["choose/0"].attempts) == ("passed", 3)
    assert (found["parallel/0"].verdict, found["parallel/0"].attempts) == ("error", 3)
    score = run.scores["right"]
    assert score.right == score.of == len(BY_ID) - 8
    assert "right: parallel" not in run.scores
    assert any("not valid" in note for note in run.notes)


def test_a_call_with_what_may_be_left_out() -> None:
    task = Task("own", "own", (), [], (Call("f", {"a": 1, "b": Maybe(2)}),))
    for given, passes in (({"a": 1}, 1), ({"a": 1, "b": 2}, 1), ({"a": 1, "b": 3}, 0), ({}, 0)):
        assert judged(task, reply(("f", given))).base == bool(passes)
