from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest
from tests.bench.coding_tasks import write_tasks
from tests.standins.scripted_upstream import ScriptedUpstream, Wire

from llm_studio.bench.coding import fetch as module
from llm_studio.bench.coding.fetch import fetch, place
from llm_studio.bench.coding.tasks import SOURCES, Source
from llm_studio.errors import NotFound, StudioError

pytestmark = pytest.mark.anyio


async def test_what_comes_is_checked_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_tasks(tmp_path / "own.jsonl.gz").read_bytes()
    bodies = {"/whole": raw, "/cut": raw[:-20], "/page": b"<html>"}

    async def script(wire: Wire) -> None:
        body = bodies.get(wire.seen.target)
        await wire.answer(body or b"no", status="200 OK" if body else "404 Not Found")

    monkeypatch.setattr(
        module, "SOURCES", {**SOURCES, "mbpp": Source("mbpp", "MBPP+", "v0", "", 3)}
    )
    target = place(tmp_path, "mbpp")
    async with ScriptedUpstream(script) as server:

        def get(page: str, sha256: str = "") -> tuple[Path, str]:
            url = f"http://127.0.0.1:{server.port}{page}"
            return fetch(tmp_path, "mbpp", lambda _: None, sha256=sha256, url=url)

        for page in ("/cut", "/page", "/absent"):
            with pytest.raises(StudioError):
                await anyio.to_thread.run_sync(get, page)
        with pytest.raises(StudioError, match="not what was asked for"):
            await anyio.to_thread.run_sync(get, "/whole", "0" * 64)
        assert not list(target.parent.iterdir())
        path, digest = await anyio.to_thread.run_sync(get, "/whole")
        assert (path, path.read_bytes()) == (target, raw)
        again = await anyio.to_thread.run_sync(get, "/whole", digest)
        assert again == (path, digest)
        target.write_bytes(b"x")
        with pytest.raises(StudioError):
            await anyio.to_thread.run_sync(get, "/cut")
        assert target.read_bytes() == b"x"  # what was there stays


def test_only_known_sets_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no set of tasks"):
        fetch(tmp_path, "humanevil", lambda _: None)
