"""One profile from close by: what is known at once, then what the studio says about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from llm_studio.errors import StudioError
from llm_studio.tui.panes.models.past import Past
from llm_studio.tui.panes.models.sheet import heading, sheet
from llm_studio.tui.panes.models.trial import Trial
from llm_studio.tui.view import Profile
from llm_studio.tui.wire import Wire

if TYPE_CHECKING:
    from llm_studio.tui.panes.models.detail import Detail

PAUSE = 0.06
"""Seconds that the cursor must rest before a profile is asked about."""
ROOMY = 16
"""Lines from which there is room for more than the figures."""


class CloseLook(VerticalScroll):
    """Keeps what it was told, and shows it until there is newer."""

    DEFAULT_CSS = """
    CloseLook { scrollbar-gutter: stable; }
    CloseLook Static { width: 1fr; height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._details: dict[tuple[str, Trial], Detail] = {}
        self._fresh: set[tuple[str, Trial]] = set()
        """Those of the details that were asked for since the profiles were read."""
        self._shown: tuple[str, Content] | None = None
        self._drawn: tuple[Detail, Trial] | None = None
        self._past = Past()

    def compose(self) -> ComposeResult:
        yield Static()

    def detail(self, id_: str, trial: Trial) -> Detail | None:
        return self._details.get((id_, trial))

    def grow_old(self) -> None:
        """Profiles may have changed: all is to be asked for again."""
        self._fresh.clear()

    def say(self, text: Content) -> None:
        """Something else than a profile."""
        self.workers.cancel_group(self, "detail")
        self._show("", text)

    def remember(self, past: Past) -> None:
        """What became of profiles; the one that is shown is drawn anew."""
        self._past = past
        if self._drawn is not None:
            self._show_detail(*self._drawn)

    @work(group="detail", exclusive=True, exit_on_error=False)
    async def look_at(self, profile: Profile, trial: Trial, wire: Wire) -> None:
        key = profile.id, trial
        known = self._details.get(key)
        if known is not None:
            self._show_detail(known, trial)
        elif self._shown is None or self._shown[0] != profile.id:
            self._show(profile.id, Content("\n").join(heading(profile, roomy=self._roomy)))
        if known is None or key not in self._fresh:
            await asyncio.sleep(PAUSE)
            await self._ask(profile.id, trial, wire)

    async def _ask(self, id_: str, trial: Trial, wire: Wire) -> None:
        try:
            data = await wire.ask(
                "GET", f"/profiles/{id_}", context=trial.context, cache_type=trial.cache
            )
        except StudioError as error:
            if (id_, trial) not in self._details:
                self._show(id_, Content.assemble(("✗ ", "$error"), error.sentence))
            return
        from llm_studio.tui.panes.models.detail import Detail

        detail = self._details[id_, trial] = Detail.of(data)
        self._fresh.add((id_, trial))
        self._show_detail(detail, trial)

    def _show_detail(self, detail: Detail, trial: Trial) -> None:
        width = self.query_one(Static).size.width or 60
        self._show(detail.summary.id, sheet(detail, width, trial, self._past, roomy=self._roomy))
        self._drawn = detail, trial

    @property
    def _roomy(self) -> bool:
        return self.size.height >= ROOMY

    def _show(self, id_: str, text: Content) -> None:
        if self._shown is None or self._shown[0] != id_:
            self.scroll_home(animate=False)
        elif self._shown[1].is_same(text):
            return
        self._shown, self._drawn = (id_, text), None
        self.query_one(Static).update(text)
