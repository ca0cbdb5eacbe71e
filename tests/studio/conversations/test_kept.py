"""Conversations on the disk: found again whole, whatever happened; and gone when deleted."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.standins.chatty_engine import Script, text
from tests.studio.conversations.conftest import Room

from llm_studio.errors import NotFound
from llm_studio.journal import append
from llm_studio.schema_chat import ChatSettings, Given
from llm_studio.studio.conversations import archive, export, journal
from llm_studio.studio.conversations.answering import Wish
from llm_studio.studio.conversations.conversation import Conversation
from llm_studio.studio.conversations.journal import Journal, read

pytestmark = pytest.mark.anyio


async def test_a_conversation_is_there_after_a_restart(room: Room) -> None:
    talk = await room.begun()
    answer = await room.ended(talk, await room.chats.send(talk, "What is [/INST] \ud800?"))
    await room.chats.change(talk, title="Mine", settings=ChatSettings(sampling={"seed": 1}))
    await room.ended(talk, await room.chats.regenerate(talk, answer.id, wishes=[Wish()]))
    await room.chats.show_branch(talk, answer.id)
    before = talk.told().model_dump()
    await room.restart()
    after = (await room.chats.get(talk.id)).told().model_dump()
    assert after == before
    assert after["messages"][0]["text"] == "What is [/INST] ??"
    assert after["leaf"] == answer.id


async def test_a_kill_in_mid_answer_leaves_what_came(room: Room) -> None:
    """Pieces are written as they come: a copy of the file is what a kill leaves."""
    with patch("llm_studio.studio.conversations.answering.WRITTEN", 0.0):
        room.engine.scripts = [Script(text("It came this far, not further"), held=asyncio.Event())]
        talk = await room.begun()
        sent = await room.chats.send(talk, "Tell")
        await room.until_text(talk, sent.answers[0], "not furt")
        await talk.journal.flushed()
        raw = (room.folder / f"{talk.id}.jsonl").read_bytes()
    copy = room.folder / "aaaaaaaaaaaa.jsonl"
    copy.write_bytes(raw)
    found = (await room.chats.get("aaaaaaaaaaaa")).get(sent.answers[0])
    assert (found.state, str(found.text)) == ("cut", "It came this far, not furthe")
    listed = {each.id: each.running for each in await room.chats.all()}
    assert listed == {talk.id: True, "aaaaaaaaaaaa": False}


async def test_the_studios_end_cuts_answers_and_keeps_them(room: Room) -> None:
    room.engine.scripts = [Script(text("So far so good"), held=asyncio.Event()), Script(text("!"))]
    talk = await room.begun()
    sent = await room.chats.send(talk, "Tell")
    await room.until_text(talk, sent.answers[0], "So far so go")
    await room.restart()
    talk = await room.chats.get(talk.id)
    answer = talk.get(sent.answers[0])
    assert (answer.state, str(answer.text)) == ("cut", "So far so go")
    resumed = await room.ended(talk, await room.chats.resume(talk, answer.id, Wish()))
    assert (resumed.state, str(resumed.text)) == ("done", "So far so go!")


RECORDS = st.lists(
    st.fixed_dictionaries({"is": st.just("title"), "title": st.text(max_size=20)}), max_size=6
)


@given(RECORDS, st.data())
def test_a_journal_cut_anywhere_holds_its_begin_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, str]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "one.jsonl"
    for record in records:
        append(path, json.dumps(record) + "\n", sync=False)
    raw = path.read_bytes() if records else b""
    cut = data.draw(st.integers(0, len(raw)))
    path.write_bytes(raw[:cut])
    whole = raw[:cut].count(b"\n")
    found = read(path)
    # A last record whose newline alone is missing is whole too.
    assert found in (records[:whole], records[: whole + 1])
    append(path, json.dumps({"is": "title", "title": "after"}) + "\n", sync=False)
    assert read(path) == [*found, {"is": "title", "title": "after"}]


@given(st.binary(max_size=400), st.data())
def test_no_bytes_in_a_journal_are_an_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("noise") / "one.jsonl"
    odd = data.draw(st.sampled_from([
        b"", b'{"is":"piece","id":9}\n', b'{"is":"ended","id":"x"}\n', b'{"is":[]}\n',
        b'{"is":"message","id":2,"parent":7,"role":"user","at":1}\n', b"[" * 3000 + b"\n",
        b'{"is":"leaf","leaf":5}\n',
    ]))  # fmt: skip
    good = b'{"is":"message","id":1,"parent":0,"role":"user","text":"hi","at":1}\n'
    path.write_bytes(noise + b"\n" + odd + good)
    talk = Conversation("x", Journal(None))
    talk.recall(read(path))
    assert str(talk.messages[1].text) == "hi"
    talk.told()


async def test_a_full_disk_is_told_and_mended(room: Room) -> None:
    talk = await room.begun()
    with patch.object(journal, "append", side_effect=OSError(28, "No space left on device")):
        await room.ended(talk, await room.chats.send(talk, "One"))
        await talk.journal.flushed()
        assert talk.told().unsaved == "No space left on device"
    await room.ended(talk, await room.chats.send(talk, "Two"))
    await talk.journal.flushed()
    assert talk.told().unsaved == ""
    before = talk.told().messages
    await room.restart()
    assert (await room.chats.get(talk.id)).told().messages == before


def test_a_write_that_fails_halfway_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    append(path, '{"a": 1}\n', sync=False)
    write = os.write
    written: list[int] = []

    def short(descriptor: int, data: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(write(descriptor, data[:4]))
        return written[0]

    with patch("os.write", short), pytest.raises(OSError, match="No space"):
        append(path, '{"b": 2}\n', sync=False)
    assert path.read_text() == '{"a": 1}\n'
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_private_conversation_leaves_nothing(room: Room) -> None:
    talk = await room.begun(private=True)
    given = [Given(name="a.png", image="AAAA")]
    await room.ended(talk, await room.chats.send(talk, "Secret", given=given))
    assert [each.private for each in await room.chats.all()] == [True]
    assert not room.folder.exists()
    assert "Secret" not in str(room.records)
    await room.restart()
    assert await room.chats.all() == []
    with pytest.raises(NotFound):
        await room.chats.get(talk.id)


async def test_what_is_deleted_is_gone_from_the_disk(room: Room) -> None:
    talk = await room.begun()
    room.engine.scripts = [Script(text("kept")), Script(text("Drop this answer"))]
    await room.ended(talk, await room.chats.send(talk, "keep"))
    sent = await room.chats.send(talk, "drop me", given=[Given(name="p.png", image="AAAA")])
    await room.ended(talk, sent)
    assert sent.message is not None
    await room.chats.remove_message(talk, sent.message.id)
    path = room.folder / f"{talk.id}.jsonl"
    assert "drop" not in path.read_text().lower()
    assert str(talk.get(talk.leaf).text) == "kept"
    await room.restart()
    talk = await room.chats.get(talk.id)
    assert [str(each.text) for each in talk.messages.values()] == ["keep", "kept"]
    await room.chats.delete(talk)
    assert list(room.folder.iterdir()) == []


async def test_conversations_are_found_by_their_words(room: Room) -> None:
    for words in ("The quick brown fox", "A lazy dog"):
        talk = await room.begun()
        await room.ended(talk, await room.chats.send(talk, words))
    await room.begun()  # nothing was said in it, so it is none yet
    titles = [each.title for each in await room.chats.all()]
    assert titles == ["A lazy dog", "The quick brown fox"]
    await room.restart()
    assert [each.title for each in await room.chats.all("BROWN the")] == ["The quick brown fox"]
    (by_answer, other) = await room.chats.all("hello")
    assert "Hello there." in by_answer.found
    assert other.title == "The quick brown fox"
    assert await room.chats.all("nowhere") == []


async def test_an_edit_is_another_branch(room: Room) -> None:
    talk = await room.begun()
    first = await room.chats.send(talk, "Original")
    await room.ended(talk, first)
    assert first.message is not None
    edited = await room.chats.edit(talk, first.message.id, "Better", wishes=[Wish()])
    await room.ended(talk, edited)
    assert [str(each.text) for each in talk.path(talk.leaf)] == ["Better", "Hello there."]
    await room.chats.show_branch(talk, first.message.id)
    assert [str(each.text) for each in talk.path(talk.leaf)] == ["Original", "Hello there."]
    markdown = export.as_markdown(talk)
    assert "Original" in markdown
    assert "Better" not in markdown
    assert "Better" in export.as_json(talk)


async def test_a_long_conversation_has_no_depth_that_breaks_it(room: Room) -> None:
    talk = Conversation("x", Journal(None))
    for number in range(1, 3000):
        talk.apply({"is": "message", "id": number, "parent": number - 1, "role": "user", "at": 1.0})
    assert len(talk.path(2999)) == len(talk.below(1)) == 2999
    assert talk.end_of(0) == 2999


async def test_of_one_conversation_there_are_never_two(room: Room) -> None:
    """However many others were opened meanwhile, whoever works with it works with the same."""
    talk = await room.begun()
    await room.ended(talk, await room.chats.send(talk, "first"))
    ids = []
    for number in range(archive.OPEN + 4):
        other = await room.begun()
        await room.ended(other, await room.chats.send(other, f"number {number}"))
        ids.append(other.id)
    del other
    assert await room.chats.get(talk.id) is talk
    assert len(await room.chats.all()) == len(ids) + 1
    again = await room.chats.get(ids[0])
    assert again.shown_title == "number 0"
