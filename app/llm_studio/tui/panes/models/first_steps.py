"""What the pane shows where there is nothing yet: three ways to begin, each by one key or with
the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from llm_studio.tui.actions import Action, keys_of
from llm_studio.tui.figures import counted
from llm_studio.tui.panes.models.getting import fitting
from llm_studio.tui.panes.models.rough_fit import Memory
from llm_studio.tui.view import View
from llm_studio.tui.widgets.listing import Column, Listing, Row

DEMO = "demo"
NAMED = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A way to begin: the action, its key, what it does, and what there is for it here."""

    action: str
    key: str
    title: str
    detail: str
    possible: bool = True


def nothing_is_here(view: View) -> bool:
    """Whether no model can be served but the demo, and none is."""
    if view.profiles is None:
        return False
    if view.status and any(each.up for each in view.status.all):
        return False
    absent = ("missing", "template", "broken")
    return all(each.state in absent or each.id == DEMO for each in view.profiles)


def ways_to_begin(
    view: View, actions: Mapping[str, Action], remapped: Mapping[str, str]
) -> list[Step]:
    """The ways that there are on this machine."""

    def key(name: str) -> str:
        return keys_of(actions[f"models.{name}"], remapped).partition(" ")[0]

    files, suited = view.files, fitting(view)
    memory = Memory.of(view.sample)
    found = ", ".join(each.name for each in files[:NAMED]) + (" …" if len(files) > NAMED else "")
    names = ", ".join(each.id for each in suited[:NAMED]) + (" …" if len(suited) > NAMED else "")
    machine = f"{memory.told}: " if memory else ""
    here = (
        f"{counted(len(files), 'file')}: {found}"
        if files
        else "none found, nor in the caches of other programs"
    )
    ways = [
        Step("new", key("new"), "Serve a model file that is here", here, bool(files)),
        Step(
            "get", key("get"), "Download one that fits this machine",
            f"{machine}{names}" if suited else "G searches the hub", bool(suited),
        ),
    ]  # fmt: skip
    if any(each.id == DEMO and each.state != "missing" for each in view.profiles or ()):
        told = "scripted answers, nothing to download"
        ways.append(Step("demo", key("demo"), "Try the demo model", told))
    return ways


class FirstSteps(Vertical):
    """The ways, or a word why there is nothing to see."""

    DEFAULT_CSS = """
    FirstSteps { padding: 1 2; height: 1fr; display: none; }
    FirstSteps Vertical { height: auto; max-width: 100; }
    FirstSteps Static { padding: 0 1; }
    """

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(id="told")

    @property
    def chosen(self) -> str:
        """The action under the cursor."""
        return self.query_one(Listing).key if self.query(Listing) else ""

    def say(self, told: Content) -> None:
        """A word instead of the ways."""
        self.query_one("#told", Static).update(told)
        for each in self.query("Listing, #further"):
            each.display = False

    def offer(self, ways: list[Step], folder: str, search: str, back: str) -> None:
        further = Content.assemble(
            "\n", (search, "$accent"), " searches the hub, ", (back, "$accent"),
            " shows all profiles. Files of yours go into\n",
            (folder or "a models folder", "$accent"), " or any folder that you name:\n",
            ("llm-studio config models /data/models", "$accent"), ", then ", ("Ctrl+R", "$accent"),
            " finds them.",
        )  # fmt: skip
        rows = [row for way in ways for row in _rows(way)]
        self.say(Content.styled("No model of yours is here yet\n", "bold"))
        if not self.query(Listing):  # most never need them
            columns = (Column(""), Column("", flexible=True, least=20))
            self.query_one(Vertical).mount(Listing(columns, titled=False), Static(id="further"))
        for each in self.query("Listing, #further"):
            each.display = True
        self.query_one("#further", Static).update(further)
        listing = self.query_one(Listing)
        listing.styles.height = len(rows)
        listing.show(rows)


def _rows(way: Step) -> tuple[Row, ...]:
    detail = Row("", ((f"   {way.detail}", "dim"),))
    if way.possible:
        return Row(way.action, ((way.key, "accent"), (way.title, ""))), detail
    return Row("", ((f"{way.key}  {way.title}", "dim"),)), detail
