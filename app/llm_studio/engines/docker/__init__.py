"""llama-server in a container: locked down, found again by its labels, read by its log."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from llm_studio.engines.base import (
    Abilities,
    Availability,
    EngineError,
    Launch,
    RawLine,
    Running,
    Vitals,
)
from llm_studio.engines.docker import container, network
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.container import Pinned
from llm_studio.engines.docker.follow import Follower
from llm_studio.engines.docker.graphics import graphics
from llm_studio.engines.docker.leftovers import forget_key, remove, sweep
from llm_studio.engines.docker.mounts import inside
from llm_studio.engines.docker.probe import ask
from llm_studio.engines.docker.records import Assembler, Mark
from llm_studio.engines.docker.runner import Me, runner
from llm_studio.engines.docker.seam import ContainerGone, ImageMissing, Unreachable, seam
from llm_studio.text import untrusted_line

AGAIN = (0.1, 2.0)
"""Seconds until a log that was cut off is opened again: at first, and at most."""
T = TypeVar("T")


class DockerEngine:
    """Starts and finds containers of one studio on the Docker daemon that the user has chosen."""

    kind = "docker"

    def __init__(
        self,
        instance_label: str,
        image: str | Callable[[], Pinned],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`instance_label` tells this studio's containers from those of another home; `image`
        is what runs where a profile names none: always the same, or what is chosen then."""
        self._studio = instance_label
        self._image = image
        self._connection = Connection(os.environ if environment is None else environment)
        self._known: dict[str, str] = {}
        """The containers of engines, by instance."""
        self._folders: dict[str, Path] = {}
        self._abilities: dict[str, Abilities] = {}
        self._undoing: set[asyncio.Task[None]] = set()

    async def availability(self, image: str = "") -> Availability:
        try:
            return await asyncio.to_thread(self._availability, image)
        except EngineError as error:
            told = " ".join(filter(None, (f"{error.what}.", error.why)))
            return Availability(False, told, error.hint)

    def _availability(self, named: str) -> Availability:
        daemon = self._connection.daemon()
        endpoint = self._connection.endpoint
        told = f"{daemon.name} at {endpoint}"
        _require_here(self._connection)
        image = self._pinned(named)
        with self._connection.open(image=image.name) as client:
            client.inspect_image(image.reference)
        return Availability(True, f"{told}, image {untrusted_line(image.name)}")

    def _pinned(self, image: str = "") -> Pinned:
        """The image that a profile names, else the one in use."""
        image = image or (self._image if isinstance(self._image, str) else "")
        return Pinned(image, image) if image else self._image()  # type: ignore[operator]

    async def abilities(self, image: str = "") -> Abilities:
        pinned = await asyncio.to_thread(self._pinned, image)
        found = await self._connection.call(
            lambda c: str(c.inspect_image(pinned.reference)["Id"]), image=pinned.name
        )
        if found not in self._abilities:
            self._abilities[found] = await asyncio.to_thread(
                ask, self._connection, pinned, self._studio
            )
        return self._abilities[found]

    async def start(self, launch: Launch) -> Running:
        task = asyncio.create_task(asyncio.to_thread(self._start, launch))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # The thread goes on; what it starts must not be left behind.
            undo = asyncio.create_task(self._undo(task))
            self._undoing.add(undo)
            undo.add_done_callback(self._undoing.discard)
            raise

    async def _undo(self, task: asyncio.Task[Running]) -> None:
        with contextlib.suppress(EngineError):
            running = await task
            await self.stop(running, 0)
            await self.forget(running)

    def _start(self, launch: Launch) -> Running:
        image = self._pinned(launch.image)
        _require_here(self._connection)
        daemon = self._connection.daemon()
        files, mounts = inside(launch.files)
        who = runner(
            (mount.source for mount in mounts if not mount.writable),
            Me.now(),
            rootless=daemon.rootless,
        )
        key = container.key_file(launch.folder.absolute(), launch.instance)
        asked = container.body(
            launch, image, self._studio, daemon, who, files, mounts, key, graphics(image.name)
        )
        closed = launch.entry.require().engine.network == "closed"
        _write_key(key, launch.key, who.hand_to)
        for mount in mounts:
            if mount.writable and who.hand_to:
                os.chown(mount.source, *who.hand_to)
        try:
            with self._connection.open(image=image.name) as client:
                if closed:
                    network.require(client, self._studio, daemon)
                name = container.name_of(launch.instance)
                made = client.create_container_from_config(asked, name=name)["Id"]
                try:
                    client.start(made)
                    inspected = client.inspect_container(made)
                except BaseException:
                    with contextlib.suppress(Exception):  # what failed first is what is told
                        remove(client, made, force=True)
                    raise
        except BaseException:
            key.unlink(missing_ok=True)
            raise
        self._known[launch.instance] = made
        self._folders[launch.instance] = key.parent
        return container.running_of(inspected, self.kind, launch.key)

    async def running(self) -> Sequence[Running]:
        return await self._connection.call(self._running)

    def _running(self, client: Any) -> list[Running]:
        labels = [f"{container.MANAGED}=true", f"{container.STUDIO}={self._studio}"]
        found = client.containers(all=True, filters={"label": labels})
        sweep(client, [each for each in found if each["Id"] not in self._known.values()])
        started = []
        for each in found:
            if each["State"] not in ("running", "paused", "restarting"):
                continue
            if container.INSTANCE not in each["Labels"]:
                continue
            with contextlib.suppress(ContainerGone), seam(str(self._connection.endpoint)):
                inspected = client.inspect_container(each["Id"])
                running = container.running_of(inspected, self.kind, _key_of(inspected))
                self._known[running.instance] = each["Id"]
                path = container.key_file_of(each["Labels"])
                if path is not None:
                    self._folders[running.instance] = path.parent
                started.append(running)
        return sorted(started, key=lambda running: running.started)

    async def vitals(self, running: Running) -> Vitals:
        try:
            return container.vitals_of(await self._inspect(running))
        except ContainerGone:
            return Vitals(False, gone=True)

    async def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        pause, all_read = AGAIN[0], False
        while True:
            try:
                ended = not container.vitals_of(await self._inspect(running)).alive
                if ended and all_read:
                    return
                came = False
                lines = self._follow(running, Mark.parse(mark), ended)
                async with contextlib.aclosing(lines):
                    async for line in lines:
                        mark, came, pause = line.mark, True, AGAIN[0]
                        yield line
                # A stream ends in the same way when its container does, and when Docker does.
                all_read = ended and not came
                if ended:
                    continue
            except ContainerGone:
                return
            except Unreachable:
                all_read = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, AGAIN[1])

    async def _follow(
        self, running: Running, mark: Mark, ended: bool
    ) -> AsyncGenerator[RawLine, None]:
        """One stream of the log, till it ends for whatever reason."""

        def open_stream() -> Any:
            with self._connection.open() as client:
                id_ = self._id(client, running)
                return client.logs(
                    id_, stream=True, follow=not ended, timestamps=True, since=mark.since
                )

        assembler = Assembler(mark)
        follower = Follower(open_stream, assembler)
        async with contextlib.aclosing(follower.batches()) as batches:
            with seam(str(self._connection.endpoint)):
                async for batch in batches:
                    for line in batch:
                        yield line
        rest = assembler.rest() if ended else None
        if rest is not None:
            yield rest

    async def stop(self, running: Running, grace: float) -> None:
        seconds = max(math.ceil(grace), 0)
        with contextlib.suppress(ContainerGone):
            await self._on(running, lambda client, id_: client.stop(id_, timeout=seconds))

    async def forget(self, running: Running) -> None:
        with contextlib.suppress(ContainerGone):
            inspected = await self._inspect(running)
            await self._on(running, remove)
            if container.network_of(self._studio) in inspected["NetworkSettings"]["Networks"]:
                await self._connection.call(lambda client: network.forget(client, self._studio))
            forget_key(inspected["Config"].get("Labels") or {})
        folder = self._folders.pop(running.instance, None)
        if folder is not None:  # somebody else has removed the container
            container.key_file(folder, running.instance).unlink(missing_ok=True)
        self._known.pop(running.instance, None)

    async def close(self) -> None:
        await asyncio.gather(*self._undoing)
        await asyncio.to_thread(self._connection.close)

    async def _inspect(self, running: Running) -> Mapping[str, Any]:
        return await self._on(running, lambda client, id_: client.inspect_container(id_))

    async def _on(self, running: Running, work: Callable[[Any, str], T]) -> T:
        return await self._connection.call(lambda client: work(client, self._id(client, running)))

    def _id(self, client: Any, running: Running) -> str:
        """The container itself: by its labels, since a name can be given to another one."""
        known = self._known.get(running.instance)
        if known is not None:
            return known
        labels = [
            f"{container.STUDIO}={self._studio}",
            f"{container.INSTANCE}={running.instance}",
        ]
        for each in client.containers(all=True, filters={"label": labels}):
            self._known[running.instance] = str(each["Id"])
            return str(each["Id"])
        raise ContainerGone("The container is gone", why="Somebody has removed it.")


def _write_key(path: Path, key: str, hand_to: tuple[int, int] | None) -> None:
    """For us and the container's user alone: not on a command line, nor where Docker shows it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key + "\n")
            if hand_to:
                os.fchown(file.fileno(), *hand_to)
    except OSError as error:
        raise EngineError(f"Cannot write {path}", why=error.strerror or str(error)) from error


def _key_of(inspected: Mapping[str, Any]) -> str:
    """The key of a container that somebody else has started; nothing if it is lost."""
    path = container.key_file_of(inspected["Config"].get("Labels") or {})
    try:
        return path.read_text(encoding="utf-8").strip() if path else ""
    except (OSError, ValueError):
        return ""


def _require_here(connection: Connection) -> None:
    endpoint = connection.endpoint
    if endpoint.remote:
        raise EngineError(
            "Docker runs on another machine", why=f"{endpoint} sees other model files and ports.",
            hint="Run llm-studio on that machine.",
        )  # fmt: skip


__all__ = ["DockerEngine", "ImageMissing", "Unreachable"]
