"""Who and what the gateway keeps out: hosts, pages, keys, and requests without measure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.server.gateway_stand import CHAT, ask, exchange, head, read_reply, stand
from tests.standins.scripted_upstream import Wire

from llm_studio.errors import StudioError, UsageError
from llm_studio.server.gateway import Gateway
from llm_studio.studio.serving.desk import Desk


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", CHAT, "/any"])
@pytest.mark.parametrize(
    "headers",
    [
        ("Host: evil.example",),
        ("Host: 127.0.0.1.evil.example",),
        ("Origin: http://evil.example",),
        ("Origin: null",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
    ],
)
def test_web_pages_and_rebound_names_are_kept_out(path: str, headers: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with stand() as made:
            method = "POST" if path == CHAT else "GET"
            reply = await made.ask(method, path, more=headers)
            assert reply.status == 403
            assert "error" in reply.json
            assert reply.header("Access-Control-Allow-Origin") is None
            assert made.upstream.seen == []

    run(scenario())


def test_what_is_configured_comes_in() -> None:
    async def scenario() -> None:
        hosts, origins = ["Box.lan"], ["http://app.lan:3000"]
        async with stand(allowed_hosts=hosts, allowed_origins=origins) as made:
            for more in (
                ("Host: box.lan",),
                ("Host: box.lan:443", "Origin: https://box.lan:443"),
                ("Origin: http://app.lan:3000", "Sec-Fetch-Site: cross-site"),
                (f"Origin: http://127.0.0.1:{made.port}", "Sec-Fetch-Site: same-origin"),
                (f"Host: localhost:{made.port}", "Sec-Fetch-Site: none"),
                (f"Host: [::1]:{made.port}",),
            ):
                assert (await made.ask("GET", "/", more=more)).status == 200

    run(scenario())


def test_two_hosts_or_none_are_kept_out() -> None:
    async def scenario() -> None:
        async with stand() as made:
            good = f"Host: 127.0.0.1:{made.port}"
            for headers in ((good, "Host: evil.example"), ("Host: evil.example", good)):
                reply = await exchange(made.port, head(made.port, "GET", "/", *headers))
                assert reply.status in (400, 403)
            reply = await exchange(made.port, b"GET / HTTP/1.0\r\n\r\n")
            assert reply.status in (400, 403)
            assert made.upstream.seen == []

    run(scenario())


@pytest.mark.parametrize("target", ["http://evil.example/", "evil.example:80", "*"])
def test_it_is_no_proxy(target: str) -> None:
    async def scenario() -> None:
        async with stand() as made:
            method = "CONNECT" if target.endswith(":80") else "OPTIONS"
            raw = head(made.port, method, target, "Connection: close")
            assert (await exchange(made.port, raw)).status in (400, 403)
            assert made.upstream.seen == []

    run(scenario())


def test_the_gateway_s_own_key() -> None:
    async def scenario() -> None:
        async with stand(key="sesame") as made:
            for path, kind in ((CHAT, "invalid_request_error"), ("/v1/messages", None)):
                for more in ((), ("X-Api-Key: no",), ("Authorization: Bearer no",)):
                    reply = await made.ask("POST", path, body=b"{}", more=more)
                    assert reply.status == 401
                    assert reply.json["error"]["type"] == (kind or "authentication_error")
            closed = ("/v1/models", "/models", "/slots", "/props", "/?model=x%00", "/a.js/../slots")
            for path in closed[:4]:
                assert (await made.ask("GET", path)).status == 401
            assert made.upstream.seen == []
            for path in ("/", "/health", "/v1/health", "/index.html", "/_app/x-1.js"):
                assert (await made.ask("GET", path)).status == 200
            for more in (("X-Api-Key: sesame",), ("Authorization: Bearer sesame",)):
                assert (await made.ask("POST", CHAT, body=b"{}", more=more)).status == 200
                assert (await made.ask("GET", "/slots", more=more)).status == 200
            keys = {seen.header("Authorization") for seen in made.upstream.seen}
            assert keys == {"Bearer key-of-the-engine"}

    run(scenario())


@pytest.mark.parametrize("path", [CHAT, "/v1/audio/transcriptions"])
def test_bodies_are_bounded(path: str) -> None:
    async def scenario() -> None:
        async with stand(max_body=1000) as made:
            assert (await made.ask("POST", path, body=b"x" * 1000)).status == 200
            multipart = "Content-Type: multipart/form-data; boundary=x"
            for kind in ("Content-Type: application/json", multipart):
                reply = await made.ask("POST", path, body=b"x" * 1001, more=(kind,))
                assert (reply.status, reply.json["error"]["code"]) == (413, "request_too_large")
                chunked = head(made.port, "POST", path, "Transfer-Encoding: chunked", kind)
                chunked += b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n"
                assert (await exchange(made.port, chunked)).status == 413
            assert len([seen for seen in made.upstream.seen if len(seen.body) > 1000]) == 0

    run(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        ["X-Long: " + "a" * 20_000],
        [f"X-{n}: 1" for n in range(500)],
        [f"X-{n}: " + "a" * 15_000 for n in range(100)],
    ],
)
def test_headers_are_bounded(headers: list[str]) -> None:
    async def scenario() -> None:
        async with stand() as made:
            raw = head(made.port, "GET", "/", *headers)
            reply = await exchange(made.port, raw)
            assert (reply.status, reply.json["error"]["code"]) == (431, 431)
            raw = head(made.port, "GET", "/" + "a" * 30_000)
            assert (await exchange(made.port, raw)).status == 431
            assert made.upstream.seen == []

    run(scenario())


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHos", b"\r\n"])
def test_headers_must_come_in_time(start: bytes) -> None:
    async def scenario() -> None:
        async with stand(header_seconds=0.1) as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(start)
            assert (await read_reply(reader)).status == 408
            assert await reader.read() == b""
            writer.close()

    run(scenario())


def test_the_headers_of_a_second_request_must_come_in_time_too() -> None:
    async def scenario() -> None:
        async with stand(header_seconds=0.1) as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(head(made.port, "GET", "/"))
            assert (await read_reply(reader)).status == 200
            writer.write(b"GET / HTTP/1.1\r\n")
            assert (await read_reply(reader)).status == 408
            writer.close()

    run(scenario())


def test_a_long_answer_outlives_the_deadline_for_headers() -> None:
    async def scenario() -> None:
        async def script(wire: Wire) -> None:
            await asyncio.sleep(0.3)  # three times the deadline
            await wire.answer(b"{}")

        async with stand(script, header_seconds=0.1) as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            raw = head(made.port, "POST", CHAT, "Content-Length: 200000")
            writer.write(raw + b"x" * 100_000)
            await writer.drain()
            writer.write(b"x" * 100_000)
            assert (await read_reply(reader)).status == 200
            writer.close()

    run(scenario())


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data"])
def test_a_body_must_not_stall(kind: str) -> None:
    async def scenario() -> None:
        async with stand(body_seconds=0.1) as made:
            more = ("Content-Length: 100", f"Content-Type: {kind}")
            reply = await exchange(made.port, head(made.port, "POST", CHAT, *more) + b"{")
            assert reply.status == 408

    run(scenario())


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_in_silence(
    raw: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with stand() as made:
            raw_ = raw.replace(b"Host: x", f"Host: 127.0.0.1:{made.port}".encode())
            reply = await exchange(made.port, raw_)
            assert reply.status == 400
            assert reply.json["error"]["message"]
            assert made.upstream.seen == []

    run(scenario())
    assert capfd.readouterr().err == ""


def test_connections_are_bounded_and_free_again() -> None:
    async def scenario() -> None:
        async with stand(max_connections=3) as made:
            held = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(3)]
            for reader, writer in held:
                writer.write(head(made.port, "GET", "/"))
                assert (await read_reply(reader)).status == 200
            assert (await ask(made.port, "GET", "/")).status == 503
            for _, writer in held:
                writer.close()
            while (await ask(made.port, "GET", "/")).status == 503:
                pass

    run(scenario())


def test_a_port_that_is_taken_is_told() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(StudioError, match=f"cannot listen on 127.0.0.1:{port}"):
                await new_gateway().serve("127.0.0.1", port)

    run(scenario())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_addresses_need_a_key(host: str) -> None:
    async def scenario() -> None:
        with pytest.raises(UsageError, match="without a key"):
            await new_gateway().serve(host, 0)

    run(scenario())


def new_gateway() -> Gateway:
    async def want(_: str) -> None: ...

    return Gateway(Desk(profile_of=lambda _: None, want=want), records=lambda _: None)
