"""What passes the gateway, against a scripted engine: bytes, headers, waits, ends of all kinds."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.gateway_stand import (
    CHAT,
    ENGINE_KEY,
    Stand,
    ask,
    exchange,
    head,
    read_chunk,
    read_reply,
    stand,
)
from tests.standins.scripted_upstream import Wire

from llm_studio.server import upstream
from llm_studio.server.capture import Capture

SECRET = "what-was-asked-and-answered"
MESSAGES = "/v1/messages"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def open_chat(made: Stand, **asked: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A chat whose answer the test reads by itself."""
    body = json.dumps({"stream": True, **asked}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    length = f"Content-Length: {len(body)}"
    writer.write(head(made.port, "POST", CHAT, "Content-Type: application/json", length) + body)
    return reader, writer


def test_a_stream_passes_byte_for_byte_with_its_headers() -> None:
    chunks = [b"data: {}\n\n", bytes(range(256)), b": ping\n\n", b"x" * 200_000]

    async def script(wire: Wire) -> None:
        extra = ["Server: llama.cpp", "X-Two: 1", "X-Two: 2", "Keep-Alive: timeout=5, max=100"]
        await wire.stream(*extra, "Connection: keep-alive, X-Hop", "X-Hop: 1", "X-Accel: no")
        for chunk in chunks:
            await wire.chunk(chunk)
        await wire.end()

    async def scenario() -> None:
        async with stand(script) as made:
            reply = await made.chat(stream=True)
            assert (reply.status, reply.whole, reply.body) == (200, True, b"".join(chunks))
            assert reply.header("Content-Type") == "text/event-stream"
            assert reply.header("Server") == "llama.cpp"
            assert reply.header("X-Accel") == "no"
            assert [value for name, value in reply.headers if name == "X-Two"] == ["1", "2"]
            assert reply.header("X-Hop") is None
            assert reply.header("Keep-Alive") is None

    run(scenario())


def test_each_chunk_and_the_headers_pass_at_once() -> None:
    async def scenario() -> None:
        seen = asyncio.Event()

        async def script(wire: Wire) -> None:
            await wire.stream()
            await seen.wait()
            for number in range(3):
                seen.clear()
                await wire.chunk(b"data: %d\n\n" % number)
                await seen.wait()
            await wire.end()

        async with stand(script) as made:
            reader, writer = await open_chat(made)
            await reader.readuntil(b"\r\n\r\n")
            seen.set()
            for number in range(3):
                assert await read_chunk(reader) == b"data: %d\n\n" % number
                seen.set()
            assert await read_chunk(reader) == b""
            writer.close()

    run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/props?a=%2F%20b&b", b""),
        ("GET", "/x/%2e%2E/a%2Fb//c;d?x=1?y", b""),
        ("DELETE", "/slots/0?action=erase", b""),
        ("OPTIONS", "/v1/chat/completions", b""),
        ("PUT", "/anything", b"\x00\xff\r\n\r\n"),
        ("PATCH", "/anything", b"{}"),
        ("POST", "/tokenize", b'{"content": "\\u00e9",  "model":3}'),
        ("POST", "/v1/chat/completions", b"this is no JSON"),
        ("POST", "/v1/audio/transcriptions", b"\x00" * 300_000),
    ],
)
def test_any_method_path_query_and_body_pass_as_they_are(
    method: str, path: str, body: bytes
) -> None:
    async def scenario() -> None:
        async with stand() as made:
            reply = await made.ask(method, path, body=body)
            assert reply.json == {"ok": True}
            (seen,) = made.upstream.seen
            assert (seen.method, seen.target, seen.body) == (method, path, body)

    run(scenario())


@settings(max_examples=20)
@given(body=st.binary(min_size=1, max_size=2000), answer=st.binary(max_size=2000))
def test_random_bodies_pass_both_ways(body: bytes, answer: bytes) -> None:
    async def scenario() -> None:
        async with stand(lambda wire: wire.answer(answer)) as made:
            assert (await made.ask("POST", CHAT, body=body)).body == answer
            assert made.upstream.seen[0].body == body

    run(scenario())


