"""Memory as stacked bars: signs as well as colours tell the parts, for screens without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from llm_studio.tui.figures import gib

if TYPE_CHECKING:
    from llm_studio.tui.panes.models.detail import Memory

PARTS = (
    ("weights", "█", "$accent"),
    ("context", "▓", "$success"),
    ("compute", "▒", "$warning"),
    ("others", "░", "$dim"),
)


def bars(devices: Sequence[Memory], width: int) -> list[Content]:
    """A bar for each device, and what its signs mean."""
    names = max(len(device.name) for device in devices)
    figures = 20
    length = max(min(width - names - figures - 3, 60), 8)
    lines = [_bar(device, names, length) for device in devices]
    signs = [*PARTS, ("free", "·", "$dim")]
    room = width - sum(len(name) + 2 for name, _, _ in signs)
    gap = " " * min(max(room // (len(signs) - 1), 1), 3)
    legend = [Content.assemble((sign, style), (f" {name}", "$dim")) for name, sign, style in signs]
    return [*lines, Content(gap).join(legend)]


def _bar(device: Memory, names: int, length: int) -> Content:
    others = max(device.total - device.free, 0)
    amounts = (device.weights, device.context, device.compute + device.other, others)
    total = max(device.total, 1)
    cells = shares(amounts, total, length)
    over = device.taken > device.room
    drawn = [(sign * count, style) for (_, sign, style), count in zip(PARTS, cells, strict=True)]
    rest = ("·" * (length - sum(cells)), "$dim")
    told = f"{gib(device.taken)} of {gib(device.room)} GiB"
    return Content.assemble(
        (f"{device.name:<{names}}  ", ""),
        *drawn,
        rest,
        ("  ", ""),
        (told, "$error bold" if over else ""),
    )


def shares(amounts: Sequence[int], total: int, length: int) -> list[int]:
    """Cells for each amount, together no more than the length; what is there is seen."""
    cells: list[int] = []
    room = length
    for amount in amounts:
        wanted = max(round(amount / total * length), 1 if amount > total / 500 else 0)
        cells.append(min(wanted, room))
        room -= cells[-1]
    return cells
