"""A studio that says what it is told to: the UI's whole outside, at the socket."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from llm_studio import __version__

GiB = 1 << 30
HEARTBEAT = 1.0
"""Seconds after which it says something where it was told nothing to say."""
STATUS: dict[str, Any] = {
    "state": "stopped", "profile": None, "desired": None, "engine": None, "detail": "",
    "stage": None, "progress": None, "failure": None, "since": 0.0, "running": 0, "waiting": 0,
    "gateway": "http://127.0.0.1:8080", "api": "http://127.0.0.1:8081", "version": 1, "beside": [],
    "studio": {"pid": 1, "version": __version__, "since": 1.0},
}  # fmt: skip


def profile(id_: str, **values: Any) -> dict[str, Any]:
    """A profile as a listing tells of it."""
    return {
        "id": id_, "name": f"The model {id_}", "state": "available", "context": 32768,
        "fit": "one-gpu", "badge": "GPU 0", "speed": None, "size": 5 * GiB, "summary": "",
        "tags": ["chat"], "repo": None, "file": f"{id_}.gguf", "shipped": False,
        "path": f"/profiles/{id_}.toml", "problems": [], "parameters": "8.2B",
        "quantisation": "Q4_K_M", **values,
    }  # fmt: skip


def detail(summary: dict[str, Any], context: int, cache: str) -> dict[str, Any]:
    """A profile in full; its cache grows with the context."""
    bits = {"q4_0": 4, "q8_0": 8, "f16": 16}.get(cache, 16)
    return {
        "summary": {**summary, "context": context},
        "own": not summary["shipped"],
        "facts": [["file", f"/models/{summary['id']}.gguf"], ["trained for", "131,072 tokens"]],
        "values": [{"key": "sampling.temperature", "value": "0.7", "origin": "profile"}],
        "devices": [
            {
                "name": "GPU 0", "weights": 5 * GiB, "context": context * bits * 4096,
                "compute": GiB // 2, "other": 0, "room": 22 * GiB, "free": 23 * GiB,
                "total": 24 * GiB,
            },
            {
                "name": "host", "weights": GiB // 4, "context": 0, "compute": GiB // 8, "other": 0,
                "room": 60 * GiB, "free": 48 * GiB, "total": 64 * GiB,
            },
        ],
        "largest_context": 90112, "trained_context": 131072, "cache_type_k": cache,
        "cache_type_v": cache, "advice": [],
        "findings": [
            {"level": "warning", "key": "server.ubatch", "what": "It is 4096.", "why": "1 GiB."}
        ],
        "command": [
            _argument("model.file", "profile", "--model", f"/models/{summary['id']}.gguf"),
            _argument("server.context", "fit", "--ctx-size", str(context)),
        ],
        "environment": {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
    }  # fmt: skip


def _argument(key: str, origin: str, *words: str) -> dict[str, Any]:
    return {"words": list(words), "key": key, "origin": origin}


class ScriptedStudio:
    """Answers from what its fields hold, and remembers what was wished for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = dict(STATUS)
        self.profiles = [profile("alpha"), profile("beta", context=131072, speed=42.5)]
        self.files: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.refusals: dict[str, dict[str, Any]] = {}
        """Problems by "METHOD /route"."""
        self.answers: dict[str, Any] = {
            "/history": {"resolution": 1.0, "times": [], "series": {}, "marks": [], "known": []},
            "/requests": [],
        }
        """What further routes answer."""
        self.wishes: list[tuple[str, str, Any]] = []
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.reads: list[str] = []
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._news = asyncio.Event()

    async def open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def close(self, *, dies: bool = False) -> None:
        """End; a studio that dies leaves its socket behind."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not dies:
            self.path.unlink(missing_ok=True)

    # What it tells

    def becomes(self, **changes: Any) -> None:
        self.status |= changes
        self.tell("status", self.status)

    def serves(self, id_: str, **changes: Any) -> None:
        self.becomes(state="ready", profile=id_, desired=id_, **changes)

    def job(self, id_: str, state: str, **values: Any) -> None:
        job = {
            "id": id_, "kind": "switch", "title": "Serve alpha", "state": state, "fraction": None,
            "message": "", "error": "", "hint": "", "started": 0.0, "ended": None, "result": None,
            **values,
        }  # fmt: skip
        self.jobs = [each for each in self.jobs if each["id"] != id_] + [job]
        self.tell("job", job)

    def tell(self, name: str, data: Any) -> None:
        for stream in self._streams:
            stream.put_nowait(_event(name, data))

    def logs(self, *texts: str, level: str = "info", source: str = "engine") -> None:
        for text in texts:
            seq = len(self.log) + 1
            line = {"seq": seq, "time": 1_700_000_000.0 + seq, "source": source, "level": level}
            self.log.append({**line, "text": text})
        self._news.set()
        self._news = asyncio.Event()

    def asked(self, method: str, route: str) -> list[Any]:
        """The bodies of what was wished for there."""
        return [body for how, where, body in self.wishes if (how, where) == (method, route)]

    def count(self, route: str) -> int:
        """How often it was read."""
        return self.reads.count(route)

    # HTTP, as little as will do

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        length = int(headers.get("content-length", 0))
        body = json.loads(await reader.readexactly(length)) if length else None
        parts = urlsplit(target)
        route, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
        if route == "/events":
            await self._stream(writer)
            return
        self.queries.append((route, query))
        if method == "GET":
            self.reads.append(route)
        else:
            self.wishes.append((method, route, body))
        refusal = self.refusals.get(f"{method} {route}")
        status = refusal["status"] if refusal else 200
        answer = refusal or await self._data(method, route, query, body)
        content = json.dumps(answer).encode()
        writer.write(f"HTTP/1.0 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        writer.write(content)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        stream: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams.add(stream)
        try:
            writer.write(b"HTTP/1.0 200 X\r\nContent-Type: text/event-stream\r\n\r\n")
            writer.write(_event("status", self.status))
            while True:
                await writer.drain()
                try:
                    writer.write(await asyncio.wait_for(stream.get(), HEARTBEAT))
                except TimeoutError:
                    writer.write(b": as samples would\r\n\r\n")
        finally:
            self._streams.discard(stream)

    async def _data(self, method: str, route: str, query: dict[str, str], body: Any) -> Any:
        name = route.split("/")[2] if route.count("/") > 1 else ""
        if route == "/models":
            return {"models": self.profiles}
        if route == "/logs":
            return await self._log_page(query)
        if route == "/switch":
            self.job("j1", "running", title=f"Serve {body['model']}")
            return {"success": True, "model": body["model"], "state": "", "job": self.jobs[-1]}
        if route == "/downloads":
            self.job("d1", "running", kind="download", title=f"Get {body['what']}")
            return self.jobs[-1]
        if route == "/stop":
            return {"success": True, "model": "", "state": "", "jobs": []}
        if route.startswith("/profiles/") and method == "GET":
            summary = next(each for each in self.profiles if each["id"] == name)
            context = int(query.get("context") or summary["context"] or 4096)
            return detail(summary, context, query.get("cache_type", "f16"))
        if route == "/profiles" or route.endswith("/copy"):
            made = profile(body.get("id") or "made")
            self.profiles.append(made)
            return made
        if method == "DELETE":
            return {"path": f"/profiles/trash/{name}.toml"}
        known = {"/files": self.files, "/jobs": self.jobs, "/status": self.status, **self.answers}
        return known.get(route, {})

    async def _log_page(self, query: dict[str, str]) -> Any:
        since, limit = int(query["since"]), int(query["limit"])
        if "wait" in query and since >= len(self.log):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), float(query["wait"]))
        if since < 0:
            since = max(len(self.log) + since, 0)
        lines = self.log[since : since + limit]
        return {"lines": lines, "dropped": 0, "last": lines[-1]["seq"] if lines else since}


def _event(name: str, data: Any) -> bytes:
    return f"id: 1.1\r\nevent: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode()