def test_head_compressed_and_odd_statuses_pass() -> None:
    packed = gzip.compress(b"hello")

    async def script(wire: Wire) -> None:
        match wire.seen.target:
            case "/head":
                await wire.head("Content-Type: text/plain", "Content-Length: 12345")
            case "/gzip":
                await wire.answer(packed, "Content-Encoding: gzip")
            case "/moved":
                await wire.answer(b"", "Location: /else", status="302 Found")
            case "/none":
                await wire.head(status="204 No Content")
            case _:
                await wire.answer(b'{"error":{}}', status="418 I am a teapot")

    async def scenario() -> None:
        async with stand(script) as made:
            assert (await made.ask("HEAD", "/head")).header("Content-Length") == "12345"
            reply = await made.ask("GET", "/gzip")
            assert (reply.body, reply.header("Content-Encoding")) == (packed, "gzip")
            reply = await made.ask("GET", "/moved")
            assert (reply.status, reply.header("Location")) == (302, "/else")
            assert (await made.ask("GET", "/none")).status == 204
            assert (await made.ask("GET", "/pot")).status == 418
            assert made.upstream.seen[0].header("User-Agent") is None

    run(scenario())


def test_a_compressed_request_stays_compressed() -> None:
    packed = gzip.compress(b'{"model":"x"}' * 50)

    async def scenario() -> None:
        async with stand() as made:
            await made.ask("POST", CHAT, body=packed, more=("Content-Encoding: gzip",))
            assert made.upstream.seen[0].body == packed
            assert made.upstream.seen[0].header("Content-Encoding") == "gzip"

    run(scenario())


def test_the_engine_s_key_takes_the_place_of_the_client_s() -> None:
    async def scenario() -> None:
        async with stand() as made:
            theirs = ("Authorization: Bearer mine", "X-Api-Key: mine", "X-Other: kept")
            await made.ask("POST", CHAT, body=b"{}", more=theirs)
            seen = made.upstream.seen[0]
            assert seen.header("Authorization") == f"Bearer {ENGINE_KEY}"
            assert seen.header("X-Api-Key") is None
            assert seen.header("X-Other") == "kept"
            assert seen.header("Host") == f"127.0.0.1:{made.upstream.port}"

    run(scenario())


def test_connections_are_kept_on_both_sides() -> None:
    async def scenario() -> None:
        async with stand() as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            for _ in range(5):
                writer.write(head(made.port, "POST", CHAT, "Content-Length: 2") + b"{}")
                assert (await read_reply(reader)).json == {"ok": True}
            writer.write(head(made.port, "GET", "/props") * 2)  # pipelined
            assert (await read_reply(reader)).status == (await read_reply(reader)).status == 200
            writer.close()
            assert made.upstream.connections == 1

    run(scenario())


def test_a_kept_connection_that_the_engine_closed_is_no_failure() -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(b"{}")
        seen = len(wire.seen.body)
        await wire.reader.readuntil(b"\r\n\r\n")  # the next request finds it closed
        assert seen
        wire.cut()

    async def scenario() -> None:
        async with stand(script) as made:
            assert (await made.chat(a=1)).status == 200
            reply = await made.chat(a=2)
            assert (reply.status, reply.body) == (200, b"{}")
            assert made.upstream.connections == 2

    run(scenario())


def test_an_old_client_gets_its_answer_without_chunks() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.chunk(b"data: 1\n\n")
        await wire.end()

    async def scenario() -> None:
        async with stand(script) as made:
            raw = head(made.port, "POST", CHAT, "Content-Length: 2", version="1.0") + b"{}"
            reply = await exchange(made.port, raw)
            assert (reply.body, reply.header("Transfer-Encoding")) == (b"data: 1\n\n", None)

    run(scenario())


