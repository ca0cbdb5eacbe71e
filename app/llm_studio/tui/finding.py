"""What the command palette and the model picker offer."""

from __future__ import annotations

from collections.abc import Mapping

from llm_studio.tui.actions import every_action, keys_of
from llm_studio.tui.panes import PANES
from llm_studio.tui.view import View
from llm_studio.tui.widgets.finder import Item
from llm_studio.tui.widgets.header import STATES


def actions_to_find(here: str, remapped: Mapping[str, str]) -> list[Item]:
    """Every action, those of a pane first, then those of the frame."""
    near = sorted(
        (action for action in every_action().values() if action.palette),
        key=lambda action: {here: 0, "app": 1}.get(action.where, 2),
    )
    panes = {spec.id: spec.title for spec in PANES}
    return [
        Item(action.id, action.title, panes.get(action.where, ""), keys_of(action, remapped))
        for action in near
    ]


def models_to_find(view: View) -> list[Item]:
    """The profiles: what is ready first, then what could be."""
    order = {"ready": 0, "available": 1}
    profiles = [each for each in view.shown_profiles if each.state not in ("template", "broken")]
    items = []
    for profile in sorted(profiles, key=lambda each: order.get(each.state, 2)):
        sign, role = STATES.get(profile.state, (" ", "dim"))
        detail = profile.badge if profile.state == "available" else profile.state
        items.append(
            Item(profile.id, profile.id, f"{profile.name} · {detail}", sign=sign, role=role)
        )
    return items
