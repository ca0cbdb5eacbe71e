"""Keys that come together do what they would have done one by one."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.tui.benching import run, tell
from tests.tui.looking import opened
from tests.tui.scripted_studio import ScriptedStudio
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, TextArea

from llm_studio.tui.widgets.page import Page
from llm_studio.tui.widgets.typing import Field

pytestmark = pytest.mark.anyio


class Fields(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("ctrl+c", "leave")]
    left = False

    def action_leave(self) -> None:
        self.left = True

    def compose(self) -> ComposeResult:
        yield Field("what was there", select_on_focus=False)
        yield Page("what was there")


@pytest.mark.parametrize("kind", [Field, Page])
async def test_keys_of_one_burst_work_in_their_order(kind: type[Input | TextArea]) -> None:
    app = Fields()
    async with app.run_test() as pilot:
        field = app.query_one(kind)
        field.focus()
        await pilot.pause()
        keys = [
            "end",
            "ctrl+u",
            *"abx",
            "backspace",
            "c",
            "home",
            ">",
            "end",
            "left",
            "delete",
            "d",
        ]
        for key in keys:  # all are there before the first one is looked at
            app._driver.process_message(_pressed(key))  # type: ignore[union-attr]
        await pilot.pause()
        assert (field.value if isinstance(field, Input) else field.text) == ">abd"


@pytest.mark.parametrize("kind", [Field, Page])
async def test_a_key_that_the_field_has_no_use_for_is_the_applications(
    kind: type[Input | TextArea],
) -> None:
    app = Fields()
    async with app.run_test() as pilot:
        app.query_one(kind).focus()
        await pilot.press("ctrl+c")
        assert app.left, "nothing is selected that could be copied"


def _pressed(key: str):  # type: ignore[no-untyped-def]
    from textual.events import Key

    return Key("slash" if key == "/" else key, key if len(key) == 1 else None)


async def test_keys_after_a_pane_was_chosen_are_for_that_pane(studio: ScriptedStudio) -> None:
    """They may all have come at once, as over a slow link, and before the pane was ever shown."""
    studio.logs(*(f"line {number}" for number in range(100)))
    async with opened(studio) as look:
        for burst, seen in (("3ll", "level warning"), ("1/zz", "Nothing matches the filter")):
            for key in burst:
                look.app._driver.process_message(_pressed(key))  # type: ignore[union-attr]
            await look.until(seen)


EVERY = "1234q?mSFbsgGDwtoefndXyx 3"
"""Keys that do something in one pane or another."""


@pytest.mark.parametrize(
    "keys", [("1", "slash"), ("3", "slash"), ("3", "&"), ("4",), ("5", "slash")]
)
async def test_what_is_typed_into_a_field_does_nothing_else(
    studio: ScriptedStudio, keys: tuple[str, ...]
) -> None:
    studio.logs("a line")
    tell(studio, run(1))
    async with opened(studio) as look:
        await look.press(*keys)
        await look.until(lambda: isinstance(look.app.focused, Input | TextArea))
        for key in EVERY:
            look.app._driver.process_message(_pressed(key))  # type: ignore[union-attr]
        field = look.app.focused
        assert isinstance(field, Input | TextArea)
        await look.until(lambda: (field.value if isinstance(field, Input) else field.text) == EVERY)
        assert len(look.app.screen_stack) == 1
        assert not [wish for wish in studio.wishes if wish[1] in ("/switch", "/stop", "/profiles")]


@pytest.mark.parametrize("key", ["m", "slash"])
async def test_what_is_longer_than_its_field_is_seen_at_its_end(
    studio: ScriptedStudio, key: str
) -> None:
    async with opened(studio, size=(60, 18)) as look:
        await look.press(key)
        await look.type("x" * 60 + " the end")
        await look.until("the end")