def test_a_client_that_asks_whether_it_may_send_is_told_so() -> None:
    async def scenario() -> None:
        async with stand() as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(head(made.port, "POST", CHAT, "Expect: 100-continue", "Content-Length: 2"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await read_reply(reader)).status == 200
            writer.close()

    run(scenario())


@pytest.mark.parametrize(("path", "key"), [(CHAT, "code"), (MESSAGES, "type"), ("/infill", "code")])
def test_with_nothing_loaded_the_error_is_the_caller_s(path: str, key: str) -> None:
    async def scenario() -> None:
        async with stand(ready=False) as made:
            reply = await made.ask("POST", path, body=b'{"messages":[]}')
            assert (reply.status, reply.header("Retry-After")) == (503, "30")
            assert "No model is loaded" in reply.json["error"]["message"]
            assert reply.json["error"][key] in ("model_not_ready", "overloaded_error", 503)
            record = await made.recorded()
            assert (record.outcome, record.status, record.route) == ("refused", 503, path)
            assert made.upstream.seen == []

    run(scenario())


def test_looks_do_not_wait_and_do_not_count_as_use() -> None:
    async def scenario() -> None:
        async with stand(ready=False, known=("other", "tiny")) as made:
            health = await made.ask("GET", "/health")
            assert (health.status, health.json["error"]["type"]) == (503, "unavailable_error")
            await made.desk.shut("tiny")
            loading = await made.ask("GET", "/v1/health")
            assert loading.json["error"] == {
                "code": 503,
                "message": "Loading model.",
                "type": "unavailable_error",
            }
            assert (await made.ask("GET", "/")).header("Retry-After") == "2"
            await made.desk.open(made.target)
            before = made.desk.last_used
            for path in ("/", "/health", "/v1/models", "/slots", "/metrics?model=tiny"):
                assert (await made.ask("GET", path)).status == 200
            assert (await made.ask("GET", "/metrics?model=other")).status == 503
            assert made.desk.last_used == before
            assert (made.records, made.wanted) == ([], [])
            await made.chat()
            assert made.desk.last_used > before

    run(scenario())


def test_profiles_are_listed_while_no_engine_can() -> None:
    def profiles() -> list[dict[str, Any]]:
        return [{"id": "tiny"}, {"id": "other", "owned_by": "me"}]

    async def scenario() -> None:
        async with stand(ready=False, profiles=profiles) as made:
            for path in ("/v1/models", "/models?limit=1000"):
                listed = (await made.ask("GET", path)).json
                assert listed["object"] == "list"
                assert [each["id"] for each in listed["data"]] == ["tiny", "other"]
                assert listed["data"][0]["object"] == "model"
            await made.desk.open(made.target)
            assert (await made.ask("GET", "/v1/models")).json == {"ok": True}

    run(scenario())


def test_requests_wait_while_a_model_loads() -> None:
    async def scenario() -> None:
        async with stand(ready=False) as made:
            await made.desk.shut("tiny")
            waiting = [asyncio.create_task(made.chat(n=n)) for n in range(5)]
            while made.desk.waiting < 5:
                await asyncio.sleep(0)
            await made.desk.open(made.target)
            assert [reply.status for reply in await asyncio.gather(*waiting)] == [200] * 5

    run(scenario())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, b'{"model":"other","messages":[]}'),
        (CHAT, b'{"messages":[{"model":"x"}],"model" : "other"}'),
        (CHAT, b'{"model":"\\u006fther"}'),
        ("/v1/embeddings?model=other", b'{"input":"x"}'),
        ("/v1/messages/count_tokens", b'{"model":"other"}'),
    ],
)
def test_a_model_that_is_named_is_switched_to(path: str, body: bytes) -> None:
    async def scenario() -> None:
        async with stand(known=("other",)) as made:
            asking = asyncio.create_task(made.ask("POST", path, body=body))
            while made.wanted != ["other"]:
                await asyncio.sleep(0)
            engine = made.target
            await made.desk.open(type(engine)(engine.address, engine.key, "other", "2"))
            assert (await asking).status == 200

    run(scenario())


@pytest.mark.parametrize("body", [b'{"model":7}', b'["model"]', b'{"model":', b"[" * 5000, b"\xff"])
def test_a_model_that_is_no_name_is_the_engine_s_affair(body: bytes) -> None:
    async def scenario() -> None:
        async with stand() as made:
            assert (await made.ask("POST", CHAT, body=body)).status == 200
            assert (await made.recorded()).model == ""

    run(scenario())


