"""What the keys do to what the cursor is on."""

from __future__ import annotations

from textual.widgets import Input

from llm_studio.tui.pane import Pane
from llm_studio.tui.panes.models import changes, getting
from llm_studio.tui.panes.models.close_look import CloseLook
from llm_studio.tui.panes.models.downloads import ABSENT, DOWNLOAD, downloads_of, subject
from llm_studio.tui.panes.models.first_steps import DEMO, FirstSteps, nothing_is_here
from llm_studio.tui.panes.models.sheet import command_text
from llm_studio.tui.panes.models.table import FILE
from llm_studio.tui.panes.models.trial import NOTHING, Trial, coarser, finer, less, more
from llm_studio.tui.view import Job, Profile
from llm_studio.tui.widgets.listing import Listing


class Acting(Pane):
    """The half of the pane that acts; the other half shows."""

    def __init__(self) -> None:
        super().__init__()
        self._trials: dict[str, Trial] = {}
        self._left: tuple[Job, ...] = ()
        """Downloads that ended without having come whole."""
        self._looks_around = False
        """Whether the first steps were put aside, to see all profiles."""
        self._judged: tuple[object, ...] = (None,) * 4
        """What it was judged by, whether there is nothing yet: every key asks that."""
        self._bare = False
        self._demo_next = False
        """Whether the demo was asked for before it was known what there is."""

    def _look_closely(self) -> None:
        """Show what the cursor is on."""
        raise NotImplementedError

    def _show_rows(self) -> None:
        """Show what there is."""
        raise NotImplementedError

    # What the cursor is on

    @property
    def id_(self) -> str:
        """The profile under the cursor, if it is on one."""
        key = self._key
        return "" if ":" in key else key

    @property
    def file(self) -> str:
        """The model file under the cursor, if it is on one."""
        return self._key.removeprefix(FILE) if self._key.startswith(FILE) else ""

    @property
    def _key(self) -> str:
        return "" if self.first_time else self.rows.key

    @property
    def rows(self) -> Listing:
        """The table."""
        return self.query_one("#table Listing", Listing)

    @property
    def download(self) -> Job | None:
        """The download under the cursor, under way or not."""
        what = self._key.removeprefix(DOWNLOAD)
        return downloads_of(self.studio.view, self._left).get(what)

    @property
    def profile(self) -> Profile | None:
        id_ = self.id_
        return self.studio.view.profile(id_) if id_ else None

    @property
    def _trial(self) -> Trial:
        """What is tried out on it."""
        return self._trials.get(self.id_, NOTHING)

    @property
    def first_time(self) -> bool:
        """Whether there is nothing yet, not even a download, and nobody asked to see the rest."""
        if self._looks_around or self.query_one("#filter", Input).value:
            return False
        view = self.studio.view
        seen = (view.profiles, view.status, view.jobs, self._left)
        if any(old is not new for old, new in zip(self._judged, seen, strict=True)):
            self._judged = seen
            self._bare = nothing_is_here(view) and not downloads_of(view, self._left)
        return self._bare

    # Serving

    def possible(self, action: str) -> bool:
        profile, serving = self.profile, self.studio.view.status
        match action:
            case "load":
                if self.download is not None:
                    return self.download.state != "running"
                return self.first_time or bool(profile or self.file)
            case "stop_it":
                engines = serving.all if serving else ()
                comes = self.download is not None and self.download.state == "running"
                return comes or bool(profile and any(s.profile == profile.id for s in engines))
            case "get":
                if self.download is not None:
                    return self.download.state != "running"
                return self.first_time or bool(profile and profile.state in ABSENT)
            case "filter" | "tags" | "sort":
                return not self.first_time
            case "demo":
                known = self.studio.view.profiles
                listed = known is None or any(each.id == DEMO for each in known)
                return listed and not (serving and serving.up)  # a slip ends no model
            case "beside":
                return bool(serving and serving.up and profile)
            case "edit" | "form" | "duplicate" | "delete" | "copy":
                return profile is not None
            case "new":
                return bool(self.studio.view.files)
            case "back":
                field = self.query_one("#filter", Input)
                loading = self.studio.view.job("switch") is not None
                around = self._looks_around and nothing_is_here(self.studio.view)
                tried = self.id_ in self._trials
                return loading or field.display or tried or around or self.first_time
        return True

    def action_load(self) -> None:
        if self.first_time:
            ways = {"new": self.action_new, "get": self.action_get, "demo": self.action_demo}
            if chosen := ways.get(self.query_one(FirstSteps).chosen):
                chosen()
        elif self.file:
            self.action_new()
        elif self.download is not None or (self.profile and self.profile.state == "missing"):
            self.action_get()
        elif self.id_:
            self.studio.do(self.studio.wishes.load(self.id_))

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        self.action_load()

    def action_beside(self) -> None:
        if self.id_:
            self.studio.do(self.studio.wishes.load(self.id_, beside=True))

    def action_stop_it(self) -> None:
        if self.download is not None:
            self.studio.do(self.studio.wishes.cancel(self.download))
        else:
            self.studio.do(self.studio.wishes.stop(self.id_))

    def action_demo(self) -> None:
        self._demo_next = self.studio.view.profiles is None
        if not self._demo_next:
            self.studio.do(self.studio.wishes.try_out(DEMO))

    def _serve_what_was_asked(self) -> None:
        """The demo, once it is known what there is, and unless something is served already."""
        if self._demo_next and self.studio.view.profiles is not None:
            self._demo_next = False
            if self.possible("demo"):
                self.action_demo()

    def rest(self) -> None:
        self._demo_next = False

    # Fetching

    def action_get(self) -> None:
        """What the cursor is on, going on where it was; or one that suits this machine."""
        download, profile = self.download, self.profile
        if download is not None and download.state != "running":
            self.studio.do(self.studio.wishes.download(subject(download)))
        elif download is None and profile is not None:
            self.studio.do(getting.get(self.studio, profile, self._go_to))
        elif self.first_time:
            self.studio.do(getting.get_fitting(self.studio, self._go_to))

    def action_hub(self) -> None:
        self.studio.do(getting.search(self.studio, self._go_to))

    def action_back(self) -> None:
        """The nearest thing that can be taken back."""
        field = self.query_one("#filter", Input)
        if field.has_focus or field.value:
            field.value = ""
            field.display = False
            self.turn_to(self.rows)
        elif self.first_time:
            self._looks_around = True
            self._show_rows()
        elif self._trials.pop(self.id_, None):
            self._look_closely()
        elif self.studio.view.job("switch"):
            self.studio.do(self.studio.wishes.cancel())
        elif self._looks_around:
            self._looks_around = False
            self._show_rows()
        self.studio.refresh_bindings()

    # What if

    def _try(self, step: str) -> None:
        detail = self.query_one(CloseLook).detail(self.id_, self._trial)
        if detail is None or not detail.devices:
            return
        steps = {"more": more, "less": less, "finer": finer, "coarser": coarser}
        self._trials[self.id_] = steps[step](self._trial, detail)
        self._look_closely()
        self.studio.refresh_bindings()

    def action_more(self) -> None:
        self._try("more")

    def action_less(self) -> None:
        self._try("less")

    def action_finer(self) -> None:
        self._try("finer")

    def action_coarser(self) -> None:
        self._try("coarser")

    def action_write(self) -> None:
        trial = self._trial
        if trial == NOTHING:
            self.studio.tell("Nothing is tried out: + and - change the context, [ and ] the cache")
        else:
            self.studio.do(self._write(self.id_, trial))

    async def _write(self, id_: str, trial: Trial) -> None:
        await self.studio.wire.ask("PATCH", f"/profiles/{id_}", trial.changes)
        self._trials.pop(id_, None)
        self.studio.link.refresh()
        served = self.studio.view.status and self.studio.view.status.profile == id_
        self.studio.tell(f"{id_} is written" + ("; load it again to use it" if served else ""))

    # Changing

    def action_new(self) -> None:
        self.studio.do(changes.new(self.studio, self.file, self._go_to))

    def action_edit(self) -> None:
        if self.id_:
            self.studio.do(changes.edit(self.studio, self.id_))

    def action_form(self) -> None:
        if self.id_:
            self.studio.do(changes.fill_in(self.studio, self.id_))

    def action_duplicate(self) -> None:
        if self.id_:
            self.studio.do(changes.duplicate(self.studio, self.id_, self._go_to))

    def action_delete(self) -> None:
        profile = self.profile
        if profile is not None:
            self.studio.do(changes.delete(self.studio, profile))

    def _go_to(self, id_: str) -> None:
        self.rows.go_to(id_)

    def action_copy(self) -> None:
        detail = self.query_one(CloseLook).detail(self.id_, self._trial)
        if detail and detail.command:
            self.app.copy_to_clipboard(command_text(detail))
            self.studio.tell("The command is in the clipboard")
