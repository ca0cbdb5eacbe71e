"""The Models pane: the table, the sheet, what if, and changes of profiles."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conftest import Home
from tests.tui.looking import Look, opened
from tests.tui.scripted_studio import ScriptedStudio, profile

from llm_studio.tui.view import Profile
from llm_studio.tui.widgets.listing import Listing

pytestmark = pytest.mark.anyio
FILE = {
    "name": "spare.gguf", "size": 1 << 30, "place": "folder", "quantisation": "Q8_0",
    "parameters": "1.0B", "problem": "",
}  # fmt: skip


def keys(look: Look) -> list[str]:
    return look.app.screen.query_one(Listing).keys


async def test_groups_and_states(studio: ScriptedStudio) -> None:
    studio.profiles += [
        profile("bad", state="broken", fit=None, badge="", problems=["no"]),
        profile("gone", state="missing", fit=None, badge="", size=None),
        profile("base", state="template"),
    ]
    studio.files = [FILE]
    async with opened(studio) as look:
        assert keys(look) == ["alpha", "beta", "bad", "file:spare.gguf", "gone"]
        lines = [line for line in look.lines[:14] if line]
        assert any("Model files without a profile" in line for line in lines)
        assert any("Not on this machine" in line for line in lines)
        studio.serves("beta")
        await look.until("● ready  beta")
        assert keys(look)[:2] == ["beta", "alpha"]
        assert next(line for line in look.lines if "The model beta" in line).startswith(" ●")


async def test_an_engine_that_is_paused_is_not_called_failed(studio: ScriptedStudio) -> None:
    failure: dict[str, object] = {
        "cause": "paused", "what": "The engine is paused", "why": "", "hint": "docker unpause it",
        "exit_code": None, "out_of_memory": False, "last_lines": [],
    }  # fmt: skip
    detail = "paused; it goes on when it is resumed"
    async with opened(studio) as look:
        studio.becomes(
            state="failed", profile="beta", desired="beta", failure=failure, detail=detail
        )
        await look.until("‖ paused  beta  paused; it goes on")
        row = next(line for line in look.lines[2:] if "The model beta" in line)
        assert row.startswith(" ‖")
        assert "paused" in row
        await look.press("F")
        await look.until("docker unpause it")
        await look.press("escape")
        studio.serves("beta", failure=None, detail="")
        await look.until("● ready  beta")


async def test_filter_as_you_type_and_by_tag(studio: ScriptedStudio) -> None:
    studio.profiles.append(profile("coder", tags=["code", "chat-like"]))
    async with opened(studio) as look:
        await look.press("slash")
        await look.type("bet")
        assert keys(look) == ["beta"]
        await look.press("enter")
        assert keys(look) == ["beta"]
        await look.press("escape")
        assert keys(look) == ["alpha", "beta", "coder"]
        await look.press("t")
        await look.until("#code")
        await look.type("code")
        await look.press("enter")
        await look.until(lambda: keys(look) == ["coder"])
        await look.press("slash", "z", "z", "enter")
        await look.until("Nothing matches the filter")
        await look.press("escape")
        await look.until("alpha")


async def test_sorting(studio: ScriptedStudio) -> None:
    studio.profiles = [
        profile("a", size=1, context=9, speed=1.0),
        profile("b", size=3, context=1, speed=None),
        profile("c", size=2, context=5, speed=9.0),
    ]
    expected = {"name": "abc", "size": "bca", "context": "acb", "speed": "cab"}
    async with opened(studio) as look:
        for order, ids in expected.items():
            await look.press("o")
            await look.until(f"Sorted by {order}")
            assert "".join(keys(look)) == ids
            assert "▾" in next(line for line in look.lines if "FIT" in line)


async def test_the_cursor_stays_on_its_profile(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("down")
        studio.profiles.insert(0, profile("aaa"))
        await look.press("ctrl+r")
        await look.until(lambda: keys(look) == ["aaa", "alpha", "beta"])
        assert look.app.screen.query_one(Listing).key == "beta"


async def test_the_sheet(studio: ScriptedStudio) -> None:
    async with opened(studio, size=(150, 45)) as look:
        await look.until("Command")
        for told in (
            "32,768 tokens of context, 90,112 would fit", "GPU 0", "█ weights", "server.ubatch",
            "temperature = 0.7", "--ctx-size 32768", "CUDA_DEVICE_ORDER=PCI_BUS_ID llama-server",
            "estimated before loading",
        ):  # fmt: skip
            assert told in look.text, told
        command = next(line for line in look.lines if "--ctx-size" in line)
        assert command.endswith("fit")


async def test_what_if(studio: ScriptedStudio) -> None:
    async with opened(studio, size=(150, 45)) as look:
        await look.until("Command")
        before = look.text
        await look.press("plus")
        await look.until("65,536 tokens of context")
        assert "tried out" in look.text
        command = next(line for line in look.lines if "--ctx-size 65536" in line)
        assert command.endswith("tried out")
        await look.press("plus")
        await look.until("90,112 tokens of context")
        await look.press("minus", "left_square_bracket")
        await look.until("cache q8_0")
        assert "65,536 tokens of context" in look.text
        await look.press("escape")
        await look.until("32,768 tokens of context")
        assert look.text == before
        assert studio.wishes == []


async def test_what_was_tried_can_be_kept(studio: ScriptedStudio) -> None:
    async with opened(studio, size=(150, 45)) as look:
        await look.until("Command")
        await look.press("plus")
        await look.until("tried out")
        await look.press("w")
        await look.until("alpha is written")
    assert studio.asked("PATCH", "/profiles/alpha") == [{"server.context": 65536}]


async def test_load_cancel_and_stop(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("enter")
        await look.until(lambda: look.app.view.job("switch"))
        assert studio.asked("POST", "/switch") == [{"model": "alpha"}]
        studio.becomes(state="loading", profile="alpha", desired="alpha", progress=0.42)
        await look.until("loading 42%")
        await look.press("escape")
        await look.until(lambda: studio.asked("POST", "/jobs/j1/cancel"))
        studio.job("j1", "cancelled")
        studio.serves("alpha", progress=None, stage=None)
        await look.until("● ready")
        await look.press("s")
        await look.until(lambda: studio.asked("POST", "/stop"))


async def test_start_beside(studio: ScriptedStudio) -> None:
    async with opened(studio) as look:
        await look.press("b")
        assert studio.wishes == []
        studio.serves("alpha")
        await look.until("● ready")
        await look.press("down", "b")
        await look.until(lambda: studio.asked("POST", "/switch"))
        assert studio.asked("POST", "/switch") == [{"model": "beta", "beside": True}]
        other = {key: studio.status[key] for key in studio.status if key != "beside"}
        studio.becomes(beside=[{**other, "profile": "beta", "desired": "beta"}])
        await look.until("alpha +1")


async def test_delete_asks_and_spares_what_ships(studio: ScriptedStudio) -> None:
    studio.profiles.append(profile("shipped", shipped=True))
    async with opened(studio) as look:
        await look.press("X")
        await look.until("Delete alpha?")
        await look.press("n", "X")
        await look.until("Delete alpha?")
        assert studio.wishes == []
        await look.press("y")
        await look.until("trash/alpha.toml")
        await look.press("end", "X")
        await look.until("ships with llm-studio, so it cannot be deleted")
    assert studio.wishes == [("DELETE", "/profiles/alpha", None)]


async def test_new_and_duplicate(studio: ScriptedStudio) -> None:
    studio.files = [FILE]
    async with opened(studio) as look:
        await look.press("end", "enter")
        await look.until("made is made")
        assert studio.asked("POST", "/profiles") == [{"file": "spare.gguf"}]
        assert look.app.screen.query_one(Listing).key == "made"
        await look.press("home", "d")
        await look.until("Duplicate alpha")
        await look.type("gamma")
        await look.press("enter")
        await look.until("gamma is made")
        assert studio.asked("POST", "/profiles/alpha/copy") == [{"id": "gamma"}]


async def test_the_command_goes_into_the_clipboard(studio: ScriptedStudio) -> None:
    async with opened(studio, size=(150, 45)) as look:
        await look.until("Command")
        await look.press("y")
        assert look.app.clipboard == (
            "CUDA_DEVICE_ORDER=PCI_BUS_ID llama-server \\\n"
            "  --model /models/alpha.gguf \\\n  --ctx-size 32768"
        )


async def test_with_nothing_it_says_what_to_do(home: Home, studio: ScriptedStudio) -> None:
    studio.profiles = []
    async with opened(studio) as look:
        await look.until("No model of yours is here yet")
        assert str(home.models) in look.text
        assert "llm-studio config models" in look.text
        studio.profiles = [profile("alpha")]
        await look.press("ctrl+r")
        await look.until("alpha")
        await look.press("enter")
        await look.until(lambda: studio.asked("POST", "/switch"))


async def test_a_profile_that_cannot_be_looked_at_says_why(studio: ScriptedStudio) -> None:
    refusal = {"status": 500, "title": "No such disk", "hint": "Mount it."}
    studio.refusals["GET /profiles/alpha"] = refusal
    async with opened(studio) as look:
        await look.until("✗ No such disk. Mount it.")


def test_the_view_reads_what_the_wire_has() -> None:
    """The UI's plain classes and the schema may not drift apart."""
    from dataclasses import fields

    from llm_studio import schema
    from llm_studio.tui import view
    from llm_studio.tui.panes.models import detail

    pairs: list[tuple[type[Any], Any]] = [
        (view.Status, schema.Status), (view.Serving, schema.ServingStatus),
        (view.Engine, schema.EngineStatus), (view.Failure, schema.FailureStatus),
        (Profile, schema.ProfileSummary), (view.Job, schema.JobStatus),
        (view.ModelFile, schema.ModelFileSummary), (detail.Detail, schema.ProfileDetail),
        (detail.Memory, schema.DeviceMemory), (detail.Finding, schema.ProfileFinding),
        (detail.Value, schema.ShownValue), (detail.Argument, schema.ShownArgument),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert {field.name for field in fields(ours)} <= set(theirs.model_fields), ours
    gpu = schema.GpuSample(id="nvidia0", kind="nvidia", index=0, memory_total=8, memory_used=6)
    engine = schema.EngineSample(speed=3.5, context=100, context_used=25)
    sample = schema.Sample(seq=1, time=1, gpus=[gpu], host=schema.HostSample(), engine=engine)
    pulse = view.Pulse.of(sample.model_dump())
    assert (pulse.speed, pulse.context) == (3.5, 0.25)
    assert pulse.gpus == (view.Gauge("nvidia0", 6, 8),)
