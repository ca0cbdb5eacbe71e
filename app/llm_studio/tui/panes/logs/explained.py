"""What the line under the cursor means, beside the log; below it on narrow screens."""

from __future__ import annotations

import asyncio

from textual import work
from textual.content import Content
from textual.widgets import Static

from llm_studio.errors import StudioError
from llm_studio.tui.wire import Wire

PAUSE = 0.06
"""Seconds that the cursor must rest before a line is asked about."""
_STYLES = {"problem": "$error", "warning": "$warning"}
_NOTHING = Content.styled("Nothing more is known of this line.", "$dim")


class Explanation(Static):
    """Empty and gone while there is no cursor; its size does not depend on what it says."""

    DEFAULT_CSS = """
    Explanation { height: 3; padding: 0 1; background: $panel; display: none; }
    Explanation.-beside { dock: right; width: 40; height: 1fr; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._about: tuple[int, int] | None = None

    def forget(self) -> None:
        """There is no cursor any more."""
        if self._about is not None:
            self._about = None
            self.workers.cancel_node(self)
            self.display = False

    def explain(self, age: int, number: int, wire: Wire) -> None:
        """Tell about a line; `age` says which studio's."""
        if (age, number) != self._about:
            self._about = (age, number)
            self.display = True
            self._ask(number, wire)

    @work(exclusive=True, exit_on_error=False)
    async def _ask(self, number: int, wire: Wire) -> None:
        await asyncio.sleep(PAUSE)
        try:
            told = await wire.ask("GET", f"/logs/{number}/explained")
        except StudioError as error:
            self.update(Content.styled(error.sentence, "$dim"))
            return
        self.update(_text(told) if told.get("what") else _NOTHING)


def _text(told: dict[str, str]) -> Content:
    lines = [Content.styled(told["what"], f"bold {_STYLES.get(told['kind'], '')}".strip())]
    lines += [Content(told["why"])] if told["why"] else []
    lines += [Content.styled(told["hint"], "$accent")] if told["hint"] else []
    return Content("\n").join(lines)
