"""Answers: how they come, how they end, and what is kept of them."""

from __future__ import annotations

import asyncio
import base64
from unittest.mock import AsyncMock, patch

import pytest
from tests.standins.chatty_engine import Script, text, thought
from tests.studio.conversations.conftest import Room

from llm_studio.errors import NotReady, UsageError
from llm_studio.profiles.profile import Profile
from llm_studio.schema_chat import ChatSettings, Given
from llm_studio.studio.conversations.answering import Wish

pytestmark = pytest.mark.anyio


async def test_an_answer_is_told_with_its_figures_and_settings(room: Room) -> None:
    room.engine.scripts = [Script(thought("Let me see. ") + text("It is so."), progress=(4, 9))]
    talk = await room.begun()
    answer = await room.ended(talk, await room.chats.send(talk, "Is it?"))
    assert (str(answer.text), str(answer.thought)) == ("It is so.", "Let me see. ")
    assert answer.state == "done"
    assert (answer.profile, answer.image, answer.model) == ("one", "img", "chatty")
    assert answer.settings == {"temperature": 0.7}
    figures = answer.figures
    assert (figures.prompt_tokens, figures.cached_tokens, figures.context) == (12, 3, 4096)
    assert (figures.generated_tokens, figures.thought_tokens) == (6, 3)
    assert (figures.speed, figures.prompt_speed) == (42.0, 900.0)
    assert figures.first_token is not None
    assert figures.thought_seconds is not None
    (record,) = room.records
    assert (record.outcome, record.status, record.profile) == ("done", 200, "one")
    assert (record.prompt_tokens, record.generated_tokens, record.speed) == (12, 6, 42.0)
    assert room.desk.running == 0


async def test_news_between_two_looks_are_not_missed(room: Room) -> None:
    """A follower that has looked, and has not begun to wait, hears of what comes just then."""
    room.engine.scripts = [Script(text("Well, yes", 5), held=asyncio.Event())]
    talk = await room.begun()
    sent = await room.chats.send(talk, "Is it?")
    await room.until_text(talk, sent.answers[0], "Well,")
    answering = room.chats._answering[(talk.id, sent.answers[0])]
    waits = asyncio.ensure_future(answering.changed())
    answering._tell()
    await asyncio.wait_for(waits, 5)
    await room.chats.stop(talk)


async def test_what_is_sent_holds_the_path_and_the_settings(room: Room) -> None:
    room.profiles["one"] = Profile.model_validate(
        {
            "name": "One",
            "sampling": {"temperature": 0.3, "top_k": 20, "mirostat_lr": 0.2},
            "client": {
                "system_prompt": "Be brief.",
                "reasoning_levels": ["low", "high"],
                "reasoning_level": "low",
                "reasoning_prompt": "Reasoning: {level}",
            },
        }
    )
    schema = {"type": "object"}
    talk = await room.chats.create(
        settings=ChatSettings(
            reasoning_level="high", sampling={"seed": 7, "top_k": 5}, json_schema=schema
        )
    )
    await room.ended(talk, await room.chats.send(talk, "First"))
    await room.ended(talk, await room.chats.send(talk, "Second"))
    body = room.engine.asked[-1]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nReasoning: high"},
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "Second"},
    ]
    assert (body["temperature"], body["top_k"], body["seed"]) == (0.3, 5, 7)
    assert body["mirostat_eta"] == 0.2
    assert body["response_format"]["json_schema"]["schema"] == schema


async def test_wrong_settings_are_refused(room: Room) -> None:
    with pytest.raises(UsageError, match="settings"):
        await room.chats.create(settings=ChatSettings(sampling={"temperature": "hot"}))
    with pytest.raises(UsageError, match="settings"):
        await room.chats.create(settings=ChatSettings(sampling={"nosuch": 1}))


async def test_a_stop_frees_the_engine_at_once_and_keeps_what_came(room: Room) -> None:
    never = asyncio.Event()
    room.engine.scripts = [Script(text("Once upon a time", 5), held=never), Script(text(" there"))]
    talk = await room.begun()
    sent = await room.chats.send(talk, "Tell")
    await room.until_text(talk, sent.answers[0], "Once upon a ti")
    await room.chats.stop(talk)
    answer = talk.get(sent.answers[0])
    assert (answer.state, str(answer.text)) == ("stopped", "Once upon a tim")
    assert room.desk.running == 0
    async with asyncio.timeout(5):
        while not room.engine.hung_up:
            await asyncio.sleep(0)
    assert room.records[-1].outcome == "cancelled"
    resumed = await room.ended(talk, await room.chats.resume(talk, answer.id, Wish()))
    assert (resumed.state, str(resumed.text)) == ("done", "Once upon a tim there")
    assert room.engine.asked[-1]["messages"][-1] == {
        "role": "assistant", "content": "Once upon a tim",
    }  # fmt: skip
    with pytest.raises(UsageError, match="complete"):
        await room.chats.resume(talk, answer.id, Wish())


