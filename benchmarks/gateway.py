"""What the gateway costs: time to the first token, throughput of many streams, memory.

Models with random weights on the embedded engine are asked directly and through the gateway, in
turn, so that a noisy machine slows both. Two sizes are measured: a small one, about as fast as a
real model on a large GPU, to which the goal applies; and a tiny one, the worst case: thousands of
tokens a second, each of which costs the gateway a system call to read it and one to send it, on
cores that engine, gateway and client share.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil
from tests.standins.tiny_model import write_tiny_llama

from benchmarks.row import Row, shown
from llm_studio.server.gateway import Gateway
from llm_studio.studio.serving.desk import Desk, Target

KEY = "key-of-the-benchmark"
FIRST_RUNS = 60
STREAMS, STREAM_TOKENS, STREAM_RUNS = 16, 128, 5
SMALL: dict[str, int] = {"blocks": 8, "embedding": 256, "feed_forward": 704}
TINY: dict[str, int] = {}
MANY = 10_000
FIRST_GOAL_MS, RATIO_GOAL, GROWTH_GOAL_MIB = 3.0, 0.9, 8.0
END = b"0\r\n\r\n"


def request(port: int, tokens: int, *, stream: bool = True) -> bytes:
    asked = {
        "messages": [{"role": "user", "content": "Tell me of the sea."}],
        "max_tokens": tokens,
        "stream": stream,
        "ignore_eos": True,
    }
    body = json.dumps(asked).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def first_token(port: int) -> float:
    """Milliseconds until the first token."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        start = time.perf_counter()
        client.sendall(request(port, 2))
        seen = b""
        while b'"delta":{"content":"' not in seen:
            seen += _some(client)
        took = time.perf_counter() - start
        while _some(client, may_end=True):
            pass
    return took * 1000


def streams(port: int, count: int, tokens: int) -> float:
    """Tokens per second of so many streams at once."""
    with selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(request(port, tokens))
            selector.register(client, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            for key, _ in selector.select():
                client = key.fileobj  # type: ignore[assignment]
                data = client.recv(65_536)
                key.data.extend(data)
                if not data:
                    assert key.data.endswith(END), bytes(key.data[-300:])
                    assert key.data.count(b'"delta":{"content":"') >= tokens - 1
                    selector.unregister(client)
                    client.close()
        return count * tokens / (time.perf_counter() - start)


def _some(client: socket.socket, *, may_end: bool = False) -> bytes:
    data = client.recv(65_536)
    if not data and not may_end:
        raise RuntimeError("the answer was cut")
    return data


@contextmanager
def process(*command: str, port: int = 0) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A child; its port is the one it prints, if none is given."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["app", "."])},
    )
    try:
        assert child.stdout is not None
        yield port or int(child.stdout.readline()), child
    finally:
        child.kill()
        child.wait()


@contextmanager
def engine(folder: Path, size: dict[str, int]) -> Iterator[int]:
    """The embedded engine; it is given one thread, as there may be two cores."""
    model = write_tiny_llama(
        folder / "model.gguf",
        blocks=size.get("blocks", 2),
        embedding=size.get("embedding", 64),
        feed_forward=size.get("feed_forward", 160),
    )
    (folder / "key").write_text(KEY)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    module = "llm_studio.engines.embedded"
    arguments = ["--model", model, "--host", "127.0.0.1", "--port", port, "--api-key-file"]
    arguments += [folder / "key", "--parallel", STREAMS, "--ctx-size", STREAMS * 512]
    arguments += ["--threads", 1, "--threads-batch", 1]
    with process(sys.executable, "-m", module, *map(str, arguments), port=port) as (_, child):
        deadline = time.monotonic() + 60
        while True:
            try:
                first_token(port)
                break
            except (OSError, RuntimeError):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the engine did not start") from None
                time.sleep(0.05)
        yield port


async def serve(engine_port: int) -> None:
    """The gateway, in a process of its own."""

    async def want(_: str) -> None: ...

    desk = Desk(profile_of=lambda _: None, want=want)
    await desk.open(Target(f"http://127.0.0.1:{engine_port}", KEY, "tiny", "1"))
    gateway = Gateway(desk, records=lambda _: None)
    print(await gateway.serve("127.0.0.1", 0), flush=True)
    await asyncio.Event().wait()


@contextmanager
def both(size: dict[str, int]) -> Iterator[tuple[int, int, psutil.Process]]:
    """The ports of an engine and of a gateway before it, and the gateway's process."""
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), size) as direct:
        serving = (sys.executable, "-m", "benchmarks.gateway", "serve", str(direct))
        with process(*serving) as (through, child):
            for port in (direct, through):
                streams(port, STREAMS, 8)
            yield direct, through, psutil.Process(child.pid)


def measure() -> Iterator[Row]:
    print("The gateway, in turn with the engine asked directly (medians)")
    with both(TINY) as (direct, through, gateway):
        yield compare_first_tokens(direct, through)
        yield compare_streams("tiny", direct, through, gateway)
        yield compare_memory(through, gateway)
    with both(SMALL) as (direct, through, gateway):
        row = compare_streams("small", direct, through, gateway)
        assert row.ratio is not None
        yield replace(row, goal=f"×{RATIO_GOAL:g}", reached=row.ratio >= RATIO_GOAL)


def compare_first_tokens(direct: int, through: int) -> Row:
    pairs = [(first_token(direct), first_token(through)) for _ in range(FIRST_RUNS)]
    plain, ours = (median(each) for each in zip(*pairs, strict=True))
    added = median(ours - plain for plain, ours in pairs)
    return Row(
        "gateway: first token",
        f"{ours:.2f} ms, added {added:.2f} ms",
        f"the engine: {plain:.2f} ms",
        ours / plain,
        f"{FIRST_GOAL_MS:g} ms added",
        added <= FIRST_GOAL_MS,
    )


def compare_streams(name: str, direct: int, through: int, gateway: psutil.Process) -> Row:
    pairs, used = [], 0.0
    for _ in range(STREAM_RUNS):
        plain = streams(direct, STREAMS, STREAM_TOKENS)
        before = _processor(gateway)
        pairs.append((plain, streams(through, STREAMS, STREAM_TOKENS)))
        used += _processor(gateway) - before
    plain, ours = (median(each) for each in zip(*pairs, strict=True))
    each = used / (STREAM_RUNS * STREAMS * STREAM_TOKENS) * 1e6
    print(f"  {STREAMS} streams of a {name} model: {each:.0f} µs of processor a token")
    return Row(
        f"gateway: {STREAMS} streams, {name} model",
        f"{ours:.0f} tok/s",
        f"the engine: {plain:.0f} tok/s",
        median(ours / plain for plain, ours in pairs),
    )


def compare_memory(through: int, gateway: psutil.Process) -> Row:
    before = gateway.memory_info().rss / 2**20
    for _ in range(MANY // STREAMS):
        streams(through, STREAMS, 2)
    growth = gateway.memory_info().rss / 2**20 - before
    return Row(
        f"gateway: {MANY:,} requests",
        f"{growth:+.1f} MiB",
        f"before: {before:.0f} MiB",
        (before + growth) / before,
        f"+{GROWTH_GOAL_MIB:g} MiB",
        growth <= GROWTH_GOAL_MIB,
    )


def _processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        sys.exit(shown(measure()))
