"""What became of profiles here: when each was last asked, and how its loads went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textual.content import Content

from llm_studio.text import untrusted_line
from llm_studio.tui.wire import Wire

LOADS = ("loaded", "switched", "adopted", "failed", "crashed")
KEPT = 5
REQUESTS = 500
"""How many of the newest are looked at."""
REACH = 30 * 86400
"""Seconds back that are asked for; the studio may keep less."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load, or its end."""

    time: float
    good: bool
    told: str


@dataclass(frozen=True, slots=True)
class Past:
    """Of every profile; only what the studio recorded."""

    asked: Mapping[str, float] = field(default_factory=dict)
    """When the last request to it ended, in seconds since the epoch."""
    loads: Mapping[str, tuple[Load, ...]] = field(default_factory=dict)
    """The newest first."""

    @property
    def used(self) -> dict[str, float]:
        """When each was last asked or loaded."""
        loaded = (
            (id_, load.time) for id_, loads in self.loads.items() for load in loads if load.good
        )
        last: dict[str, float] = {}
        for id_, at in (*self.asked.items(), *loaded):
            last[id_] = max(at, last.get(id_, 0.0))
        return last


async def read(wire: Wire) -> Past:
    reach: dict[str, Any] = {"from": -REACH}  # no name in Python
    page = await wire.ask("GET", "/history", series="none", resolution=86400, **reach)
    return past_of(page["marks"], await wire.ask("GET", "/requests", since=-REQUESTS))


def past_of(marks: Iterable[Mapping[str, Any]], requests: Iterable[Mapping[str, Any]]) -> Past:
    loads: dict[str, tuple[Load, ...]] = {}
    for mark in marks:
        if mark["kind"] in LOADS:
            load = Load(mark["time"], mark["level"] != "error", mark["text"])
            loads[mark["about"]] = (load, *loads.get(mark["about"], ()))[:KEPT]
    asked: dict[str, float] = {}
    for each in requests:
        if each["profile"]:
            ended = each["started"] + each["seconds"]
            asked[each["profile"]] = max(ended, asked.get(each["profile"], 0.0))
    return Past(asked, loads)


def record(past: Past, id_: str) -> list[Content]:
    """A line for the last request and one for each load."""
    lines = []
    if id_ in past.asked:
        lines.append(Content.assemble((f"{'last request':<14}", "$dim"), _moment(past.asked[id_])))
    for load in past.loads.get(id_, ()):
        sign, style = ("●", "$success") if load.good else ("✗", "$error")
        text = untrusted_line(
            load.told.removeprefix(id_).lstrip(": ").removeprefix("is "), limit=300
        )
        lines.append(
            Content.assemble((f"{_moment(load.time):<14}", "$dim"), (f"{sign} ", style), text)
        )
    return lines


def _moment(seconds: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(seconds))
