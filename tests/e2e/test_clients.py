"""Many clients at once, and clients that stall: nobody is lost, and nobody holds up the others."""

from __future__ import annotations

import asyncio
import collections
import json
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import httpx
from tests.e2e.seen import LIMIT
from tests.e2e.user import User, chat

from llm_studio.place import socket_path


def test_a_hundred_switches_at_once(user: User) -> None:
    """One runs; who wants the same joins it, the others are told of it; and so it ends."""
    gate = user.hold()
    user.serve()

    async def all_at_once() -> list[httpx.Response]:
        transport = httpx.AsyncHTTPTransport(uds=str(socket_path(user.state)))
        async with httpx.AsyncClient(transport=transport, timeout=LIMIT) as http:
            wishes = [{"model": ("held", "held-too")[number % 2]} for number in range(100)]
            asked = (http.post("http://studio/switch", json=wish) for wish in wishes)
            return await asyncio.gather(*asked)

    answers = asyncio.run(all_at_once())
    codes = collections.Counter(answer.status_code for answer in answers)
    assert codes == {202: 50, 409: 50}
    began, refused = (
        [answer.json() for answer in answers if answer.status_code == code] for code in (202, 409)
    )
    (job,) = {answer["job"]["id"] for answer in began}
    (model,) = {answer["model"] for answer in began}
    assert {(answer["model"], answer["job"]) for answer in refused} == {(model, job)}
    assert all(job in answer["hint"] for answer in refused)
    gate.open()
    assert user.ended({"id": job})["state"] == "done"
    assert len(user.ask("GET", "/jobs")) == 1
    assert len(list((user.state / "engines").glob("*.json"))) == 1
    status = user.status()
    assert (status["state"], status["profile"], status["desired"]) == ("ready", model, model)
    with user.gateway as gateway:
        assert chat(gateway).json()["model"] == model


def test_two_profiles_take_turns(user: User) -> None:
    """Who keeps asking for the one does not keep the other out; and neither flaps."""
    user.serve()
    user.up("one")
    served: list[str] = []
    with user.gateway as gateway:

        def insist() -> None:
            while "two" not in served:
                served.append(chat(gateway, model="one", tokens=2).json()["model"])

        insisting = threading.Thread(target=insist)
        insisting.start()
        asked = [chat(gateway, model="two", tokens=2).json()["model"] for _ in range(3)]
        served += asked
        insisting.join(LIMIT)
    assert asked == ["two"] * 3
    assert set(served) == {"one", "two"}
    switches = [job["title"] for job in user.ask("GET", "/jobs")]
    assert switches[:2] == ["Serve one", "Serve two"]
    assert len(switches) <= 3


def test_a_client_that_stalls_in_the_midst_of_an_answer(user: User) -> None:
    user.serve()
    user.up("one")
    with user.gateway as gateway:
        body = {
            "messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": -1,
            "logprobs": True, "top_logprobs": 20, "ignore_eos": True,
        }  # fmt: skip
        with request(user, body) as stalled:
            assert stalled.recv(16).startswith(b"HTTP/1.1 200")
            user.until_counted(running=1)  # of megabytes that nobody reads
            for _ in range(3):
                assert chat(gateway).status_code == 200
            assert user.status()["running"] == 1
        user.until_counted(running=0)
        assert user.ask("GET", "/requests")[-1]["outcome"] == "cancelled"
    user.ok("down")


def test_a_client_that_stalls_in_the_midst_of_a_request(user: User) -> None:
    """It has not asked for anything yet: a switch does not wait for it."""
    user.serve()
    user.up("one")
    address = urlsplit(user.status()["gateway"])
    with socket.create_connection((address.hostname, address.port or 80)) as stalled:
        stalled.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
            'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"messages'.encode()
        )
        with user.gateway as gateway:
            assert chat(gateway).status_code == 200
        assert user.status()["running"] == 0
        assert user.up("two")["state"] == "done"


def request(user: User, body: Any) -> socket.socket:
    """A request of a client that takes little at a time."""
    address = urlsplit(user.status()["gateway"])
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((address.hostname, address.port))
    content = json.dumps(body).encode()
    client.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    return client
