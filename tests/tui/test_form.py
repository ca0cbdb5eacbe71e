"""Changing a profile's values in the form, and what its sheet tells of the past."""

from __future__ import annotations

from typing import Any

import pytest
from tests.tui.looking import opened
from tests.tui.monitoring import request
from tests.tui.scripted_studio import ScriptedStudio, profile

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (120, 40)]
MOMENT = 1_790_000_000.0


@pytest.mark.parametrize("size", SIZES)
async def test_values_are_changed_and_written(
    studio: ScriptedStudio, size: tuple[int, int]
) -> None:
    async with opened(studio, size=size) as look:
        await look.press("f")
        await look.until("Edit alpha")
        await look.press("enter")
        await look.until("like 32768; auto")
        look.fill("65536")
        await look.press("enter")
        await look.until("changed, not written")
        await look.press("down", "enter")
        await look.until("cache_type_k")
        await look.press("5")
        await look.until("q8_0")
        await look.press("end", "up", "up", "up", "up")
        await look.until("likeliest word")
        await look.press("delete")
        await look.until("default")
        await look.same_as_before("form")
        assert studio.wishes == []
        await look.press("w")
        await look.until("alpha is written")
    assert studio.asked("PATCH", "/profiles/alpha") == [
        {"server.context": 65536, "server.cache_type_k": "q8_0", "sampling.temperature": None}
    ]


async def test_what_is_refused_stays_to_be_mended(studio: ScriptedStudio) -> None:
    studio.refusals["PATCH /profiles/alpha"] = {
        "status": 500, "title": "The profile 'alpha' would be broken, so nothing was written",
        "detail": "context: not a number", "hint": "",
    }  # fmt: skip
    async with opened(studio) as look:
        await look.press("f")
        await look.until("Edit alpha")
        await look.press("enter")
        await look.until("like 32768; auto")
        look.fill("much")
        await look.press("enter")
        await look.until("changed, not written")
        await look.press("w")
        await look.until("would be broken")
        await look.press("escape")
        await look.until("much")
        await look.press("escape")
        await look.until("Nothing is written yet")
        await look.press("y")
        await look.until(lambda: "Edit alpha" not in look.text)


async def test_a_value_that_is_typed_anew_is_no_change(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("f")
        await look.until("Edit alpha")
        await look.press("end", "up", "up", "up", "up", "enter")
        await look.until("likeliest word")
        await look.press("enter")
        await look.until("Esc goes back")
        await look.press("escape")
        await look.until(lambda: "Edit alpha" not in look.text)
    assert studio.wishes == []


def mark(kind: str, text: str, seconds: float, about: str = "alpha") -> dict[str, Any]:
    level = "error" if kind in ("failed", "crashed") else "info"
    told = {"seq": 1, "time": MOMENT + seconds, "kind": kind, "level": level}
    return {**told, "about": about, "text": text, "over": False}


async def test_the_sheet_tells_of_loads_and_of_the_last_request(studio: ScriptedStudio) -> None:
    page = studio.answers["/history"]
    page["marks"] = [
        mark("failed", "alpha: The GPU has no memory left", 0),
        mark("loaded", "beta is ready", 60, "beta"),
        mark("loaded", "alpha is ready", 3600),
        mark("stopped", "alpha was stopped", 7200),
    ]
    studio.answers["/requests"] = [
        request(1, profile="alpha", started=MOMENT, seconds=60.0),
        request(2, profile="alpha", started=MOMENT + 3600, seconds=120.0),
        request(3, profile="beta", started=MOMENT + 9000, seconds=1.0),
    ]
    async with opened(studio, size=(150, 50)) as look:
        await look.until("last request")
        lines = [line.partition("│")[2].strip() for line in look.lines]
        at = lines.index("Served")
        assert lines[at + 1 : at + 4] == [
            "last request  21 Sep 15:15",
            "21 Sep 15:13  ● ready",
            "21 Sep 14:13  ✗ The GPU has no memory left",
        ]


async def test_the_table_tells_tags_and_the_last_use_and_sorts_by_it(
    studio: ScriptedStudio,
) -> None:
    studio.profiles.append(profile("gamma", tags=["code", "24gb"]))
    studio.answers["/history"]["marks"] = [
        mark("loaded", "beta is ready", 60, "beta"),
        mark("loaded", "gamma is ready", 86400 * 3, "gamma"),
        mark("failed", "beta: The GPU has no memory left", 86400 * 9, "beta"),
    ]
    studio.answers["/requests"] = [request(1, profile="beta", started=MOMENT, seconds=86400.0)]
    async with opened(studio, size=(210, 40)) as look:
        await look.until("22 Sep")
        rows = {line.split()[0]: line.partition("│")[0] for line in look.lines[4:7]}
        assert "22 Sep  chat" in rows["beta"]
        assert "24 Sep  code 24gb" in rows["gamma"]
        assert rows["alpha"].rstrip().endswith("chat")
        for _ in range(5):
            await look.press("o")
        await look.until("Sorted by last use")
        assert [line.split()[0] for line in look.lines[4:7]] == ["gamma", "beta", "alpha"]


async def test_one_of_several_is_stopped(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        other = {key: studio.status[key] for key in studio.status if key != "beside"}
        beside = {**other, "state": "ready", "profile": "beta", "desired": "beta"}
        studio.serves("alpha", beside=[beside])
        await look.until("alpha +1")
        await look.press("down", "s")
        await look.until(lambda: studio.asked("POST", "/stop"))
        assert ("/stop", {"model": "beta"}) in studio.queries
