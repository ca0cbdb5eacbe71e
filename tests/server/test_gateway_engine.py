"""The gateway before a real engine: the embedded one, with a tiny model."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server.gateway_stand import CHAT, Reply, ask, exchange, head
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.server.gateway import Gateway
from llm_studio.studio.serving.desk import Desk, RequestRecord, Target

KEY = "key-of-the-real-engine"
AUTHORIZED = f"Authorization: Bearer {KEY}"
ROOT = Path(__file__).parents[2]
ASKED = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, "temperature": 0}
# What differs between two answers to the same question.
_OWN = re.compile(
    rb'"(?:id|created|created_at|completed_at|timings|usage)":'
    rb'(?:\d+|"[^"]*"|\{[^{}]*(?:\{[^}]*\}[^{}]*)?\})'
)


@pytest.fixture(scope="module")
def engine_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The embedded engine in a process of its own."""
    pytest.importorskip("xllamacpp", reason="The embedded engine is not installed.")
    folder = tmp_path_factory.mktemp("gateway-engine")
    model = write_tiny_llama(folder / "tiny.gguf")
    (folder / "key").write_text(KEY)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    words += ["--api-key-file", str(folder / "key"), "--parallel", "16", "--threads", "1"]
    words += ["--ctx-size", str(16 * 8192)]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "llm_studio.engines.embedded", *words],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT / "app")},
        )
        try:
            _until_ready(child, port, folder / "log")
            yield port
        finally:
            child.kill()
            child.wait()


def _until_ready(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    raw = head(port, "GET", "/health", "Connection: close")
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if asyncio.run(exchange(port, raw)).status == 200:
                return
        except (OSError, asyncio.IncompleteReadError):
            time.sleep(0.02)
    pytest.fail(f"The embedded engine did not start: {log.read_text()[-2000:]}")


@asynccontextmanager
async def gateway(port: int) -> AsyncIterator[tuple[int, list[RequestRecord], Desk]]:
    async def want(_: str) -> None: ...

    records: list[RequestRecord] = []
    desk = Desk(profile_of=lambda _: None, want=want)
    await desk.open(Target(f"http://127.0.0.1:{port}", KEY, "tiny", "1"))
    made = Gateway(desk, records=records.append)
    try:
        async with asyncio.timeout(25):
            yield await made.serve("127.0.0.1", 0), records, desk
    finally:
        await made.close()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def post(port: int, path: str, *headers: str, **asked: Any) -> Reply:
    return await ask(port, "POST", path, body=json.dumps(asked).encode(), more=headers)


def same(body: bytes) -> bytes:
    return re.sub(rb"(chatcmpl-|msg_|resp_)\w+", b"ID", _OWN.sub(b"", body))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (CHAT, ASKED),
        (CHAT, {**ASKED, "stream_options": {"include_usage": True}}),
        ("/v1/messages", ASKED),
        ("/completion", {"prompt": "hi", "n_predict": 16, "temperature": 0}),
        ("/v1/completions", {"prompt": "hi", "max_tokens": 16, "temperature": 0}),
        ("/v1/responses", {"input": "hi", "max_output_tokens": 16, "temperature": 0}),
    ],
)
def test_answers_are_those_of_the_engine(
    engine_port: int, path: str, asked: dict[str, Any], stream: bool
) -> None:
    async def scenario() -> None:
        async with gateway(engine_port) as (port, records, _):
            question = {**asked, "stream": stream, "cache_prompt": False, "id_slot": 0}
            direct = await post(engine_port, path, AUTHORIZED, **question)
            through = await post(port, path, **question)
            assert through.status == direct.status == 200
            assert same(through.body) == same(direct.body)
            assert through.header("Content-Type") == direct.header("Content-Type")
            (record,) = records
            assert (record.outcome, record.generated_tokens) == ("done", 16)
            assert record.prompt_tokens
            assert (record.first_token is not None) == stream
            assert record.speed or not stream
            if path != "/v1/messages" and (stream or path != "/v1/responses"):
                assert record.speed

    run(scenario())


def test_errors_and_pages_are_those_of_the_engine(engine_port: int) -> None:
    async def scenario() -> None:
        async with gateway(engine_port) as (port, _, _desk):
            for path in ("/nope", "/props", "/slots", "/v1/models", "/health", "/"):
                more = ("Accept-Encoding: gzip",)
                direct = await ask(engine_port, "GET", path, more=(*more, AUTHORIZED))
                through = await ask(port, "GET", path, more=more)
                assert through.status == direct.status
                assert through.header("Content-Encoding") == direct.header("Content-Encoding")
                if path not in ("/slots", "/v1/models"):
                    assert through.body == direct.body
            bad = await ask(port, "POST", CHAT, body=b"{")
            assert (bad.status, "parse_error" in bad.json["error"]["message"]) == (400, True)

    run(scenario())


def test_a_cancelled_stream_frees_its_slot_within_a_second(engine_port: int) -> None:
    async def scenario() -> None:
        async with gateway(engine_port) as (port, records, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            asked = {**ASKED, "max_tokens": 7000, "ignore_eos": True, "stream": True}
            body = json.dumps(asked).encode()
            writer.write(head(port, "POST", CHAT, f"Content-Length: {len(body)}") + body)
            await reader.readuntil(b'"delta":{"content":"')
            assert await busy(engine_port) == 1
            left = time.monotonic()
            writer.close()
            while await busy(engine_port):
                assert time.monotonic() - left < 1.0
            assert (records[0].outcome, records[0].status) == ("cancelled", 200)

    run(scenario())


async def busy(port: int) -> int:
    slots = (await ask(port, "GET", "/slots", more=(AUTHORIZED,))).json
    return sum(slot["is_processing"] for slot in slots)


def test_sixteen_streams_at_once(engine_port: int) -> None:
    async def scenario() -> None:
        async with gateway(engine_port) as (port, records, desk):
            asked = {**ASKED, "max_tokens": 100, "ignore_eos": True, "stream": True}
            replies = await asyncio.gather(*(post(port, CHAT, **asked) for _ in range(16)))
            for reply in replies:
                assert (reply.status, reply.whole) == (200, True)
                assert reply.body.endswith(b"data: [DONE]\n\n")
            assert [record.generated_tokens for record in records] == [100] * 16
            assert {record.outcome for record in records} == {"done"}
            assert desk.running == 0

    run(scenario())