def test_what_is_remembered_of_a_stream() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.chunk(b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % SECRET.encode())
        await wire.chunk(
            b'data: {"timings":{"cache_n":1,"prompt_n":2,"prompt_per_second":10.0,'
            b'"predicted_n":3,"predicted_per_second":20.5}}\n\n'
        )
        await wire.end()

    async def scenario() -> None:
        async with stand(script) as made:
            agent = "User-Agent: claude-cli/2.1\x9b (external) " + SECRET
            body = json.dumps({"model": "m\x1bx", "prompt": SECRET}).encode()
            await made.ask("POST", f"{CHAT}?k={SECRET}", body=body, more=(agent,))
            record = await made.recorded()
            assert record.route == CHAT
            assert record.client == "claude-cli/2.1\ufffd"
            assert (record.model, record.profile) == ("m␛x", "tiny")
            tokens = (record.prompt_tokens, record.cached_tokens, record.generated_tokens)
            assert tokens == (3, 1, 3)
            assert (record.prompt_speed, record.speed) == (10.0, 20.5)
            assert (record.status, record.outcome) == (200, "done")
            assert record.first_token is not None
            assert 0 < record.first_token <= record.seconds
            assert SECRET not in repr(record)

    run(scenario())


@pytest.mark.parametrize(("status", "outcome"), [(400, "refused"), (500, "failed"), (200, "done")])
def test_outcomes_of_whole_answers(status: int, outcome: str) -> None:
    async def scenario() -> None:
        async with stand(lambda wire: wire.answer(b"{}", status=f"{status} X")) as made:
            assert (await made.chat()).status == status
            record = await made.recorded()
            assert (record.status, record.outcome) == (status, outcome)

    run(scenario())


def test_a_client_that_leaves_ends_the_engine_s_work_at_once() -> None:
    async def scenario() -> None:
        gone = asyncio.Event()

        async def script(wire: Wire) -> None:
            await wire.stream()
            await wire.chunk(b"data: 1\n\n")
            assert await wire.reader.read() == b""
            gone.set()
            wire.cut()

        async with stand(script) as made:
            reader, writer = await open_chat(made)
            await reader.readuntil(b"data: 1\n\n")
            assert made.desk.running == 1
            writer.transport.abort()
            await gone.wait()
            record = await made.recorded()
            assert (record.outcome, record.status) == ("cancelled", 200)
            assert made.desk.running == 0

    run(scenario())


def test_a_client_that_leaves_before_any_answer() -> None:
    async def scenario() -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def script(wire: Wire) -> None:
            asked.set()
            assert await wire.reader.read() == b""
            gone.set()
            wire.cut()

        async with stand(script) as made:
            _, writer = await open_chat(made)
            await asked.wait()
            writer.close()
            await gone.wait()
            record = await made.recorded()
            assert (record.outcome, record.status) == ("cancelled", 499)

    run(scenario())


def test_a_client_that_leaves_while_it_waits() -> None:
    async def scenario() -> None:
        async with stand(ready=False) as made:
            await made.desk.shut("tiny")
            _, writer = await open_chat(made)
            while not made.desk.waiting:
                await asyncio.sleep(0)
            writer.close()
            assert (await made.recorded()).outcome == "cancelled"
            assert made.desk.waiting == 0

    run(scenario())


@pytest.mark.parametrize("length", [True, False])
def test_an_engine_that_dies_mid_answer_is_seen_as_a_cut(length: bool) -> None:
    async def script(wire: Wire) -> None:
        if length:
            await wire.head("Content-Type: application/json", "Content-Length: 100")
            await wire.send(b'{"half":')
        else:
            await wire.stream()
            await wire.chunk(b'{"half":')
        wire.writer.close()

    async def scenario() -> None:
        async with stand(script) as made:
            reply = await made.chat(stream=True)
            assert (reply.status, reply.body, reply.whole) == (200, b'{"half":', False)
            record = await made.recorded()
            assert (record.outcome, record.status) == ("failed", 200)

    run(scenario())


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_an_engine_that_dies_before_its_answer_is_a_502(path: str) -> None:
    async def script(wire: Wire) -> None:
        wire.cut()

    async def scenario() -> None:
        async with stand(script) as made:
            reply = await made.ask("POST", path, body=b"{}")
            assert reply.status == 502
            assert "The engine broke off" in reply.json["error"]["message"]
            assert (await made.recorded()).outcome == "failed"
            made.upstream.stop_listening()
            reply = await made.ask("POST", path, body=b"{}")
            assert reply.status == 502
            assert "The engine did not answer" in reply.json["error"]["message"]

    run(scenario())


