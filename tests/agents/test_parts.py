"""The parts on their own: what is passed on, what is told apart, what is advised."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from tests.standins.scripted_model import ScriptedModel

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup
from llm_studio.agents.bridge import Bridge
from llm_studio.agents.environment import environment_for
from llm_studio.agents.launch import write_files
from llm_studio.agents.registry import agent_of, agents, too_old
from llm_studio.agents.seating import suitable, take_seat
from llm_studio.agents.sessions import Sessions, key_for
from llm_studio.agents.summary import advice, summary
from llm_studio.agents.trial import trial
from llm_studio.errors import NotFound, NotReady
from llm_studio.server.security import check_key, session_of
from llm_studio.studio.requests import Requests
from llm_studio.studio.serving.desk import RequestRecord
from llm_studio.studio.session_sums import SessionSums
from llm_studio.studio.troubles import TOO_LONG, TOOL_CALL, trouble_in

SEAT = Seat("http://127.0.0.1:8080", "llm-studio~ab12", "coder", 65536, small="little")


def place(folder: Path, *, jailed: bool = True) -> Place:
    return Place(folder / "own", folder / "session", folder / "project", jailed)


@pytest.mark.parametrize("agent", [each for each in agents() if each.configure], ids=lambda a: a.id)
def test_each_is_told_the_same_and_writes_below_its_own_folders(
    agent: Agent, tmp_path: Path
) -> None:
    assert agent.configure is not None
    setup = agent.configure(SEAT, place(tmp_path))
    told = json.dumps([dict(setup.environment), setup.arguments, setup.steps]) + "".join(
        [*setup.files.values(), *setup.once.values()]
    )
    assert SEAT.gateway in told
    assert SEAT.key in told
    assert MODEL in told
    own = (tmp_path / "own", tmp_path / "session")
    assert all(
        any(folder in path.parents for folder in own) for path in {**setup.files, **setup.once}
    )
    for path, text in setup.files.items():
        if path.suffix == ".json":
            json.loads(text)


def test_a_link_that_an_agent_left_leads_nobody_out_of_its_folder(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine", tmp_path / "own"
    for folder in (mine, own):
        folder.mkdir()
    (mine / "settings.json").write_text("my own")
    (own / ".qwen").symlink_to(mine)
    setup = Setup(files={own / ".qwen" / "settings.json": "the agent's"})
    with pytest.raises(NotReady, match="leads out"):
        write_files(setup, folder=own)
    assert (mine / "settings.json").read_text() == "my own"
    (own / ".qwen").unlink()
    write_files(setup, folder=own)
    assert (own / ".qwen" / "settings.json").read_text() == "the agent's"


def test_what_cannot_be_is_said_so() -> None:
    assert not agent_of("gemini").possible
    assert not agent_of("copilot").possible
    assert "LiteLLM" in agent_of("gemini").note
    with pytest.raises(NotFound) as told:
        agent_of("cluade")
    assert "claude" in told.value.hint
    assert too_old(agent_of("claude"), "2.1.197")
    assert not too_old(agent_of("claude"), "2.1.330")
    assert not too_old(agent_of("claude"), "")


def test_the_environment_is_made_of_what_is_listed() -> None:
    caller = {
        "PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C", "ANTHROPIC_API_KEY": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret", "GITHUB_TOKEN": "secret", "SSH_AUTH_SOCK": "/tmp/x",
        "DBUS_SESSION_BUS_ADDRESS": "unix:", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "a,::1",
        "CLAUDECODE": "1", "DISPLAY": ":0",
    }  # fmt: skip
    made = environment_for(caller, {"MORE": "1"}, jailed=True)
    assert made == {
        "PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C", "TMPDIR": "/tmp", "MORE": "1",
        "NO_PROXY": "a,::1,127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost,::1",
    }  # fmt: skip
    assert environment_for(caller, {}, jailed=False)["HTTPS_PROXY"] == "http://proxy"


def test_a_session_is_read_off_the_key_and_the_key_still_counts() -> None:
    key = key_for("the-gateways-key", "ab12")
    assert session_of({"Authorization": f"Bearer {key}"}) == "ab12"
    assert session_of({"x-api-key": key_for("", "ab12")}) == "ab12"
    assert session_of({"Authorization": "Bearer sk-123"}) == ""
    assert session_of({"Authorization": "Bearer a~../../x"}) == ""
    assert check_key({"Authorization": f"Bearer {key}"}, "the-gateways-key")
    assert not check_key({"Authorization": "Bearer other~ab12"}, "the-gateways-key")
    assert not check_key({"Authorization": "Bearer ~ab12"}, "the-gateways-key")


def said(*pieces: str) -> bytes:
    lines = [json.dumps({"delta": {"type": "text_delta", "text": each}}) for each in pieces]
    return b"".join(b"data: " + line.encode() + b"\n\n" for line in lines)


@pytest.mark.parametrize(
    ("window", "done", "expected"),
    [
        (said("All ", "is well."), True, ""),
        (said("<tool", "_call>\n", '{"name": "Bash"}'), True, TOOL_CALL),
        (said("[TOOL_CALLS]Bash"), True, TOOL_CALL),
        (said("<tool_call>") + b'{"type": "tool_use"}', True, ""),
        (b'{"error":{"message":"Failed to parse input at pos 9"}}', False, TOOL_CALL),
        (b'{"error":{"type":"exceed_context_size_error"}}', False, TOO_LONG),
        (b'{"error":{"message":"Something else"}}', False, ""),
        (b"\xff\xfe" + said("\\u12"), True, ""),
    ],
)
def test_what_agents_trip_over_is_recognised(window: bytes, done: bool, expected: str) -> None:
    assert trouble_in(window, done=done) == expected


@pytest.mark.anyio
async def test_the_sums_of_a_session_outlive_the_studio(tmp_path: Path) -> None:
    requests = Requests(tmp_path / "requests.jsonl")
    for number in range(3):
        requests.add(
            RequestRecord(
                "/v1/messages",
                "claude-cli",
                session="ab12",
                prompt_tokens=100 * (number + 1),
                cached_tokens=50,
                generated_tokens=5,
                first_token=0.5,
                held=0.2,
                stop="tool_use",
                outcome="done",
            )
        )
    requests.add(RequestRecord("/v1/messages", "curl", prompt_tokens=7))
    await requests.close()
    again = Requests(tmp_path / "requests.jsonl")
    assert list(again.sessions) == ["ab12"]
    sums = again.sessions["ab12"]
    assert (sums.requests, sums.prompt_tokens, sums.largest_prompt) == (3, 600, 300)
    assert (sums.calls, sums.waited) == (3, 1.5)
    assert sums.held == pytest.approx(0.6)
    assert sums == requests.sessions["ab12"]


def test_the_summary_and_its_advice() -> None:
    sums = SessionSums()
    assert summary(asdict(sums)) == "No request was made."
    assert not list(advice(asdict(sums), 1000))
    sums = SessionSums(
        requests=5, waited=4.0, held=1.5, prompt_tokens=1000, cached_tokens=100,
        generated_tokens=20, largest_prompt=900, unparsed=1, cut=2, failed=1,
    )  # fmt: skip
    assert "10% from the cache" in summary(asdict(sums))
    assert "2.5 s reading prompts, 1.5 s waiting for the model" in summary(asdict(sums))
    told = " ".join(advice(asdict(sums), 1000))
    for word in ("900 of 1,000", "another template", "limit of tokens", "cache", "llm-studio logs"):
        assert word in told


def test_a_session_whose_process_is_gone_is_over(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path)
    session = sessions.begin(
        "claude", tmp_path, id_="ab12", profile="p", context=1, protection="none"
    )
    assert session.alive
    (folder,) = tmp_path.glob("agents/sessions")
    file = folder / "ab12.json"
    assert file.stat().st_mode & 0o077 == 0
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "birth": "boot 7"}))  # the number came again
    assert not sessions.all()[0].alive
    del told["birth"]  # as earlier releases kept it
    file.write_text(json.dumps(told))
    assert sessions.all()[0].alive
    file.write_text(json.dumps({**told, "born": told["born"] - 1000}))
    assert not sessions.all()[0].alive
    sessions.end(session, 0, None)
    assert sessions.all()[0].ended


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_clock_that_is_set_ends_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    sessions = Sessions(tmp_path)
    sessions.begin("claude", tmp_path, id_="ab12", profile="p", context=1, protection="none")
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + step)
    assert sessions.all()[0].alive


def test_the_bridge_carries_both_ways_and_hangs_up_with_either() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        connection, _ = listener.accept()
        while data := connection.recv(1024):
            connection.sendall(data.upper())
        connection.close()

    threading.Thread(target=echo, daemon=True).start()
    path = f"/tmp/llm-studio-test-{os.getpid()}.sock"
    bridge = Bridge(path, "127.0.0.1", listener.getsockname()[1])
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(path)
            client.sendall(b"hello")
            assert client.recv(5) == b"HELLO"
            client.shutdown(socket.SHUT_WR)
            assert client.recv(5) == b""
        listener.close()
        with socket.socket(socket.AF_UNIX) as client:  # nobody is there any more
            client.settimeout(10)
            client.connect(path)
            assert client.recv(5) == b""
    finally:
        bridge.close()
        os.unlink(path)


def profile(id_: str, slot_context: int, **values: object) -> dict[str, object]:
    return {
        "id": id_, "name": id_.title(), "state": "available", "fit": "one-gpu", "size": 1 << 30,
        "tags": [], "tools": True, "slot_context": slot_context, **values,
    }  # fmt: skip


def test_profiles_are_offered_that_suit_and_the_demo_last() -> None:
    profiles = [
        profile("demo", 32768, tags=["demo"], size=2 << 40), profile("little", 16384),
        profile("words", 65536, tools=False), profile("huge", 65536, fit="too-big"),
        profile("unknown", 65536, tools=None), profile("broken", 65536, state="broken"),
        profile("coder", 32768, size=2 << 30), profile("slow", 65536, fit="layers-on-cpu"),
    ]  # fmt: skip
    offered = [each["id"] for each in suitable(agent_of("claude"), profiles)]
    assert offered == ["coder", "unknown", "slow", "words", "demo"]
    by_text = [each["id"] for each in suitable(agent_of("aider"), profiles)]
    assert by_text.index("words") < by_text.index("slow")


def test_a_second_model_that_is_served_takes_the_small_tasks() -> None:
    model = ScriptedModel()
    try:
        beside = [{"state": "ready", "profile": "little"}]
        status = {"state": "ready", "profile": "served", "beside": beside}
        seat = take_seat(agent_of("claude"), status, [], gateway=model.url, key="k").seat
    finally:
        model.close()
    assert (seat.profile, seat.small) == ("served", "little")


def test_only_profiles_with_room_enough_may_take_over_in_the_midst() -> None:
    model = ScriptedModel()
    try:
        status = {"state": "ready", "profile": "served", "beside": []}
        profiles = [
            profile("served", 65536, state="ready"), profile("as-much", 65536),
            profile("less", 32768),
        ]  # fmt: skip
        seat = take_seat(agent_of("claude"), status, profiles, gateway=model.url, key="k").seat
    finally:
        model.close()
    assert seat.context == 65536
    assert [id_ for id_, _ in seat.others] == ["served", "as-much"]


@pytest.mark.parametrize("name", ["claude", "codex", "opencode"])
def test_a_trial_sends_what_the_agent_would_send(name: str) -> None:
    model = ScriptedModel()
    try:
        seat = Seat(model.url, "k~test", "scripted", 65536)
        steps = {step.what: step.works for step in trial(agent_of(name), seat)}
        assert steps["a streamed answer"] is True
        assert steps["a long system prompt"] is True
        assert steps["a tool call"] is None, "it was not told to call one"
        model.before = lambda _: (400, {"error": {"message": "No tools here"}})
        (step,) = trial(agent_of(name), seat)
        assert step.works is False
        assert "No tools here" in step.told
    finally:
        model.close()
