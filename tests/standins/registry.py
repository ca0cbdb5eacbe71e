"""An image registry on loopback, which Docker really pulls from: it stalls, refuses and lies."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_CODES = {401: "UNAUTHORIZED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
_WORDS = {401: "authentication required", 404: "manifest unknown", 429: "too many requests"}


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Registry:
    """Serves what `push` made, from 127.0.0.1, where Docker asks for no TLS."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.refusal = 0
        """A status with which every manifest is refused."""
        self.broken: set[str] = set()
        """Blobs of which other bytes are sent."""
        self.stalled: set[str] = set()
        """Blobs of which the second half is held back until `go_on`."""
        self.cut: set[str] = set()
        """Blobs whose connection breaks in the middle, once."""
        self.half_sent = threading.Event()
        self.go_on = threading.Event()
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Registry:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def push(
        self, repository: str, tag: str, *layers: bytes, entrypoint: str = "/llama-server"
    ) -> list[str]:
        """An image of one file a layer; the digests of its layers."""
        tars = [_tar(f"layer{number}", content) for number, content in enumerate(layers)]
        config = {
            "architecture": _MACHINES.get(platform.machine(), "amd64"),
            "os": "linux",
            "config": {"Entrypoint": [entrypoint]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
        }
        packed = [gzip.compress(tar, 1, mtime=0) for tar in tars]
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(_CONFIG, json.dumps(config).encode()),
            "layers": [self._blob(_LAYER, each) for each in packed],
        }
        raw = json.dumps(manifest).encode()
        self.manifests[f"{repository}/{tag}"] = self.manifests[f"{repository}/{_digest(raw)}"] = raw
        return [_digest(each) for each in packed]

    def _blob(self, kind: str, raw: bytes) -> dict[str, Any]:
        self.blobs[_digest(raw)] = raw
        return {"mediaType": kind, "size": len(raw), "digest": _digest(raw)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                part = self.headers.get("Range", "")
                registry.asked.append(f"{self.command} {self.path} {part}".strip())
                _, _, path = self.path.partition("/v2/")
                if not path:
                    self._answer(200, b"{}", "application/json")
                elif "/manifests/" in path:
                    self._manifest(path.replace("/manifests/", "/"))
                else:
                    self._blob(path.rpartition("/")[2])

            do_HEAD = do_GET  # noqa: N815 - the base class's own name

            def _manifest(self, name: str) -> None:
                raw = registry.manifests.get(name)
                status = registry.refusal or (200 if raw else 404)
                if status == 200 and raw:
                    self._answer(200, raw, _MANIFEST)
                else:
                    error = {"code": _CODES[status], "message": _WORDS[status]}
                    self._answer(status, json.dumps({"errors": [error]}).encode())

            def _blob(self, digest: str) -> None:
                raw = registry.blobs[digest]
                if digest in registry.broken:
                    raw = raw[:-8] + b"mischief"
                start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
                self._answer(
                    206 if start else 200,
                    raw[start:],
                    start=start,
                    stall=digest in registry.stalled,
                    cut=digest in registry.cut,
                )
                registry.cut.discard(digest)

            def _answer(
                self,
                status: int,
                raw: bytes,
                kind: str = "",
                *,
                stall: bool = False,
                cut: bool = False,
                start: int = 0,
            ) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind or "application/octet-stream")
                if start:
                    last = start + len(raw) - 1
                    self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
                self.send_header("Content-Length", str(len(raw)))
                self.send_header("Docker-Content-Digest", _digest(raw))
                self.end_headers()
                if self.command == "HEAD":
                    return
                try:
                    half = len(raw) // 2 if stall or cut else len(raw)
                    self.wfile.write(raw[:half])
                    self.wfile.flush()
                    if cut:
                        self.close_connection = True
                    if stall:
                        registry.half_sent.set()
                        registry.go_on.wait(30)
                        self.wfile.write(raw[half:])
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                return

        return Handler


def _tar(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        told = tarfile.TarInfo(name)
        told.size, told.mode = len(content), 0o755
        tar.addfile(told, io.BytesIO(content))
    return packed.getvalue()


@contextlib.contextmanager
def kept_clean(registry: Registry) -> Iterator[Registry]:
    """The registry while it runs; what Docker pulled from it is removed at the end."""
    with registry:
        yield registry
    listed = subprocess.run(
        ["docker", "images", "--digests", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in listed.stdout.splitlines()]
    ids = {id_ for name, id_ in lines if name.startswith(registry.address)}
    if ids:
        subprocess.run(["docker", "rmi", "--force", *ids], check=False, capture_output=True)