def test_a_slow_reader_holds_up_nobody_and_nothing_piles_up() -> None:
    size, sent = 32 * 2**20, 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        if wire.seen.method == "GET":
            await wire.answer(b"{}")
            return
        await wire.stream()
        piece = b"x" * 65_536
        for _ in range(size // len(piece)):
            await wire.chunk(piece)
            sent += len(piece)
        await wire.end()

    async def scenario() -> None:
        async with stand(script) as made:
            reader, writer = await open_chat(made)
            before = -1
            while sent != before:  # until what lies between the two ends is full
                before = sent
                for _ in range(20):
                    assert (await made.ask("GET", "/props")).status == 200
            assert sent < size // 2
            reply = await read_reply(reader)
            assert (len(reply.body), reply.whole) == (size, True)
            writer.close()

    run(scenario())


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.stream()
        try:
            while True:
                await wire.chunk(b"x" * 65_536)
        except ConnectionError:
            left.set()

    async def scenario() -> None:
        monkeypatch.setattr(upstream, "CLIENT_SECONDS", 0.2)
        async with stand(script) as made:
            _, writer = await open_chat(made)
            await left.wait()
            assert (await made.recorded()).outcome == "cancelled"
            assert made.desk.running == 0
            writer.close()

    run(scenario())


def test_an_unforeseen_failure_is_told_without_its_text(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with stand() as made:

            def broken(_: object) -> object:
                raise ValueError(SECRET)

            monkeypatch.setattr(made.desk, "lease", broken)
            reply = await made.ask("POST", MESSAGES, body=b"{}")
            assert (reply.status, reply.json["error"]["type"]) == (500, "api_error")
            assert SECRET.encode() not in reply.body
            assert (await made.recorded()).outcome == "failed"

    run(scenario())
    told = capfd.readouterr()
    assert SECRET not in told.out + told.err
    assert "Traceback" not in told.err


def test_closing_cuts_what_is_under_way() -> None:
    async def scenario() -> None:
        async def script(wire: Wire) -> None:
            await wire.stream()
            await wire.chunk(b"data: 1\n\n")
            await wire.reader.read()
            wire.cut()

        async with stand(script) as made:
            reader, writer = await open_chat(made)
            await reader.readuntil(b"data: 1\n\n")
            await made.gateway.close()
            assert not (await reader.read()).endswith(b"0\r\n\r\n")
            writer.close()
            with pytest.raises(ConnectionRefusedError):
                await ask(made.port, "GET", "/")

    run(scenario())


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ({"model": "mine", "a": 1}, "theirs"),
        ({"a": "model", "model": "mine"}, "theirs"),
        ({"a": 1}, "theirs"),
        ({"model": "other"}, "other"),
        ({"a": 1, "model": "other"}, "other"),
    ],
)
def test_a_server_of_many_models_is_asked_for_one_that_it_has(
    asked: dict[str, Any], got: str
) -> None:
    bodies = []

    async def script(wire: Wire) -> None:
        bodies.append(json.loads(wire.seen.body))
        await wire.answer(b"{}")

    async def scenario() -> None:
        async with stand(script) as made:
            target = replace(made.target, model="theirs", models=("theirs", "other"))
            await made.desk.open(target)
            assert (await made.chat(**asked)).status == 200
            assert bodies == [{**asked, "model": got}]

    run(scenario())


def test_a_gateway_that_is_told_to_ask_itself_says_so() -> None:
    async def scenario() -> None:
        async with stand() as made:
            address = f"http://127.0.0.1:{made.port}"
            await made.desk.open(replace(made.target, address=address, model="x"))
            reply = await made.chat(model="y")
            assert reply.status == 508
            assert "itself" in reply.json["error"]["message"]

    run(scenario())


def test_prompts_and_answers_are_kept_only_where_that_is_turned_on(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.answer(b'{"said": "hello"}')

    async def scenario(capture: Capture | None) -> None:
        async with stand(script, capture=capture) as made:
            await made.chat(messages=[{"content": SECRET}])
            await made.recorded()

    run(scenario(None))
    assert list(tmp_path.iterdir()) == []
    run(scenario(Capture(tmp_path)))
    (file,) = tmp_path.iterdir()
    kept = json.loads(file.read_text())
    assert SECRET in kept["asked"]
    assert kept["answered"] == '{"said": "hello"}'
    assert (kept["route"], kept["outcome"]) == (CHAT, "done")
    assert file.stat().st_mode & 0o777 == 0o600
