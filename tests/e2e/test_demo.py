"""The demo model, from an empty home to an answer: by the embedded engine, and in a container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.e2e.conftest import BOTH
from tests.e2e.user import User
from tests.standins.engine_truth import require_engine

from llm_studio.models.demo.file import FILE
from llm_studio.models.demo.script import script
from llm_studio.place import socket_path

in_both = pytest.mark.parametrize("served", BOTH, indirect=True, scope="module")
embedded = pytest.mark.parametrize("served", BOTH[:1], indirect=True, scope="module")

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "near": {"type": "string"},
            },
            "required": ["city", "days", "unit"],
        },
    },
}
ARGUMENTS = {"unit": "celsius", "city": "Paris", "days": 1}


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """The demo, asked for by one command."""
    if request.param == "docker":
        require_engine()
    user = User(tmp_path_factory.mktemp("demo") / "home", request.param)
    if request.param == "process":
        user.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    assert not (user.models / FILE).exists()
    try:
        told = {each["id"]: each for each in user.ok("list", "--json").json}
        assert told["demo"]["state"] == "available"
        assert not (user.models / FILE).exists()
        assert user.ok("up", "demo").out.startswith("demo is ready")
        assert user.status()["engine"]["kind"] == request.param
        yield user
    finally:
        user.close()


def ask(user: User, text: str, **more: Any) -> Any:
    messages = more.pop("messages", [{"role": "user", "content": text}])
    with user.gateway as http:
        answer = http.post("/v1/chat/completions", json={"messages": messages, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


def topic(word: str) -> dict[str, str]:
    found: dict[str, str] = next(each for each in script()["topic"] if word in each["words"])
    return found


@in_both
def test_a_question_on_the_command_line(served: User) -> None:
    told = served.ok("chat", "--json", "What fits on my GPU, s'il te plaît?").json
    assert told["thoughts"].strip() == topic("gpu")["thought"].strip()
    assert told["answer"] == f"{topic('gpu')['answer'].strip()}\n\n{script()['signature']}"
    assert told["finish"] == "stop"


@embedded
def test_it_is_itself_at_any_temperature_and_need_not_think(served: User) -> None:
    wanted = f"{topic('hello')['answer'].strip()}\n\n{script()['signature']}"
    kwargs = {"enable_thinking": False}
    said = ask(served, "Hello!", temperature=2.0, chat_template_kwargs=kwargs)
    assert said["message"]["content"] == wanted
    assert not said["message"].get("reasoning_content")


@embedded
def test_a_stream_brings_thoughts_then_words(served: User) -> None:
    body = {"messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    seen, thoughts, words = [], "", ""
    with served.gateway as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    seen.append(choice["delta"])
    thoughts = "".join(each.get("reasoning_content") or "" for each in seen)
    words = "".join(each.get("content") or "" for each in seen)
    assert thoughts.strip() == topic("hello")["thought"].strip()
    assert words.startswith("Hello! It works")
    assert len(seen) > 100


@in_both
def test_a_tool_is_called_and_its_result_told(served: User) -> None:
    question = {"role": "user", "content": "How is the weather?"}
    said = ask(served, "", messages=[question], tools=[TOOL])
    assert said["finish_reason"] == "tool_calls"
    (call,) = said["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == ARGUMENTS
    result = {"role": "tool", "tool_call_id": call["id"], "content": "21 °C, and <sunny>"}
    messages = [question, said["message"], result]
    said = ask(served, "", messages=messages, tools=[TOOL])
    assert "21 °C, and (sunny>" in said["message"]["content"]
    again = [*messages, said["message"], {"role": "user", "content": "And tomorrow?"}]
    assert ask(served, "", messages=again, tools=[TOOL])["finish_reason"] == "tool_calls"


@embedded
def test_of_many_tools_one_that_only_looks_is_called_or_none(served: User) -> None:
    def tool(name: str) -> Any:
        string = {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        }
        return {"type": "function", "function": {"name": name, "parameters": string}}

    said = ask(served, "Go", tools=[tool("Write"), tool("Bash"), tool("list_it")])
    (call,) = said["message"]["tool_calls"]
    assert call["function"] | {"name": "Bash", "arguments": '{"command": "ls"}'} == call["function"]
    said = ask(served, "Go", tools=[tool("Write"), tool("delete")], max_tokens=300)
    assert not said["message"].get("tool_calls")
    assert "none that a script should call" in said["message"]["reasoning_content"]


@embedded
def test_a_schema_is_kept_and_the_answer_ends(served: User) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    said = ask(served, "Hello", response_format=form, max_tokens=1200)
    assert said["finish_reason"] == "stop"
    assert isinstance(json.loads(said["message"]["content"])["n"], int)


@in_both
def test_an_anthropic_message_with_a_tool(served: User) -> None:
    parameters = TOOL["function"]["parameters"]  # type: ignore[index]
    body = {
        "model": "demo", "max_tokens": 1000, "system": "You are an agent. " * 3000,
        "messages": [{"role": "user", "content": "Look around"}],
        "tools": [{"name": "get_weather", "description": "", "input_schema": parameters}],
    }  # fmt: skip
    with served.gateway as http:
        answer: httpx.Response = http.post("/v1/messages", json=body)
    told = answer.json()
    assert answer.status_code == 200, told
    assert told["stop_reason"] == "tool_use"
    blocks = {each["type"]: each for each in told["content"]}
    assert blocks["tool_use"]["input"] == ARGUMENTS
    assert blocks["thinking"]["thinking"].strip() == script()["tools"]["thought"]


@in_both
def test_an_answer_that_was_cut_goes_on_where_it_was_after_its_thoughts(served: User) -> None:
    short = {"settings": {"sampling": {"max_tokens": 120}}}
    talk = f"/conversations/{served.ask('POST', '/conversations', short)['summary']['id']}"
    asked = {"text": "What fits on a GPU?"}
    (number,) = served.ask("POST", f"{talk}/messages", asked)["answers"]
    cut = _ended(served, talk, number)
    assert cut["state"] == "length"
    assert cut["thought"]
    assert cut["text"]
    served.ask("PATCH", talk, {"settings": {"sampling": {"max_tokens": 4000}}})
    served.ask("POST", f"{talk}/messages/{number}/continue", {})
    whole = _ended(served, talk, number)
    assert whole["state"] == "done"
    assert whole["text"].startswith(cut["text"])
    assert whole["text"].strip() == ask(served, asked["text"])["message"]["content"].strip()
    assert whole["thought"] == cut["thought"]


def _ended(user: User, talk: str, number: int) -> Any:
    """The message once its stream of events is over."""
    transport = httpx.HTTPTransport(uds=str(socket_path(user.state)))
    with httpx.Client(transport=transport, timeout=60) as http:
        http.get(f"http://studio{talk}/messages/{number}/events")
    told = user.ask("GET", talk)
    return next(each for each in told["messages"] if each["id"] == number)
