"""Profiles made, edited, copied and thrown away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from llm_studio.errors import NotReady
from llm_studio.tui.dialogs import STAY, Ask, Choice, Question
from llm_studio.tui.figures import size
from llm_studio.tui.view import Profile
from llm_studio.tui.widgets.finder import Finder, Item

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp

Then = Callable[[str], None]


async def new(studio: StudioApp, file: str, then: Then) -> None:
    """A profile for a model file; without one, it is chosen."""
    if not file:
        items = [
            Item(each.name, each.name, f"{each.quantisation or ''} {size(each.size)}".strip())
            for each in studio.view.files
        ]
        file = await studio.push_screen_wait(Finder(items, hint="Which model file?"))
    if file:
        made = await studio.wire.ask("POST", "/profiles", {"file": file})
        await _told(studio, f"{made['id']} is made; Enter loads it, e edits it", made["id"], then)


async def duplicate(studio: StudioApp, id_: str, then: Then) -> None:
    answer = await studio.push_screen_wait(
        Ask(f"Duplicate {id_}", "The id of the copy. Enter makes it, Esc does not.", f"{id_}-copy")
    )
    if answer.id:
        made = await studio.wire.ask("POST", f"/profiles/{id_}/copy", {"id": answer.id})
        await _told(studio, f"{made['id']} is made", made["id"], then)


async def _told(studio: StudioApp, message: str, id_: str, then: Then) -> None:
    await studio.link.read_profiles()
    then(id_)
    studio.tell(message)


async def delete(studio: StudioApp, profile: Profile) -> None:
    if profile.shipped:
        raise NotReady(
            f"{profile.id} ships with llm-studio, so it cannot be deleted",
            hint="Edit it (e): your copy takes its place, and can be deleted again.",
        )
    engines = studio.view.status.all if studio.view.status else ()
    served = any(each.up and each.profile == profile.id for each in engines)
    answer = await studio.push_screen_wait(
        Question(
            f"Delete {profile.id}?",
            "The profile goes to the trash folder; its model file stays where it is."
            + (" It is served now, and goes on until it is stopped." if served else ""),
            (Choice("delete", "y", "Delete"), Choice(STAY, "n", "Keep")),
        )
    )
    if answer.id:
        gone = await studio.wire.ask("DELETE", f"/profiles/{profile.id}")
        studio.link.refresh()
        studio.tell(f"{profile.id} is in {gone['path']}")


async def fill_in(studio: StudioApp, id_: str) -> None:
    """The values that are changed most, in a form."""
    from llm_studio.tui.panes.models.detail import Detail
    from llm_studio.tui.panes.models.form import FormScreen

    detail = Detail.of(await studio.wire.ask("GET", f"/profiles/{id_}"))
    if await studio.push_screen_wait(FormScreen(id_, detail.values)):
        engines = studio.view.status.all if studio.view.status else ()
        served = any(each.up and each.profile == id_ for each in engines)
        studio.link.refresh()
        studio.tell(f"{id_} is written" + ("; load it again to use it" if served else ""))


async def edit(studio: StudioApp, id_: str) -> None:
    """`llm-studio edit` in this terminal; it says itself what is wrong with what was written."""
    if not id_:
        return
    try:
        with studio.suspend():
            await _run_editor(id_)
    except SuspendNotSupported as error:
        raise NotReady("This terminal cannot be lent to an editor") from error
    studio.link.refresh()


async def _run_editor(id_: str) -> None:
    command = (sys.executable, "-m", "llm_studio", "edit", id_)
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        print("Enter returns to llm-studio. ", end="", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
