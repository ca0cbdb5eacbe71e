"""Somebody else's server that speaks OpenAI's language: used, never started and never stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

from llm_studio.engines.base import (
    Abilities,
    Availability,
    EngineError,
    Launch,
    RawLine,
    Running,
    Vitals,
    now,
)
from llm_studio.engines.health import HealthProbe
from llm_studio.errors import did_you_mean
from llm_studio.journal import restored
from llm_studio.storage import write_atomically
from llm_studio.text import untrusted_line


class ExternalEngine:
    """A profile with `engine.url`. What is kept on disk is only that it was chosen."""

    kind = "external"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: dict[str, asyncio.Event] = {}
        """Set for those that are used no more."""

    async def availability(self, image: str = "") -> Availability:
        return Availability(True, "a server that somebody else runs")

    async def abilities(self, image: str = "") -> Abilities:
        return Abilities("", frozenset())

    async def start(self, launch: Launch) -> Running:
        section = launch.entry.require().engine
        address = base_of(section.url or "")
        running = Running(
            self.kind, launch.instance, launch.entry.id, address, _key(section.key_file), now(), (),
            f"the server at {untrusted_line(address)}",
        )  # fmt: skip
        probe = HealthProbe()
        try:
            health = await probe.ask(running)
        finally:
            await probe.close()
        if not health.ready:
            raise EngineError(
                f"The server at {untrusted_line(address)} does not serve",
                why=health.told,
                hint="Start it, or correct `engine.url` in the profile; it must answer /v1/models.",
            )
        wanted = section.model or ""
        if wanted and health.models and wanted not in health.models:
            raise EngineError(
                f"The server at {untrusted_line(address)} has no model {wanted!r}",
                why=f"It has {', '.join(health.models[:20])}.",
                hint=did_you_mean(wanted, health.models) or "Correct `engine.model`.",
            )
        chosen = wanted or next(iter(health.models), "")
        running = Running(**{**asdict(running), "model": chosen, "models": health.models})
        write_atomically(
            self._path(running.instance), json.dumps(asdict(running)) + "\n", mode=0o600
        )
        return running

    async def running(self) -> Sequence[Running]:
        found = []
        for path in sorted(self._folder.glob("external-*.json")):
            with contextlib.suppress(OSError):
                running = restored(Running, path.read_bytes())
                if running is not None:
                    found.append(running)
        return found

    async def vitals(self, running: Running) -> Vitals:
        return Vitals(True)  # its life is not ours to judge; whether it answers is told by health

    async def log(self, running: Running, mark: str = "") -> AsyncIterator[RawLine]:
        await self._left_by(running).wait()  # it tells us nothing, and ends for us alone
        for line in tuple[RawLine]():
            yield line

    async def stop(self, running: Running, grace: float) -> None:
        self._left_by(running).set()

    def _left_by(self, running: Running) -> asyncio.Event:
        return self._left.setdefault(running.instance, asyncio.Event())

    async def forget(self, running: Running) -> None:
        self._left.pop(running.instance, None)
        self._path(running.instance).unlink(missing_ok=True)

    async def close(self) -> None:
        return

    def _path(self, instance: str) -> Path:
        return self._folder / f"external-{instance}.json"


def base_of(url: str) -> str:
    """The address without the `/v1` that others write at its end, as ours come with it."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _key(file: str | None) -> str:
    if not file:
        return ""
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"The key file {untrusted_line(file)} cannot be read",
            why=getattr(error, "strerror", "") or str(error),
            hint="Correct `engine.key_file` in the profile.",
        ) from error