async def test_of_a_prompt_that_was_not_read_to_its_end_no_length_is_told(room: Room) -> None:
    room.engine.scripts = [Script(text("late", 5), progress=(4, 9), held=asyncio.Event())]
    talk = await room.begun()
    sent = await room.chats.send(talk, "A long one")
    answer = talk.get(sent.answers[0])
    async with asyncio.timeout(5):
        while answer.progress is None or answer.progress.done < 9:
            await asyncio.sleep(0)
    await room.chats.stop(talk)
    figures = answer.figures
    assert (figures.prompt_tokens, figures.generated_tokens, figures.speed) == (None, None, None)
    assert (room.records[-1].outcome, room.records[-1].prompt_tokens) == ("cancelled", None)


async def test_one_that_is_stopped_before_it_began_has_ended_too(room: Room) -> None:
    talk = await room.begun()
    with patch.object(talk.journal, "flushed", AsyncMock()):  # no turn of the loop in between
        sent = await room.chats.send(talk, "Tell")
        await room.chats.stop(talk)
    await asyncio.sleep(0)
    assert talk.get(sent.answers[0]).state == "stopped"
    await room.restart()
    assert (await room.chats.get(talk.id)).get(sent.answers[0]).state == "stopped"
    assert room.engine.asked == []


async def test_an_engine_that_dies_leaves_the_text_and_a_reason(room: Room) -> None:
    room.engine.scripts = [Script(text("Half of it and more"), dies_after=2), Script(text("Whole"))]
    talk = await room.begun()
    answer = await room.ended(talk, await room.chats.send(talk, "Tell"))
    assert (answer.state, answer.cause, str(answer.text)) == ("failed", "engine", "Half of ")
    assert "went away" in answer.error
    assert room.records[-1].outcome == "failed"
    again = await room.ended(talk, await room.chats.regenerate(talk, answer.id, wishes=[Wish()]))
    assert (str(again.text), again.parent) == ("Whole", answer.parent)
    assert talk.leaf == again.id


async def test_a_full_context_is_told_and_the_oldest_can_be_left_out(room: Room) -> None:
    room.engine.context = 40
    refusal = {
        "code": 400, "type": "exceed_context_size_error", "message": "exceeds the context size",
        "n_prompt_tokens": 90, "n_ctx": 40,
    }  # fmt: skip
    room.engine.scripts = [
        Script(text("an answer")),
        Script([], refusal=refusal),
        Script(text("x")),
    ]
    talk = await room.begun()
    await room.ended(talk, await room.chats.send(talk, "word " * 30))
    answer = await room.ended(talk, await room.chats.send(talk, "and now"))
    assert (answer.state, answer.cause) == ("failed", "context")
    assert "90 tokens, 40 fit" in answer.error
    wish = Wish(trim=True)
    again = await room.ended(talk, await room.chats.regenerate(talk, answer.id, wishes=[wish]))
    assert (again.state, again.left_out) == ("done", 2)
    assert room.engine.asked[-1]["messages"] == [{"role": "user", "content": "and now"}]


async def test_a_summary_stands_for_what_was_before(room: Room) -> None:
    room.engine.scripts = [Script(text("an answer")), Script(text("In short.")), Script(text("x"))]
    talk = await room.begun()
    answer = await room.ended(talk, await room.chats.send(talk, "A long story"))
    summary = await room.ended(talk, await room.chats.summarise(talk, answer.id, Wish()))
    assert (summary.role, str(summary.text)) == ("summary", "In short.")
    assert "Summarise" in room.engine.asked[-1]["messages"][-1]["content"]
    await room.ended(talk, await room.chats.send(talk, "And then?"))
    assert room.engine.asked[-1]["messages"] == [
        {"role": "user", "content": "Summary of the conversation so far:\n\nIn short.\n\nAnd then?"}
    ]


