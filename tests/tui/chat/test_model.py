"""The pane's plain classes and the schema may not drift apart."""

from __future__ import annotations

from dataclasses import fields

from llm_studio import schema_chat
from llm_studio.tui.panes.chat.model import Figures, Message, Talk, shown


def test_figures_are_those_of_the_wire() -> None:
    assert {each.name for each in fields(Figures)} == set(schema_chat.Figures.model_fields)


def test_a_conversation_is_read_off_the_wire() -> None:
    message = schema_chat.MessageTold(
        id=1, parent=0, role="assistant", at=1.0, text="x\r\ny\x1b\u200d", thought="t",
        tools=[schema_chat.ToolCall(name="n", arguments="{}")], state="failed", cause="engine",
        attachments=[schema_chat.AttachmentTold(name="a\n", kind="text", size=1)], error="e",
        hint="h", left_out=2, profile="p", figures=schema_chat.Figures(speed=4.0),
    )  # fmt: skip
    summary = schema_chat.ConversationSummary(
        id="c", title="T", created=1, changed=2, messages=1, profile="p", private=True,
        running=False,
    )  # fmt: skip
    told = schema_chat.ConversationTold(
        summary=summary, messages=[message], leaf=1, settings=schema_chat.ChatSettings(),
        unsaved="full",
    )  # fmt: skip
    talk = Talk()
    talk.take(told.model_dump())
    (read,) = talk.path
    assert (talk.title, talk.private, talk.unsaved) == ("T", True, "full")
    assert (read.text, [each.told for each in read.attachments], read.tools) == (
        "x\ny␛",
        ["a␊ (1 B)"],
        [("n", "{}")],
    )
    assert (read.state, read.cause, read.error, read.left_out) == ("failed", "engine", "e", 2)
    assert read.figures.speed == 4.0
    talk.take(told.model_dump())
    assert talk.messages[1] is read  # what is known is not read and laid out anew


def test_text_is_made_safe_once() -> None:
    assert shown("a\x9bb\u202ec👨\u200d👩") == "a<U+009B>b<U+202E>c👨👩"
    assert len(shown("x" * 200_000)) == 200_000
    message = Message.of(
        schema_chat.MessageTold(
            id=1, parent=0, role="assistant", at=1.0, text="", state="running"
        ).model_dump()
    )
    message.grow({"text": "a\x1b", "figures": {"speed": 3.0}, "progress": None})
    assert (message.text, message.figures.speed) == ("a␛", 3.0)
