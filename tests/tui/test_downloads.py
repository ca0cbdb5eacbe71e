"""Downloads in the Models pane: of a profile, from the hub, stopped, gone on with, refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.tui.looking import Look, opened
from tests.tui.monitoring import GiB, gpu, sample
from tests.tui.scripted_studio import ScriptedStudio, profile

from llm_studio.tui.panes.models.rough_fit import Memory, guess, suits
from llm_studio.tui.widgets.listing import Listing

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (120, 40)]
REPOSITORY = "unsloth/Qwen3-8B-GGUF"


def offer(name: str, size: float, **values: Any) -> dict[str, Any]:
    told = {"name": name, "size": int(size * GiB), "files": 1, "projector": False, "missing": 0}
    return {**told, **values}


@pytest.fixture
def hub(studio: ScriptedStudio) -> ScriptedStudio:
    """A profile without its model, and a hub that has it."""
    studio.profiles.append(
        profile(
            "qwen3-8b",
            name="Qwen3 8B Q4_K_M",
            state="missing",
            fit=None,
            badge="",
            size=None,
            repo=REPOSITORY,
            file="Qwen3-8B/Qwen3-8B-Q4_K_M.gguf",
            shipped=True,
            tags=["8gb"],
            parameters=None,
            quantisation=None,
        )
    )
    studio.answers["/hub/search"] = [
        {"repository": REPOSITORY, "downloads": 1_234_567, "offers": []},
        {"repository": "bartowski/Qwen_Qwen3-8B-GGUF", "downloads": 98_765, "offers": []},
    ]
    studio.answers["/hub/offers"] = {
        "repository": REPOSITORY, "downloads": None,
        "offers": [
            offer("Q2_K", 3.1), offer("Q4_K_M", 4.7), offer("Q4_K_M", 9), offer("Q8_0", 8.1),
            offer("BF16", 31, files=2), offer("F32", 61, files=4), offer("Q6_K", 6, missing=1),
            offer("F16", 1, projector=True),
        ],
    }  # fmt: skip
    return studio


async def at(look: Look, key: str) -> None:
    """The cursor on a row, in a terminal that knows the machine."""
    await look.until(lambda: key in look.app.screen.query_one(Listing).keys)
    look.app.screen.query_one(Listing).go_to(key)
    await look.pilot.pause()


def comes(studio: ScriptedStudio, what: str, state: str = "running", **values: Any) -> None:
    told = {"fraction": 0.42, "message": "1.97 of 4.68 GB, 85 MB/s, 32 s left", **values}
    studio.job("d1", state, kind="download", title=f"Get {what}", **told)


async def machine(studio: ScriptedStudio, look: Look) -> None:
    studio.tell(
        "sample",
        sample(
            gpu(0, memory_total=8 * GiB, memory_used=3 * GiB),
            gpu(1, memory_total=8 * GiB, memory_used=3 * GiB),
        ),
    )
    await look.until(lambda: look.app.view.sample)


@pytest.mark.parametrize("size", SIZES)
async def test_a_profile_gets_its_model(hub: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(hub, size=size) as look:
        await machine(hub, look)
        await at(look, "qwen3-8b")
        await look.press("g")
        await look.until("Download qwen3-8b?")
        await look.until("4.7 GiB from unsloth")
        assert "rough guess it fits: one GPU" in look.text.replace("\n", " ")
        assert hub.wishes == []
        await look.press("y")
        await look.until(lambda: hub.asked("POST", "/downloads"))
        assert hub.asked("POST", "/downloads") == [{"what": "qwen3-8b"}]
        comes(hub, "qwen3-8b")
        await look.until("downloading 42%")
        await look.until("85 MB/s")
        assert "42% Get qwen3-8b" in look.lines[0]
        await look.same_as_before("downloading")
        await look.press("s")
        await look.until(lambda: hub.asked("POST", "/jobs/d1/cancel"))
        comes(hub, "qwen3-8b", "cancelled", ended=time.time())
        await look.until("stopped at 42%")
        assert look.app.screen.query_one(Listing).key == "qwen3-8b"
        await look.until("goes on where it was")
        await look.until(lambda: "s stop " not in look.lines[-1])
        await look.press("g")
        await look.until(lambda: len(hub.asked("POST", "/downloads")) == 2)


async def test_the_picker_offers_to_fetch_what_is_not_here(hub: ScriptedStudio) -> None:
    async with opened(hub) as look:
        await machine(hub, look)
        await look.press("3", "m")
        await look.type("qwen3")
        await look.press("enter")
        await look.until("Download qwen3-8b?")
        await look.press("y")
        await look.until(lambda: hub.asked("POST", "/downloads") == [{"what": "qwen3-8b"}])
        assert hub.asked("POST", "/switch") == []


async def test_what_is_here_is_told_and_shown(hub: ScriptedStudio) -> None:
    async with opened(hub) as look:
        comes(hub, "qwen3-8b")
        await look.until("downloading 42%")
        hub.profiles[-1] |= {"state": "available", "size": 5 * GiB}
        comes(hub, "qwen3-8b", "done", ended=time.time())
        await look.until("qwen3-8b is here")
        await look.until(lambda: "Downloads" not in look.text)


async def test_the_cursor_goes_to_the_file_that_came(hub: ScriptedStudio) -> None:
    """The next step is a profile for it, by the same key."""
    comes(hub, f"{REPOSITORY}:Q4_K_M")
    async with opened(hub) as look:
        await look.until("downloading 42%")
        await at(look, f"get:{REPOSITORY}:Q4_K_M")
        folder = REPOSITORY.partition("/")[2].removesuffix("-GGUF")
        names = [f"{folder}/model-{each}.gguf" for each in ("Q3_K_M", "Q4_K_M", "Q8_0")]
        hub.files = [
            {"name": name, "size": GiB, "place": "folder", "path": f"/data/models/{name}",
             "quantisation": None, "parameters": None, "problem": ""} for name in names
        ]  # fmt: skip
        comes(hub, f"{REPOSITORY}:Q4_K_M", "done", ended=time.time())
        await look.until(lambda: "Downloads" not in look.text)
        assert look.app.screen.query_one(Listing).key == f"file:{names[1]}"
        assert f"in {folder}" in look.text
        await look.until(f"/data/models/{names[1]}")


async def test_a_download_is_there_again_at_the_next_attach(hub: ScriptedStudio) -> None:
    comes(hub, f"{REPOSITORY}:Q4_K_M")
    async with opened(hub) as look:
        await look.until("downloading 42%")
        assert REPOSITORY in look.text
        await at(look, f"get:{REPOSITORY}:Q4_K_M")
        comes(hub, f"{REPOSITORY}:Q4_K_M", "cancelled", ended=time.time())
        await look.until("stopped at 42%")
        assert look.app.screen.query_one(Listing).key == f"get:{REPOSITORY}:Q4_K_M"
    comes(hub, f"{REPOSITORY}:Q4_K_M", "interrupted", ended=time.time())
    async with opened(hub) as look:
        await at(look, f"get:{REPOSITORY}:Q4_K_M")
        await look.until("The studio ended while it ran")
        await look.press("enter")
        await look.until(lambda: hub.asked("POST", "/downloads"))
        assert hub.asked("POST", "/downloads") == [{"what": f"{REPOSITORY}:Q4_K_M"}]


async def test_only_what_lately_ended_unfinished_is_offered_again(hub: ScriptedStudio) -> None:
    now = time.time()
    hub.job("a", "failed", kind="download", title="Get a/old:Q8_0", ended=now - 9e5)
    hub.job("b", "failed", kind="download", title="Get b/mended:Q8_0", ended=now - 60)
    hub.job("c", "done", kind="download", title="Get b/mended:Q8_0", ended=now - 50)
    hub.job("d", "cancelled", kind="download", title="Get alpha", ended=now - 40)
    hub.job("e", "cancelled", kind="download", title="Get e/stopped:Q8_0", ended=now - 30)
    async with opened(hub) as look:
        await look.until("e/stopped")
        keys = look.app.screen.query_one(Listing).keys
        assert [key for key in keys if key.startswith("get:")] == ["get:e/stopped:Q8_0"]


@pytest.mark.parametrize("size", SIZES)
async def test_the_hub(hub: ScriptedStudio, size: tuple[int, int]) -> None:
    async with opened(hub, size=size) as look:
        await machine(hub, look)
        await look.press("G")
        await look.until("Enter searches")
        look.fill("qwen3 8b")
        await look.press("enter")
        await look.until("1,234,567")
        await look.same_as_before("hub-found")
        assert ("/hub/search", {"words": "qwen3 8b"}) in hub.queries
        await look.press("enter")
        await look.until("Q4_K_M")
        await look.until("rough guess")
        await look.same_as_before("hub-offers")
        assert look.app.screen.query_one(Listing).keys == ["Q2_K", "Q4_K_M", "Q8_0", "BF16", "F32"]
        await look.press("escape")
        await look.until("1,234,567")
        await look.press("enter")
        await look.until("Q4_K_M")
        await look.press("down", "enter")
        await look.until("s stops it")  # the cursor is on it
        assert hub.asked("POST", "/downloads") == [{"what": f"{REPOSITORY}:Q4_K_M"}]


async def test_a_repository_by_its_name(hub: ScriptedStudio) -> None:
    async with opened(hub) as look:
        await look.press("G")
        look.fill(REPOSITORY)
        await look.press("enter")
        await look.until("Q4_K_M")
        assert ("/hub/offers", {"repository": REPOSITORY}) in hub.queries
        await look.press("home", "x")
        await look.until("Enter searches")  # nobody asked yet whether there is another one
        await look.press("backspace", "enter")
        await look.until("Q4_K_M")
        await look.press("escape")
        await look.until("PROFILE")
        assert hub.wishes == []


async def test_a_hub_that_cannot_be_reached_says_so_and_can_be_tried_again(
    hub: ScriptedStudio,
) -> None:
    hub.refusals["GET /hub/search"] = {
        "status": 409, "title": "The hub cannot be reached", "detail": "No route to [/host].",
        "hint": "HTTPS_PROXY names a proxy.",
    }  # fmt: skip
    async with opened(hub) as look:
        await look.press("G")
        look.fill("qwen")
        await look.press("enter")
        await look.until("✗ The hub cannot be reached. No route to [/host].")
        await look.until("→ HTTPS_PROXY names a proxy.")
        hub.refusals.clear()
        await look.press("enter")
        await look.until("1,234,567")


async def test_a_gated_repository_explains_tokens(hub: ScriptedStudio) -> None:
    refused = {
        "error": "google/gemma is gated. Its makers want you to accept their terms.",
        "hint": "Accept its terms, make a token, and log in: `hf auth login`.",
    }
    async with opened(hub) as look:
        await at(look, "qwen3-8b")
        await look.press("g")
        await look.until("Download qwen3-8b?")
        await look.press("y")
        await look.until(lambda: look.app.view.job("download"))
        comes(hub, "qwen3-8b", "failed", fraction=None, ended=time.time(), **refused)
        await look.until("✗ google/gemma is gated")
        await look.until("hf auth login")
        await look.press("escape")
        await look.until("download failed")
        await look.until("tries again")
        assert "hf auth login" in look.text


async def test_a_profile_that_names_no_source(studio: ScriptedStudio) -> None:
    studio.profiles.append(profile("own", state="missing", fit=None, badge="", size=None))
    async with opened(studio) as look:
        await at(look, "own")
        await look.press("enter")
        await look.until("does not say where its model comes from")


@pytest.mark.parametrize(
    ("size", "gpus", "host", "told"),
    [
        (4, (8,), 32, "one GPU"), (12, (8, 8), 32, "2 GPUs"), (20, (8, 8), 32, "partly on CPU"),
        (60, (8, 8), 32, "too big"), (4, (), 16, "CPU"), (40, (), 16, "too big"),
    ],
)  # fmt: skip
def test_the_rough_guess(size: int, gpus: tuple[int, ...], host: int, told: str) -> None:
    memory = Memory(tuple(each * GiB for each in gpus), host * GiB)
    assert guess(size * GiB, memory)[0] == told


def test_nothing_is_guessed_of_an_unknown_machine() -> None:
    assert Memory.of(None) is None
    lost = {"gpus": [{"memory_total": None}], "host": {"memory_total": 64 * GiB}}
    assert Memory.of(lost) is None
    assert guess(GiB, None) == ("", "")


def test_the_memory_of_a_mac_counts_once() -> None:
    told = {
        "gpus": [{"kind": "apple", "memory_total": 16 * GiB}],
        "host": {"memory_total": 16 * GiB},
    }
    memory = Memory.of(told)
    assert guess(18 * GiB, memory)[0] == "too big"


def test_what_suits_a_machine() -> None:
    one = Memory((round(23.99 * GiB),), 64 * GiB)
    assert suits(["chat", "24gb"], one)
    assert suits(["8gb"], one)
    assert not suits(["48gb"], one)
    assert not suits(["chat"], one)
    none = Memory((), 32 * GiB)
    assert suits(["8gb"], none)
    assert not suits(["24gb"], none)
    assert not suits(["8gb"], Memory((), 4 * GiB))
