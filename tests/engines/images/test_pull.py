"""Pulls from a registry on loopback by the real Docker: progress, ends, refusals."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
from tests.standins.registry import Registry

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images.interrupt import Interrupt, in_thread
from llm_studio.engines.images.pull import Progress, pull
from llm_studio.engines.images.reference import Reference

pytestmark = pytest.mark.engine
DEADLINE = 30


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection(os.environ)
    yield connection
    connection.close()


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, float | None]] = []

    def __call__(self, message: str, fraction: float | None) -> None:
        self.said.append((message, fraction))


def pulled(connection: Connection, registry: Registry, told: Told | None = None) -> str:
    wanted = Reference(f"{registry.address}/llama", "tiny")
    return pull(connection, wanted, told or Told(), Interrupt()).id


def fetches(registry: Registry, digest: str) -> int:
    return sum(digest in line and line.startswith("GET") for line in registry.asked)


def test_a_pull_tells_layers_and_bytes(
    connection: Connection, registry: Registry, layers: list[bytes]
) -> None:
    digests = registry.push("llama", "tiny", *layers)
    registry.stalled.add(digests[0])
    told = Told()

    def go_on() -> None:
        registry.half_sent.wait(DEADLINE)
        registry.go_on.set()

    threading.Thread(target=go_on).start()
    wanted = Reference(f"{registry.address}/llama", "tiny")
    found = pull(connection, wanted, told, Interrupt())
    assert found.id.startswith("sha256:")
    assert found.digest.startswith("sha256:")
    assert told.said[0] == ("asking the registry", None)
    message, fraction = told.said[-1]
    assert message.startswith("3 of 3 layers, 2.0 MiB of 2.0 MiB")
    assert fraction == 1.0
    again = Told()
    assert pulled(connection, registry, again) == found.id
    assert [fetches(registry, digest) for digest in digests] == [1, 1, 1]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    connection: Connection, registry: Registry, layers: list[bytes]
) -> None:
    digests = registry.push("llama", "tiny", *layers)
    registry.cut.add(digests[1])
    told = Told()
    assert pulled(connection, registry, told).startswith("sha256:")
    [rest] = [line for line in registry.asked if digests[1] in line and "bytes=" in line]
    assert int(rest.rpartition("=")[2].rstrip("-")) > 100_000
    assert any("retrying in" in message for message, _ in told.said)


@pytest.mark.anyio
async def test_a_pull_that_is_cancelled_ends_at_once_and_can_be_done_again(
    connection: Connection, registry: Registry, layers: list[bytes]
) -> None:
    digests = registry.push("llama", "tiny", *layers)
    registry.stalled.add(digests[2])
    wanted, told = Reference(f"{registry.address}/llama", "tiny"), Told()
    task = asyncio.create_task(
        in_thread("pull", lambda interrupt: pull(connection, wanted, told, interrupt))
    )
    await asyncio.to_thread(registry.half_sent.wait, DEADLINE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    registry.go_on.set()
    registry.stalled.clear()
    assert (await asyncio.to_thread(pulled, connection, registry)).startswith("sha256:")


@pytest.mark.parametrize(
    ("status", "what", "hint"),
    [
        (401, "does not let you have this image", "docker login"),
        (404, "has no such image", "tag"),
        (429, "wants fewer requests", "docker login"),
    ],
)
def test_a_registry_that_refuses(
    connection: Connection,
    registry: Registry,
    layers: list[bytes],
    status: int,
    what: str,
    hint: str,
) -> None:
    registry.push("llama", "tiny", *layers)
    registry.refusal = status
    with pytest.raises(EngineError, match=what) as caught:
        pulled(connection, registry)
    assert hint in caught.value.hint
    assert caught.value.why


def test_a_broken_layer_is_no_image(
    connection: Connection, registry: Registry, layers: list[bytes]
) -> None:
    digests = registry.push("llama", "tiny", *layers)
    registry.broken.add(digests[1])
    with pytest.raises(EngineError, match="broken") as caught:
        pulled(connection, registry)
    assert "again" in caught.value.hint


def test_a_registry_that_is_not_there(connection: Connection, registry: Registry) -> None:
    registry.__exit__()
    with pytest.raises(EngineError, match="registry cannot be reached"):
        pulled(connection, registry)


def record(id_: str, status: str, current: int = 0, total: int = 0) -> dict[str, object]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": id_, "status": status, "progressDetail": detail}


def test_the_part_that_is_done_is_told_only_when_it_is_known() -> None:
    progress = Progress()
    progress.take({"id": "tiny", "status": "Pulling from llama"}, 0)
    for layer in "abc":
        progress.take(record(layer, "Pulling fs layer"), 0)
    progress.take(record("a", "Downloading", 1 << 20, 4 << 20), 1)
    assert (progress.fraction, progress.sentence(1)) == (None, "0 of 3 layers, 1.0 MiB, 1.0 MiB/s")
    progress.take(record("b", "Already exists"), 2)
    progress.take(record("c", "Downloading", 2 << 20, 4 << 20), 2)
    assert progress.fraction == 3 / 8
    assert progress.sentence(2) == "1 of 3 layers, 3.0 MiB of 8.0 MiB, 1.5 MiB/s"
    progress.take(record("c", "Retrying in 4 seconds"), 3)
    assert progress.sentence(9).endswith("retrying in 4 seconds")
    for layer in "ac":
        progress.take(record(layer, "Download complete"), 9)
    assert progress.fraction == 1.0
    assert progress.sentence(60) == "1 of 3 layers, 8.0 MiB of 8.0 MiB, unpacking"
