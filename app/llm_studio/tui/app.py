"""The frame: header, tabs, the pane that is seen, footer; and what works everywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.css.query import NoMatches
from textual.filter import Monochrome, NoColor
from textual.widget import AwaitMount

from llm_studio import __version__
from llm_studio.client import start_studio
from llm_studio.config_file import write_setting
from llm_studio.errors import StudioError
from llm_studio.place import socket_path
from llm_studio.settings import Settings
from llm_studio.text import untrusted
from llm_studio.tui import actions, colours, defect, plain, reflow
from llm_studio.tui.dialogs import Trouble
from llm_studio.tui.finding import actions_to_find, models_to_find
from llm_studio.tui.link import Link
from llm_studio.tui.opening import Opening
from llm_studio.tui.pane import Pane
from llm_studio.tui.panes import PANES
from llm_studio.tui.themes import NAMES, THEMES, theme_for
from llm_studio.tui.view import Job, View
from llm_studio.tui.widgets.finder import Finder
from llm_studio.tui.widgets.footer import Footer
from llm_studio.tui.widgets.header import Header
from llm_studio.tui.widgets.tabs import Tabs
from llm_studio.tui.wire import Wire
from llm_studio.tui.wishes import Wishes

SPARSE = 4
"""On a slow link one of so many readings is drawn."""


LASTS = {"warning": 10, "error": 10}
"""Seconds for which a line that is grave is seen."""


class StudioApp(Opening):
    """One terminal's look at the studio."""

    TITLE = "llm-studio"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions.bindings_of([*actions.FRAME, *actions.pane_choices()]),
        Binding("ctrl+c", "quit", show=False),
        Binding("ctrl+q", "quit", show=False),
    ]

    def __init__(
        self,
        settings: Settings,
        *,
        theme: str = "",
        wire: Wire | None = None,
        start: Callable[[], None] = start_studio,
    ) -> None:
        reflow.install()
        super().__init__()
        self.settings = settings
        self.wire = wire or Wire(socket_path(settings.paths.state))
        self.link = Link(
            self.wire,
            changed=self._news,
            ended=self._job_ended,
            alert=lambda text, level: self.tell(text, level if level != "info" else "information"),
            start=start,
        )
        self.wishes = Wishes(self)
        self.remapped: dict[str, str] = {}
        """The keys that the user gave to actions, by their ids."""
        self._pane_id = ""
        self._awake: Pane | None = None
        self._told: object = None
        self._born = 0.0
        self._slow = False
        self._animation = self.animation_level
        for each in THEMES:
            self.register_theme(each)
        self.begin_with(theme_for(theme or settings.theme))
        if self.no_color:  # none at all, rather than shades of grey
            others = [each for each in self._filters if not isinstance(each, Monochrome)]
            self._filters = [*others, NoColor()]
        self.set_class(colours.few(os.environ), "-few")
        if plain.needs_plain():
            self._filters.append(plain.Plain())
            self.add_class("-plain")

    def compose(self) -> ComposeResult:
        yield Header()
        yield Tabs(PANES)
        yield Container(id="panes")
        yield Footer()

    def on_mount(self) -> None:
        self.lower_curtain()
        self.set_class(self.settings.density == "compact", "-compact")
        if self.settings.keys:
            self._remap_keys()
        self._show(PANES[0].id)
        self.run_worker(self.link.run(), group="link", exit_on_error=True)

    def _remap_keys(self) -> None:
        from llm_studio.tui.keymap import keymap_of

        self.remapped, wrong = keymap_of(self.settings.keys)
        self.set_keymap(self.remapped)
        if wrong:
            self.tell("[keys] in the settings: " + "; ".join(wrong), "warning")

    # The view

    @property
    def view(self) -> View:
        return self.link.view

    @property
    def pane(self) -> Pane | None:
        """The pane that is seen."""
        try:
            return self.screen_stack[0].query_one(f"#pane-{self._pane_id}", Pane)
        except NoMatches:
            return None

    def _news(self, view: View) -> None:
        if not self.is_running:
            return
        base = self.screen_stack[0]
        told = (view.link, view.status, view.jobs)
        self._heed_pace()
        if told != self._told or self.draws(view):
            base.query_one(Header).look(view)
        base.set_class(bool(view.status) and not view.live, "-stale")
        if self._awake is not None:
            self._awake.look(view)
        if view.status and view.status.born != self._born:
            self._born = view.status.born
            self._check_version(str(view.status.studio["version"]))
        if told != self._told:  # keys that work depend on it; a mere sample changes none
            self._told = told
            self.refresh_bindings()
        self._raise_curtain_if_told()

    def _raise_curtain_if_told(self) -> None:
        if self._awake is not None and (self.view.profiles is not None or self.view.trouble):
            self.raise_curtain()

    def draws(self, view: View) -> bool:
        """Whether figures that change each second are drawn; on a slow link, few of them."""
        return not self._slow or view.sample is None or view.sample["seq"] % SPARSE == 0

    def _heed_pace(self) -> None:
        """A slow link is spared by itself, and again not once it is fast."""
        if self.pace.slow != self._slow:
            self._slow = self.pace.slow
            self.animation_level = "none" if self._slow else self._animation
            self.screen_stack[0].query_one(Header).warn_of_slow_link(self._slow)

    def _check_version(self, running: str) -> None:
        """A studio of another release may mean other things by the same words."""
        if running != __version__:
            self.tell(
                f"The studio is of version {running}, this program of {__version__}: `llm-studio "
                "shutdown` ends it (the model goes on), then Ctrl+R starts a new one.",
                "warning",
            )

    def _job_ended(self, job: Job) -> None:
        self.wishes.ended(job)
        self.link.refresh()

    # Doing

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        """Work in the background; what goes wrong is told in a dialog."""
        self.run_worker(self._guarded(work), exit_on_error=False)

    async def _guarded(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except StudioError as error:
            self.push_screen(Trouble(error))
        except Exception as error:
            told, details = defect.told(error, self.settings.paths.state)
            self.push_screen(Trouble(told, details))

    def tell(self, message: str, severity: Any = "information") -> None:
        """A line that goes away by itself."""
        seconds = LASTS.get(severity, 4)
        self.notify(untrusted(message, limit=400), severity=severity, markup=False, timeout=seconds)

    def leave(self, *, stopped: bool) -> None:
        status = self.view.status
        told = ""
        if status and status.goes_on and not stopped:
            does = "loading, to serve" if status.state in ("starting", "loading") else "serving"
            told = f"{status.profile} goes on {does} at {status.gateway}"
        self.exit(message=Text(told) if told else None)

    def _fatal_error(self) -> None:
        """A defect ends the UI with plain words; its traceback goes into a file."""
        error = self._exception
        assert error is not None
        told, _ = defect.told(error, self.settings.paths.state)
        self._exit_renderables.append(Text(f"error: {told.sentence}"))
        self._close_messages_no_wait()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        status = self.view.status
        if action == "stop":
            return bool(status and any(each.up for each in status.all))
        if action == "cancel":
            return bool(self.view.job("switch") or self.view.job("stop"))
        if action == "failure":
            return bool(status and any(each.failure for each in status.all))
        return True

    async def action_show(self, id_: str) -> None:
        """Go to a pane; what is typed right after it is for that pane already."""
        if id_ == self._pane_id:
            return
        mounted = self._show(id_)
        if mounted is not None:
            await mounted
        if self.pane is not None and self.screen is self.screen_stack[0]:
            self.pane.start_here()

    def _show(self, id_: str) -> AwaitMount | None:
        mounted = None
        if self.pane is not None:
            self.pane.display = False
        if self._awake is not None:
            self._awake.rest()
            self._awake = None
        self._pane_id = id_
        self.query_one(Tabs).choose(id_)
        pane = self.pane
        if pane is None:
            pane = next(spec for spec in PANES if spec.id == id_).create()
            pane.id = f"pane-{id_}"
            mounted = self.query_one("#panes").mount(pane)
        pane.display = True
        pane.call_later(self._begin, pane)  # it calls once its parts are there
        return mounted

    def _begin(self, pane: Pane) -> None:
        if pane is self.pane and pane is not self._awake:
            self._awake = pane
            pane.wake()
            pane.look(self.view)
            if len(self.screen_stack) == 1 and (pane.has_focus or not pane.has_focus_within):
                pane.start_here()
            self._raise_curtain_if_told()

    async def on_tabs_clicked(self, event: Tabs.Clicked) -> None:
        await self.action_show(event.id)

    def action_help(self) -> None:
        from llm_studio.tui.help import Help

        place = next(spec.title for spec in PANES if spec.id == self._pane_id)
        self.push_screen(Help(self.screen.active_bindings, place))

    def action_palette(self) -> None:
        """Every action, those of the pane that is seen first; others go to their pane."""
        items = actions_to_find(self._pane_id, self.remapped)
        self.push_screen(Finder(items, hint="Type what you want to do"), self._do_action)

    def _do_action(self, id_: str | None) -> None:
        action = actions.every_action().get(id_ or "")
        if action is None:
            return
        if action.where == "app":
            self.call_later(self.run_action, action.method)
            return
        self.call_later(self._go_and_do, action)

    async def _go_and_do(self, action: actions.Action) -> None:
        await self.action_show(action.where)
        self.call_after_refresh(self._do_in_pane, action)

    async def _do_in_pane(self, action: actions.Action) -> None:
        if self.pane is not None:
            await self.run_action(action.method, self.pane)

    def action_pick(self) -> None:
        self.push_screen(Finder(models_to_find(self.view), hint="Which model?"), self._load)

    def _load(self, id_: str | None) -> None:
        profile = self.view.profile(id_) if id_ else None
        if profile is None:
            return
        if profile.state == "missing" and profile.repo:
            from llm_studio.tui.panes.models import getting

            self.do(getting.get(self, profile, lambda _: None))
        else:
            self.do(self.wishes.load(profile.id))

    def action_stop(self) -> None:
        self.do(self.wishes.stop())

    def action_cancel(self) -> None:
        self.do(self.wishes.cancel())

    def action_failure(self) -> None:
        self.wishes.show_failure()

    def action_refresh(self) -> None:
        if self.view.link == "ended":
            self.link.start_again()
        else:
            self.link.refresh()

    def action_theme(self) -> None:
        self.theme = NAMES[(NAMES.index(self.theme) + 1) % len(NAMES)]
        self.do(self._remember("theme", self.theme))

    def action_density(self) -> None:
        self.toggle_class("-compact")
        density = "compact" if self.has_class("-compact") else "roomy"
        self.do(self._remember("density", density))

    async def _remember(self, key: str, value: str) -> None:
        """What was chosen by a key holds the next time too."""
        await asyncio.to_thread(write_setting, self.settings.paths.config_file, key, value)

    def action_redraw_terminal(self) -> None:
        self.repaint_terminal()

    def action_suspend(self) -> None:
        self.action_suspend_process()

    async def action_quit(self) -> None:
        self.do(self.wishes.quit())

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            # What is typed on is for the screen that the last key opened, once it can take it.
            await self.screen._mounted_event.wait()
            # Not sooner: what Textual edits pages with would take its part of each start.
            from textual.widgets import Input, TextArea

            typing = not self.app_focus or isinstance(self.focused, Input | TextArea)
            if isinstance(event, events.Key) and not typing:
                # Now, so that the next one is for what has the focus then; Textual would do it
                # when the key comes back up from the focus, which the next one has by then too.
                for first in (True, False):
                    if await self._check_bindings(event.key, priority=first):
                        return
        await super().on_event(event)

    def on_app_focus(self, event: events.AppFocus) -> None:
        """Somebody comes back to this terminal: files may have changed meanwhile."""
        self.link.refresh()
