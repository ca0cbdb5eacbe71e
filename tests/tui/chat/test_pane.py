"""Chatting as a user does, on a real studio."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.standins.chatty_engine import Script, text, thought
from tests.tui.chat.conftest import House
from tests.tui.looking import Look
from textual.widgets import Input

from llm_studio.tui.dialogs import Trouble
from llm_studio.tui.panes.chat.pane import ChatPane

pytestmark = pytest.mark.anyio
HOSTILE = (
    "[/INST] [b]x[/b] [@click=app.quit]y[/] \x1b]52;c;AAAA\x07 \x9b2J 漢字 e\u0301\u202e \x00 **["
)


async def say(look: Look, pane: ChatPane, words: str) -> None:
    pane.composer.insert(words)
    await look.press("enter")


async def answered(look: Look, pane: ChatPane) -> None:
    await look.until(lambda: pane.talk.messages and not pane.talk.running)


async def test_an_answer_comes_and_tells_what_it_took(served: House) -> None:
    served.engine.scripts = [Script(thought("I think. ") + text("It **is** `so`."))]
    async with served.chatting() as (look, pane):
        await look.type("is it")
        await look.press("ctrl+j")
        await look.type("so")
        await look.press("enter")
        await look.until("It is so.")
        await look.until("42.0 tok/s · 7 tokens · first after")
        assert served.engine.asked[-1]["messages"] == [{"role": "user", "content": "is it\nso"}]
        assert pane.composer.text == ""
        await look.until("▸ thought · ")
        assert "I think." not in look.text
        await look.press("escape", "t")
        await look.until("▏ I think.")
        assert "context 19 of 4K" in look.text


async def test_escape_stops_at_once_and_c_continues(served: House) -> None:
    never = asyncio.Event()
    served.engine.scripts = [Script(text("One two three four"), held=never), Script(text(" five"))]
    async with served.chatting() as (look, pane):
        await say(look, pane, "count")
        await look.until("One two three fo")
        await look.until("Esc stops")
        await look.press("escape")
        await look.until("stopped · c continues")
        assert served.engine.hung_up == 1
        await look.press("escape", "c")
        await look.until("One two three fo five")
        await answered(look, pane)


async def test_of_what_was_stopped_before_its_first_word_nothing_continues(served: House) -> None:
    served.engine.scripts = [Script(text("late", 5), progress=(4, 9), held=asyncio.Event())]
    async with served.chatting() as (look, pane):
        await say(look, pane, "a long one")
        await look.until("reading the prompt: 9 of 9")
        await look.press("escape")
        await look.until("stopped · r answers again")
        assert "prompt 9" not in look.text
        assert "0 tokens" not in look.text


async def test_the_prompts_progress_is_seen(served: House) -> None:
    never = asyncio.Event()
    served.engine.scripts = [Script(text("x"), held=never, progress=(512, 1024, 2048))]
    async with served.chatting() as (look, pane):
        await say(look, pane, "read")
        await look.until("reading the prompt: 2,048 of 2,048 tokens, 100%")
        await look.press("escape")
        await answered(look, pane)


async def test_again_makes_a_branch_and_left_goes_back(served: House) -> None:
    served.engine.scripts = [Script(text("First one")), Script(text("Other one"))]
    async with served.chatting() as (look, pane):
        await say(look, pane, "go")
        await look.until("First one")
        await answered(look, pane)
        await look.press("escape", "r")
        await look.until("Other one")
        await look.until("‹ 2/2 ›")
        await answered(look, pane)
        await look.press("left")
        await look.until("First one")
        assert "Other one" not in look.text
        await look.press("up", "e")
        assert pane.composer.text == "go"
        await look.type(" on")
        await look.press("enter")
        await look.until(lambda: served.engine.asked[-1]["messages"][-1]["content"] == "go on")
        await look.until(lambda: len(served.engine.asked) == 3)


async def test_hostile_text_is_only_text(served: House) -> None:
    served.engine.scripts = [
        Script(
            thought(HOSTILE)
            + text(f"# {HOSTILE}\n\n- {HOSTILE}\n\n| a | {HOSTILE} |\n|---|---|\n| x |", 7)
            + [{"tool_calls": [{"index": 0, "function": {"name": HOSTILE, "arguments": HOSTILE}}]}]
            + text(f"\n\n```{HOSTILE}\n{HOSTILE}\n", 5)
        )
    ]
    async with served.chatting() as (look, pane):
        await say(look, pane, HOSTILE)
        await look.until("42.0 tok/s")
        await answered(look, pane)
        await look.press("escape", "t", "home")
        for letter in "\x1b\x07\x9b\u202e\x00":
            assert letter not in look.text
        assert "[/INST] [b]x[/b] [@click=app.quit]y[/]" in look.text
        await look.press("ctrl+o")
        await look.until("Words of the conversation")
        await look.until("[/INST]")
        await look.press("escape", "s")
        await look.until("Settings of this conversation")
        await look.press("escape")
        assert look.app.is_running


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_half_of_anything_can_be_drawn(served: House, size: tuple[int, int]) -> None:
    whole = (
        "Text\n\n| a | b |\n|---|--:|\n| 漢字 | 2 |\n\n"
        "```py\ndef f():\n    '''x\n```\n\n1. $a_1$\n   > q\n"
    )
    never = asyncio.Event()
    served.engine.scripts = [Script(text(whole, 1), held=never, pause=0.001)]
    async with served.chatting(size=size) as (look, pane):
        await say(look, pane, "go")
        await look.until("$a_1$")
        await look.press("escape")
        await answered(look, pane)
        await look.until("stopped")


async def test_nothing_loaded_offers_the_last_profile_and_sends(house: House) -> None:
    await house.serve()
    await house.wire.ask("POST", "/stop")
    async with house.chatting(ready=False) as (look, pane):
        await look.until("No model is loaded")
        await look.type("hello")
        await look.press("enter")
        await look.until(lambda: isinstance(look.app.screen, Trouble))
        await look.press("escape")
        assert pane.composer.text == "hello"


async def test_the_last_profile_is_offered(served: House) -> None:
    async with served.chatting() as (look, pane):
        await say(look, pane, "one")
        await look.until("Hello there.")
        await answered(look, pane)
        await served.wire.ask("POST", "/stop")
        await look.until(lambda: not pane.facts["ready"])
        await look.until("chatty is not loaded")
        await say(look, pane, "two")
        await look.until("Load chatty?")
        await look.press("y")
        await look.until(lambda: len(served.engine.asked) == 2)
        await answered(look, pane)


async def test_an_answer_goes_on_without_the_terminal(served: House) -> None:
    held = asyncio.Event()
    served.engine.scripts = [Script(text("The end of the story"), held=held)]
    async with served.chatting() as (look, pane):
        await say(look, pane, "tell")
        await look.until("The end of the s")
    async with served.chatting() as (look, pane):
        await look.until("The end of the s")
        held.set()
        await look.until("The end of the story")
        await look.until("42.0 tok/s")


async def test_two_answers_stand_beside_each_other(served: House) -> None:
    served.engine.scripts = [Script(text("By the first")), Script(text("By the other"))]
    async with served.chatting(size=(140, 30)) as (look, pane):
        await say(look, pane, "compare")
        await look.until("By the first")
        await answered(look, pane)
        await look.press("escape", "v")
        await look.until("Beside the answer of which model?")
        await look.type("second")
        await look.press("enter")
        await look.until("By the other")
        line = next(line for line in look.lines if "By the other" in line)
        assert line.index("By the first") < line.index("By the other")
        await answered(look, pane)
        await look.press("escape")
        assert "By the other" not in look.text


async def test_a_large_paste_goes_along_as_a_file(served: House) -> None:
    async with served.chatting() as (look, pane):
        from textual import events

        pane.composer.post_message(events.Paste("word \x1b[2J\n" * 20_000))
        await look.until("+ pasted-1.txt (")
        await look.until("40,000 tokens")
        assert pane.composer.text == ""
        pane.composer.post_message(events.Paste("small \x1b]52;c;A\x07"))
        await look.until("small ␛]52;c;A␇")
        await look.press("enter")
        await look.until("Hello there.")
        assert "word \x1b[2J\n" in served.engine.asked[-1]["messages"][0]["content"]
        assert "+ pasted-1.txt" in look.text


async def test_what_was_written_comes_back(served: House) -> None:
    async with served.chatting() as (look, pane):
        for words in ("one", "two"):
            await say(look, pane, words)
            await look.until("Hello there.")
            await answered(look, pane)
        await look.type("draft")
        await look.press("up")
        assert pane.composer.text == "two"
        await look.press("up")
        assert pane.composer.text == "one"
        await look.press("down", "down")
        assert pane.composer.text == "draft"


async def test_settings_are_seen_and_changed(served: House) -> None:
    async with served.chatting(size=(120, 40)) as (look, pane):
        await look.press("escape", "s")
        await look.until("Settings of this conversation")
        await look.press("down", "down", "enter")
        await look.until("temperature")
        await look.type("0.25")
        await look.press("enter")
        await look.until(lambda: "0.25" in look.text and "here" in look.text)
        await look.press("escape")
        await look.until("temp 0.25")
        await look.press("i")
        await say(look, pane, "go")
        await look.until("Hello there.")
        assert served.engine.asked[-1]["temperature"] == 0.25


async def test_taking_along(served: House, home_folder: Path) -> None:
    code = "Look:\n\n```python\nprint(1)\n```\n\n```\nplain\n```\n"
    served.engine.scripts = [Script(text(code))]
    async with served.chatting() as (look, pane):
        copied: list[str] = []
        look.app.copy_to_clipboard = copied.append  # type: ignore[assignment, method-assign]
        await say(look, pane, "code")
        await look.until("plain")
        await answered(look, pane)
        await look.press("escape", "y")
        assert copied == [code.rstrip("\n") + "\n"]
        await look.press("Y")
        await look.until("Which code?")
        await look.press("enter")
        await look.until(lambda: copied[1:] == ["print(1)"])
        await look.press("w")
        await look.until("Save code blocks")
        await look.press("enter")
        folder = home_folder / "llm-studio-code"
        await look.until(lambda: (folder / "code-2.txt").exists())
        assert (folder / "code-1.py").read_text() == "print(1)\n"
        await look.press("x")
        await look.until("Export")
        look.app.screen.query_one(Input).value = "~/conversation-1.json"
        await look.press("enter")
        await look.until(lambda: list(home_folder.glob("conversation-*.json")))
        (written,) = home_folder.glob("conversation-*.json")
        assert json.loads(written.read_text())["messages"][1]["text"] == code


async def test_a_picture_needs_a_model_that_sees(served: House, home_folder: Path) -> None:
    picture = home_folder / "p.png"
    Image.new("RGB", (80, 40), (250, 0, 0)).save(picture)
    async with served.chatting() as (look, pane):
        await look.press("escape", "a")
        await look.until("Attach a file")
        look.app.screen.query_one(Input).value = str(picture)
        await look.press("enter")
        await look.until("The model cannot see pictures")
        await look.press("escape")
        pane.facts["vision"] = True
        await look.press("a")
        await look.until("Attach a file")
        look.app.screen.query_one(Input).value = str(picture)
        await look.press("enter")
        await look.until("+ p.png (picture")
        await look.press("i", "enter")
        await look.until(lambda: served.engine.asked)
        part = served.engine.asked[-1]["messages"][0]["content"][0]
        assert part["image_url"]["url"].endswith(base64.b64encode(picture.read_bytes()).decode())
        await look.until("+ p.png (picture, ")
        await look.until("▀" * 20)
        strips = look.app.screen._compositor.render_strips()
        drawn = {str(each.style) for strip in strips for each in strip if "▀" in each.text}
        assert drawn == {"#fa0000 on #fa0000"}


async def test_what_is_no_picture_is_told_by_its_name(served: House) -> None:
    made = await served.wire.ask("POST", "/conversations", {})
    talk = f"/conversations/{made['summary']['id']}"
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(5000)).decode()
    given = {"name": "broken.png", "image": image, "media": "image/png"}
    await served.wire.ask("POST", f"{talk}/messages", {"text": "x", "attachments": [given]})
    async with served.chatting() as (look, pane):
        await look.until("+ broken.png (picture, 5 KiB)")
        went = pane.talk.path[0].attachments[0]
        await look.until(lambda: went.rows == [])
        assert "▀" not in look.text


async def test_the_context_is_full(served: House) -> None:
    refusal = {
        "code": 400, "type": "exceed_context_size_error", "message": "too long",
        "n_prompt_tokens": 5000, "n_ctx": 4096,
    }  # fmt: skip
    served.engine.scripts = [Script(text("a")), Script([], refusal=refusal), Script(text("fits"))]
    async with served.chatting() as (look, pane):
        await say(look, pane, "one")
        await answered(look, pane)
        await say(look, pane, "two")
        await look.until("The prompt has 5,000 tokens, 4,096 fit")
        await answered(look, pane)
        await look.press("escape", "r")
        await look.until("Leave the oldest messages out")
        await look.press("o")
        await look.until("fits")


async def test_a_conversation_is_deleted_from_its_list(served: House) -> None:
    async with served.chatting() as (look, pane):
        await say(look, pane, "find this one")
        await look.until("Hello there.")
        await answered(look, pane)
        await look.press("ctrl+n", "ctrl+o")
        await look.until("Words of the conversation")
        await look.type("nowhere")
        await look.until("Nothing was found.")
        await look.press(*["backspace"] * 7)
        await look.until("find this one")
        await look.press("ctrl+d")
        await look.until("Delete “find this one”?")
        await look.press("y")
        await look.until("No conversation yet.")
        await look.press("escape")
        folder = served.settings.paths.state / "conversations"
        await look.until(lambda: not list(folder.glob("*.jsonl")))


@pytest.fixture
def home_folder(tmp_path: Path) -> Path:
    return tmp_path / "user"


async def test_the_editor_gets_the_message(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot be lent says so; nothing of the message stays behind."""
    places: list[str] = []
    made = tempfile.mkstemp

    def noted(*given: Any) -> tuple[int, str]:
        descriptor, place = made(*given)
        places.append(place)
        return descriptor, place

    monkeypatch.setattr(tempfile, "mkstemp", noted)
    async with served.chatting() as (look, pane):
        await say(look, pane, "go")
        await look.until("Hello there.")
        await answered(look, pane)
        await look.press("escape", "o")
        await look.until("This terminal cannot be lent to an editor")
    (place,) = [each for each in places if "llm-studio-" in each]
    assert not Path(place).exists()


async def test_a_private_conversation_is_told_as_such(served: House) -> None:
    async with served.chatting() as (look, pane):
        await look.press("escape", "P")
        await look.until("A private conversation: it is never written")
        await say(look, pane, "secret words")
        await look.until("Hello there.")
        await answered(look, pane)
        assert "private: kept nowhere" in look.text
        assert not (served.settings.paths.state / "conversations").exists()
        kept = [path for path in served.settings.paths.state.rglob("*") if path.is_file()]
        assert not [path for path in kept if b"secret words" in path.read_bytes()]
