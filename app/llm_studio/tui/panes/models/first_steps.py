"""What the pane says where there is nothing yet: three ways to begin, each by one key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.content import Content

from llm_studio.tui.actions import Action, keys_of
from llm_studio.tui.figures import counted
from llm_studio.tui.panes.models.getting import fitting
from llm_studio.tui.panes.models.rough_fit import Memory
from llm_studio.tui.view import View

DEMO = "demo"
NAMED = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A way to begin: its key, what it does, and what there is for it here."""

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


def steps(view: View, actions: Mapping[str, Action], remapped: Mapping[str, str]) -> list[Step]:
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
        Step(key("new"), "Serve a model file that is here", here, bool(files)),
        Step(
            key("get"), "Download one that fits this machine",
            f"{machine}{names}" if suited else "G searches the hub", bool(suited),
        ),
    ]  # fmt: skip
    if any(each.id == DEMO and each.state != "missing" for each in view.profiles or ()):
        told = "scripted answers, nothing to download"
        ways.append(Step(key("demo"), "Try the demo model", told))
    return ways


def first_steps(folder: str, ways: list[Step], search: str = "G", back: str = "Esc") -> Content:
    """What to do when there is nothing yet."""
    parts: list[Content | str | tuple[str, str]] = [("No model of yours is here yet\n\n", "bold")]
    for way in ways:
        style = "" if way.possible else "$dim"
        parts += [
            (f"  {way.key}  ", "$accent bold" if way.possible else "$dim"),
            (f"{way.title}\n", style),
            (f"     {way.detail}\n", "$dim"),
        ]
    return Content.assemble(
        *parts,
        "\n", (search, "$accent"), " searches the hub, ", (back, "$accent"),
        " shows all profiles. Files of yours go into\n", (folder or "a models folder", "$accent"),
        " or any folder that you name:\n",
        ("llm-studio config models /data/models", "$accent"), ", then ", ("Ctrl+R", "$accent"),
        " finds them.",
    )  # fmt: skip