async def test_files_go_along_as_text_and_as_pictures(room: Room) -> None:
    picture = base64.b64encode(b"\x89PNG not really").decode()
    given = [
        Given(name="a.py", text="print('```')\n"),
        Given(name="b.png", image=picture, media="image/png"),
    ]
    talk = await room.begun()
    await room.ended(talk, await room.chats.send(talk, "Look", given=given))
    parts = room.engine.asked[-1]["messages"][0]["content"]
    assert parts[0]["image_url"]["url"] == f"data:image/png;base64,{picture}"
    assert parts[1]["text"] == "a.py:\n````\nprint('```')\n\n````\n\nLook"
    await room.restart()
    again = await room.chats.get(talk.id)
    await room.ended(again, await room.chats.send(again, "Again"))
    assert room.engine.asked[-1]["messages"][0]["content"] == parts
    with pytest.raises(UsageError, match="base64"):
        await room.chats.send(again, "x", given=[Given(name="c", image="%%")])


async def test_a_model_without_eyes_says_so(room: Room) -> None:
    refusal = {"code": 500, "type": "server_error", "message": "image input is not supported"}
    room.engine.scripts = [Script([], refusal=refusal)]
    talk = await room.begun()
    given = [Given(name="b.png", image="AAAA")]
    answer = await room.ended(talk, await room.chats.send(talk, "Look", given=given))
    assert "cannot see pictures" in answer.error
    assert "mmproj" in answer.hint


async def test_nothing_is_loaded(room: Room) -> None:
    await room.desk.shut(None)
    talk = await room.begun()
    answer = await room.ended(talk, await room.chats.send(talk, "Hi"))
    assert (answer.state, answer.error) == ("failed", "No model is loaded.")
    assert room.records == []
    wish = Wish(profile="two", load=True)
    again = await room.ended(talk, await room.chats.regenerate(talk, answer.id, wishes=[wish]))
    assert (again.state, again.profile, room.served[-1]) == ("done", "two", "two")


async def test_two_profiles_answer_one_after_the_other(room: Room) -> None:
    room.engine.scripts = [Script(text("by one")), Script(text("by two"))]
    talk = await room.begun()
    wishes = [Wish("one", load=True), Wish("two", load=True)]
    sent = await room.chats.send(talk, "Compare", wishes=wishes)
    await room.ended(talk, sent)
    answers = [talk.get(number) for number in sent.answers]
    assert [(each.profile, str(each.text)) for each in answers] == [
        ("one", "by one"), ("two", "by two"),
    ]  # fmt: skip
    assert talk.leaf == sent.answers[0]


async def test_a_second_message_waits_for_the_answer_before(room: Room) -> None:
    held = asyncio.Event()
    room.engine.scripts = [Script(text("slow"), held=held)]
    talk = await room.begun()
    sent = await room.chats.send(talk, "One")
    with pytest.raises(NotReady, match="not done"):
        await room.chats.send(talk, "Two")
    held.set()
    assert (await room.ended(talk, sent)).state == "done"


async def test_listeners_go_on_by_the_lengths_that_they_have(room: Room) -> None:
    held = asyncio.Event()
    room.engine.scripts = [Script(thought("hm ") + text("abcdefgh") + text("ij"), held=held)]
    talk = await room.begun()
    sent = await room.chats.send(talk, "One")
    await room.until_text(talk, sent.answers[0], "abcdefgh")
    held.set()
    rest = [update async for update in room.chats.follow(talk, sent.answers[0], 3, 6)]
    assert "".join(each.get("text", "") for each in rest) == "ghij"
    assert "".join(each.get("thought", "") for each in rest) == ""
    assert rest[-1]["mark"] == "3.10"
    after = [update async for update in room.chats.follow(talk, sent.answers[0], 0, 8)]
    assert [(each["thought"], each["text"]) for each in after] == [("hm ", "ij")]


async def test_tool_calls_are_kept_as_such(room: Room) -> None:
    calls = [
        {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": '{"at"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ': "x"}'}}]},
    ]
    room.engine.scripts = [Script(calls, finish="tool_calls")]
    talk = await room.begun()
    sent = await room.chats.send(talk, "Call")
    await room.ended(talk, sent)
    await room.restart()
    answer = (await room.chats.get(talk.id)).get(sent.answers[0])
    assert [(each.name, each.arguments) for each in answer.tools] == [("look", '{"at": "x"}')]


async def test_tokens_are_counted_by_the_model_or_guessed(room: Room) -> None:
    assert (await room.chats.outlook.count("a b c")).model_dump() == {"tokens": 3, "exact": True}
    await room.desk.shut(None)
    assert (await room.chats.outlook.count("12345")).model_dump() == {"tokens": 2, "exact": False}
