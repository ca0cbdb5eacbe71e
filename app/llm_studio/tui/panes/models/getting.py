"""Models fetched: for a profile that has none, one that suits the machine, or any of the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_studio.errors import NotReady
from llm_studio.text import untrusted_line
from llm_studio.tui.dialogs import STAY, Choice, Question
from llm_studio.tui.figures import size
from llm_studio.tui.panes.models.changes import Then
from llm_studio.tui.panes.models.downloads import ABSENT, DOWNLOAD
from llm_studio.tui.panes.models.rough_fit import Memory, class_of, guess, suits
from llm_studio.tui.view import Profile, View
from llm_studio.tui.widgets.finder import Finder, Item

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

FEW = 8


async def get(studio: StudioApp, profile: Profile, then: Then) -> None:
    """The model of one profile, once its size is known and agreed to."""
    if profile.state not in ABSENT:
        raise NotReady(f"The model of {profile.id} is here already")
    if not profile.repo:
        raise NotReady(
            f"{profile.id} does not say where its model comes from",
            hint="Set model.repo in the profile (e), or search the hub (G).",
        )
    found = await studio.wire.ask("GET", "/hub/offers", repository=profile.repo)
    count = _size_in(found["offers"], profile.file or "")
    choices = (Choice("get", "y", "Download"), Choice(STAY, "n", "Not now"))
    told = _told(studio, profile.repo, count)
    answer = await studio.push_screen_wait(Question(f"Download {profile.id}?", told, choices))
    if answer.id:
        await studio.wishes.download(profile.id)
        then(profile.id)


async def search(studio: StudioApp, then: Then) -> None:
    """Anything that the hub has."""
    from llm_studio.tui.panes.models.hub import HubScreen

    what = await studio.push_screen_wait(HubScreen(Memory.of(studio.view.sample)))
    if what:
        await studio.wishes.download(what)
        then(DOWNLOAD + what)


async def get_fitting(studio: StudioApp, then: Then) -> None:
    """One of a few that suit this machine."""
    items = [
        Item(each.id, each.id, f"{each.name} · for {class_of(each.tags)} GB")
        for each in fitting(studio.view)
    ]
    if not items:
        raise NotReady("No shipped profile suits this machine", hint="Search the hub (G).")
    id_ = await studio.push_screen_wait(Finder(items, hint="Which one? All may suit this machine"))
    profile = next((each for each in studio.view.profiles or () if each.id == id_), None)
    if profile:
        await get(studio, profile, then)


def fitting(view: View) -> list[Profile]:
    """Shipped profiles for a machine with so much memory: those that use it best first, but
    without a GPU the smallest first, for size costs speed there."""
    memory = Memory.of(view.sample)
    found = [
        each
        for each in view.profiles or ()
        if each.state == "missing"
        and each.shipped
        and each.repo
        and "embedding" not in each.tags
        and suits(each.tags, memory)
    ]
    order = -1 if memory and memory.gpus else 1
    return sorted(found, key=lambda each: (order * class_of(each.tags), each.id))[:FEW]


def _size_in(offers: list[dict[str, Any]], file: str) -> int:
    """Bytes of what a profile names; 0 where the names do not tell."""
    named = [each for each in offers if each["name"].upper() in file.upper()]
    best = max(named, key=lambda each: len(each["name"]), default=None)
    return int(best["size"]) if best else 0


def _told(studio: StudioApp, repository: str, count: int) -> str:
    sample = studio.view.sample or {}
    folder = str(studio.settings.models[0]) if studio.settings.models else ""
    free = (sample.get("host") or {}).get("disk_free")
    fits, _ = guess(count, Memory.of(sample or None))
    first = f"{size(count)} from {repository}." if count else f"From {repository}."
    lines = [
        first,
        f"At a rough guess it fits: {fits}." if fits and fits != "too big" else "",
        "At a rough guess it is too big for this machine." if fits == "too big" else "",
        f"It goes to {folder}" + (f", where {size(free)} are free." if free else "."),
    ]
    return untrusted_line(" ".join(filter(None, lines)), limit=600)
