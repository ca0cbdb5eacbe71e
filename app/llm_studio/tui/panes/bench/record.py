"""What the pane knows of benchmarks: read over the wire, kept until there is newer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.tui.wire import Wire

Told = Mapping[str, Any]
KEPT = 30
"""Whole results that are remembered."""


@dataclass(slots=True)
class Record:
    runs: list[Told] | None = None
    """Summaries, the oldest first; None until they were read."""
    changes: dict[str, Told] = field(default_factory=dict)
    """By run: how it compares with the last under another image."""
    running: dict[str, Told] = field(default_factory=dict)
    """By job: what was measured so far."""
    measures: dict[str, Told] = field(default_factory=dict)
    _whole: dict[str, Told] = field(default_factory=dict)

    async def read(self, wire: Wire) -> None:
        if not self.measures:
            told = await wire.ask("GET", "/bench/measures")
            self.measures = {each["name"]: each for each in told}
        self.runs = await wire.ask("GET", "/bench")

    async def read_changes(self, wire: Wire) -> None:
        told = await wire.ask("GET", "/bench/regressions")
        self.changes = {each["run"]: each for each in told}

    async def read_running(self, wire: Wire) -> None:
        told = await wire.ask("GET", "/bench/running")
        self.running = {each["job"]: each for each in told}

    def summary(self, id_: str) -> Told | None:
        return next((each for each in self.runs or () if each["id"] == id_), None)

    def before(self, run: Told) -> Told | None:
        """The one before it, of the same suite and profile."""
        like = [
            each
            for each in self.runs or ()
            if (each["suite"], each["profile"]) == (run["suite"], run["profile"])
            and each["started"] < run["started"]
        ]
        return like[-1] if like else None

    def known(self, id_: str) -> Told | None:
        return self._whole.get(id_)

    async def whole(self, wire: Wire, id_: str) -> Told:
        """A result with its points; it never changes."""
        if id_ not in self._whole:
            run = await wire.ask("GET", f"/bench/result/{id_}")
            told = await wire.ask("GET", f"/bench/published/{id_}") if run["scores"] else []
            self._whole[id_] = {**run, "published": told}
            while len(self._whole) > KEPT:
                del self._whole[next(iter(self._whole))]
        return self._whole[id_]


async def comparison(wire: Wire, first: str, second: str) -> tuple[list[Told], list[str]]:
    """What differs between two results, and what else did."""
    query: dict[str, Any] = {"first": first, "second": second}
    found = await wire.ask("GET", "/bench/compare", **query)
    return found, await wire.ask("GET", "/bench/circumstances", **query)


async def estimates(wire: Wire, suite: str, *, quick: bool, limit: int) -> dict[str, Told]:
    """By profile; those that were never measured are not there. A studio that cannot tell is no
    reason not to start."""
    try:
        told = await wire.ask(
            "GET", "/bench/estimates", suite=suite, quick=str(quick).lower(), limit=limit
        )
    except StudioError:
        return {}
    return {each["profile"]: each for each in told}
