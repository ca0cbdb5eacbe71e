"""A hub on loopback: repositories with files, ranges, terms of use, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class FakeHub:
    """What it holds, and how it fails; each fault is for one request, in turn."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_right"
    faults: list[str] = field(default_factory=list)
    """"cut:N" (ends after N bytes), "status:N", "whole" (knows no ranges), "damaged"."""
    lies: set[str] = field(default_factory=set)
    """Files whose told checksum is not theirs."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Paths, and the range that was asked for."""
    release: threading.Event = field(default_factory=threading.Event)
    """"hold" sends one byte and waits for this."""
    held: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def add(self, repository: str, **sizes: int) -> None:
        """Files of so many bytes, with two underscores for a dash and three for a slash."""
        for name, size in sizes.items():
            path = name.replace("___", "/").replace("__", "-") + ".gguf"
            seed = hashlib.sha256(f"{repository}/{path}".encode()).digest()
            self.files.setdefault(repository, {})[path] = (seed * (size // 32 + 1))[:size]


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            hub.requests.append((parts.path, self.headers.get("Range", "")))
            if parts.path == "/api/models":
                self._json([{"id": name, "downloads": 7, "siblings": []} for name in hub.files])
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", parts.path):
                self._info(found[1])
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/main/(.+)", parts.path):
                self._file(found[1], found[2])
            else:
                self._json({"error": "Not Found"}, 404)

        def _allowed(self, repository: str) -> bool:
            if repository not in hub.gated:
                return True
            if self.headers.get("Authorization") == f"Bearer {hub.token}":
                return True
            self._json({"error": "gated"}, 403, ("X-Error-Code", "GatedRepo"))
            return False

        def _info(self, repository: str) -> None:
            if repository not in hub.files:
                self._json({"error": "no"}, 404, ("X-Error-Code", "RepoNotFound"))
                return
            siblings = []
            for path, data in hub.files[repository].items():
                digest = hashlib.sha256(b"other" if path in hub.lies else data).hexdigest()
                lfs = {"sha256": digest, "size": len(data), "pointerSize": 130}
                siblings.append({"rfilename": path, "size": len(data), "lfs": lfs})
            self._json({"id": repository, "modelId": repository, "siblings": siblings})

        def _file(self, repository: str, path: str) -> None:
            if not self._allowed(repository):
                return
            data = hub.files.get(repository, {}).get(path)
            if data is None:
                self._json({"error": "no"}, 404, ("X-Error-Code", "EntryNotFound"))
                return
            fault, _, number = (hub.faults.pop(0) if hub.faults else "").partition(":")
            if fault == "status":
                self._json({"error": "busy"}, int(number))
                return
            begin = 0
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if found and fault != "whole":
                begin = int(found[1])
            if begin >= len(data) > 0:
                self._json({"error": "range"}, 416)
                return
            sent = data[begin:]
            if fault == "damaged":
                sent = bytes(len(sent))
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if fault == "hold":
                self.wfile.write(sent[:1])
                self.wfile.flush()
                hub.held.set()
                hub.release.wait(20)
                sent = sent[1:]
            if fault == "cut":
                self.wfile.write(sent[: int(number)])
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(sent)

        def _json(self, told: Any, status: int = 200, *headers: tuple[str, str]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), *headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            return  # a client that leaves is part of the tests

    server = Server(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
