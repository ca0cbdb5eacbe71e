"""Tables inside a sheet: aligned, and broken into several where they are too wide."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from llm_studio.tui.widgets.painted import Part, fitted

GAP = 2
LEAST = 18
"""Cells that the first column keeps."""


def tabled(
    titles: Sequence[str], rows: Sequence[Sequence[Part]], width: int, *, left: int = 1
) -> list[list[Part]]:
    """The first `left` columns begin each line, the others are set to the right; those that have
    no room follow in a further table, under the first column again."""
    widths = [
        max(cell_len(title), *(cell_len(row[at][0]) for row in rows)) if rows else cell_len(title)
        for at, title in enumerate(titles)
    ]
    least = min(widths[0], LEAST)
    lines: list[list[Part]] = []
    rest = list(range(1, len(titles)))
    while True:
        taken, used = [0], least
        while rest and used + GAP + widths[rest[0]] <= width:
            used += GAP + widths[rest[0]]
            taken.append(rest.pop(0))
        if len(taken) == 1 and rest:  # wider than the screen: it is cut
            taken.append(rest.pop(0))
        first = max(min(widths[0], width - (used - least)), least)
        sizes = {at: first if at == 0 else widths[at] for at in taken}
        head: list[Part] = [(title, "dim") for title in titles]
        for row in (head, *rows):
            line: list[Part] = []
            for at in taken:
                text, role = row[at]
                gap = " " * GAP if at else ""
                line.append((gap + fitted(text, sizes[at], right=at >= left), role))
            lines.append(line)
        if not rest:
            return lines
        lines.append([])
