"""Somebody else's server: chosen, found again, told apart from one that is not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.standins.scripted_upstream import ScriptedUpstream, Wire

from llm_studio.engines.arguments import Files
from llm_studio.engines.base import EngineError, Launch
from llm_studio.engines.external import ExternalEngine, base_of
from llm_studio.engines.health import HealthProbe
from llm_studio.profiles.catalogue import Catalogue

pytestmark = pytest.mark.anyio
LISTING = {"data": [{"id": "qwen:7b"}, {"id": "llama:8b", "aliases": ["l8"]}]}


@asynccontextmanager
async def server(answer: bytes = json.dumps(LISTING).encode()) -> AsyncIterator[ScriptedUpstream]:
    async def script(wire: Wire) -> None:
        status = "200 OK" if wire.seen.target == "/v1/models" else "404 Not Found"
        if wire.seen.header("Authorization") not in (None, "Bearer theirs"):
            status = "401 Unauthorized"
        await wire.answer(answer, status=status)

    async with asyncio.timeout(20), ScriptedUpstream(script) as upstream:
        yield upstream


def launch(folder: Path, url: str, *lines: str) -> Launch:
    profile = "\n".join(['name = "X"', "[engine]", 'kind = "external"', f'url = "{url}"', *lines])
    (folder / "x.toml").write_text(profile)
    return Launch(Catalogue.load(folder).get("x"), Files(Path()), {}, ())


async def test_it_is_used_and_found_again_until_it_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("theirs\n")
    async with server() as upstream:
        engine = ExternalEngine(tmp_path / "engines")
        running = await engine.start(
            launch(
                tmp_path,
                f"http://127.0.0.1:{upstream.port}/v1/",
                f'key_file = "{tmp_path / "key"}"',
            )
        )
        assert running.address == f"http://127.0.0.1:{upstream.port}"
        assert (running.key, running.model) == ("theirs", "qwen:7b")
        assert running.models == ("qwen:7b", "llama:8b", "l8")
        assert await ExternalEngine(tmp_path / "engines").running() == [running]
        (record,) = (tmp_path / "engines").iterdir()
        assert record.stat().st_mode & 0o777 == 0o600
        await engine.stop(running, 1)
        await engine.forget(running)
        assert await engine.running() == []


async def test_nobody_waits_for_the_log_of_one_that_is_left(tmp_path: Path) -> None:
    async with server() as upstream:
        engine = ExternalEngine(tmp_path)
        running = await engine.start(launch(tmp_path, f"http://127.0.0.1:{upstream.port}"))
        told = asyncio.ensure_future(anext(engine.log(running), None))
        await asyncio.sleep(0)
        assert not told.done()  # that would look like its end
        await engine.stop(running, 1)
        assert await asyncio.wait_for(told, 2) is None


async def test_a_model_that_it_has_is_asked_for(tmp_path: Path) -> None:
    async with server() as upstream:
        url = f"http://127.0.0.1:{upstream.port}"
        engine = ExternalEngine(tmp_path)
        assert (await engine.start(launch(tmp_path, url, 'model = "l8"'))).model == "l8"
        with pytest.raises(EngineError, match="has no model 'lama:8b'") as caught:
            await engine.start(launch(tmp_path, url, 'model = "lama:8b"'))
        assert "llama:8b" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "key", "why"),
    [(b"[]", "wrong", "401"), (b"<html>", "theirs", "something else than JSON")],
)
async def test_what_does_not_serve_is_told(
    tmp_path: Path, answer: bytes, key: str, why: str
) -> None:
    (tmp_path / "key").write_text(key)
    async with server(answer) as upstream:
        asked = launch(
            tmp_path, f"http://127.0.0.1:{upstream.port}", f'key_file = "{tmp_path / "key"}"'
        )
        with pytest.raises(EngineError, match="does not serve") as caught:
            await ExternalEngine(tmp_path).start(asked)
        assert why in caught.value.why
    with pytest.raises(EngineError, match="does not serve"):  # now nobody is there
        await ExternalEngine(tmp_path).start(asked)


async def test_a_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    asked = launch(tmp_path, "http://127.0.0.1:1", 'key_file = "/nowhere/key"')
    with pytest.raises(EngineError, match="/nowhere/key"):
        await ExternalEngine(tmp_path).start(asked)


async def test_its_health_is_whether_it_lists_models(tmp_path: Path) -> None:
    async with server() as upstream:
        engine = ExternalEngine(tmp_path)
        running = await engine.start(launch(tmp_path, f"http://127.0.0.1:{upstream.port}"))
        probe = HealthProbe()
        assert (await probe.ask(running)).ready
    assert not (await probe.ask(running)).answers
    await probe.close()


def test_the_address_goes_without_its_version() -> None:
    assert base_of("http://h:1/v1") == base_of("http://h:1/v1/") == base_of("http://h:1/")
    assert base_of("http://h/api/v1") == "http://h/api"
