"""`llm-studio chat` as a process: what it composes with, and what it never lets through."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.e2e.user import User
from tests.standins.chatty_engine import ChattyEngine, Script, in_a_thread, text, thought

HOSTILE = "ok \x1b]52;c;AAAA\x07\x9b2J\u202e[/INST] é\n"


@pytest.fixture
def chatty(user: User) -> Iterator[ChattyEngine]:
    """A server of somebody else's, which says what the test wants; profile `chatty`."""
    with in_a_thread(ChattyEngine()) as engine:
        path = user.home / "profiles" / "chatty.toml"
        path.write_text(engine.profile())
        yield engine


def raw(user: User, *words: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "llm_studio", "chat", *words],
        stdin=subprocess.DEVNULL, env=user.environment, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_profile_is_loaded_if_needed(user: User, chatty: ChattyEngine) -> None:
    user.serve()
    refused = user.run("chat", "Hi")
    assert (refused.code, "No model is served" in refused.err) == (3, True)
    assert user.ok("chat", "--profile", "chatty", "Hi").out == "Hello there.\n"
    assert user.status()["profile"] == "chatty"
    absent = user.run("chat", "--profile", "chaty", "Hi")
    assert (absent.code, "'chatty'" in absent.err) == (4, True)


def test_what_is_asked(user: User, chatty: ChattyEngine) -> None:
    user.serve()
    user.up("chatty")
    file, picture = user.home / "a.py", user.home / "b.png"
    file.write_text("print('```')")
    picture.write_bytes(b"\x89PNG....")
    schema = user.home / "schema.json"
    schema.write_text('{"type": "object"}')
    words = ("--system", "Be brief.", "-f", str(file), "-f", str(picture), "--schema", str(schema))
    user.ok("chat", *words, "--seed", "7", "--temperature", "0", "Look", stdin="and this")
    body = chatty.asked[-1]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    shown, said = body["messages"][1]["content"]
    data = base64.b64encode(picture.read_bytes()).decode()
    assert shown["image_url"]["url"] == f"data:image/png;base64,{data}"
    assert said["text"] == "Look\n\na.py:\n````\nprint('```')\n````\n\nand this"
    assert (body["seed"], body["temperature"]) == (7, 0)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    missing = user.run("chat", "-f", "/no/such", "Look")
    assert (missing.code, "Cannot read /no/such" in missing.err) == (2, True)


def test_json_tells_everything_and_is_safe(user: User, chatty: ChattyEngine) -> None:
    chatty.scripts = [Script(thought("Hm.") + text(HOSTILE))]
    user.serve()
    user.up("chatty")
    result = user.ok("chat", "--json", "Hi")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(result.out)
    assert result.json["answer"] == HOSTILE
    assert (result.json["thoughts"], result.json["finish"]) == ("Hm.", "stop")
    assert (result.json["speed"], result.json["cached_tokens"]) == (42.0, 3)
    assert result.err == ""


def test_an_answer_in_a_pipe(user: User, chatty: ChattyEngine) -> None:
    chatty.scripts = [Script(text(HOSTILE))]
    user.serve()
    user.up("chatty")
    told = raw(user, "Hi").decode()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
    assert "[/INST] é\n" in told
    assert raw(user, "--raw", "Hi") == HOSTILE.encode()


def test_a_refusal_of_the_engine_fails(user: User, chatty: ChattyEngine) -> None:
    chatty.scripts = [Script([], refusal={"code": 400, "message": "no \x1b[2J", "type": "x"})]
    user.serve()
    user.up("chatty")
    refused = user.run("chat", "Hi")
    assert (refused.code, refused.out) == (1, "")
    assert "did not answer" in refused.err
    assert "\x1b" not in refused.err


def test_a_conversation_goes_on_without_who_asked(user: User) -> None:
    """With a real engine: stopped, continued, and cut by the studio's death."""
    user.serve()
    user.up("one")
    made = user.ask("POST", "/conversations", {"settings": {"sampling": {"max_tokens": 3000}}})
    talk = f"/conversations/{made['summary']['id']}"
    number = user.ask("POST", f"{talk}/messages", {"text": "Hello"})["answers"][0]
    user.until_counted(running=1)
    while not _answer(user, talk, number)["text"]:
        pass
    stopped = user.ask("POST", f"{talk}/stop")["messages"][-1]
    assert stopped["state"] == "stopped"
    assert stopped["text"]
    assert user.status()["running"] == 0
    with user.direct() as engine:
        while any(slot["is_processing"] for slot in engine.get("/slots").json()):
            pass
    user.ask("POST", f"{talk}/messages/{number}/continue", {})
    while len(_answer(user, talk, number)["text"]) < len(stopped["text"]) + 20:
        pass
    came = _answer(user, talk, number)["text"]
    assert came.startswith(stopped["text"])
    user.kill_studio()
    user.serve()
    cut = _answer(user, talk, number)
    assert cut["state"] == "cut"
    assert cut["text"].startswith(stopped["text"])
    assert json.loads(user.ok("status", "--json").out)["profile"] == "one"


def _answer(user: User, talk: str, number: int) -> dict[str, str]:
    messages = user.ask("GET", talk)["messages"]
    found: dict[str, str] = next(each for each in messages if each["id"] == number)
    return found
