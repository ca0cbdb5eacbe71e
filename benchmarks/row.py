"""One figure of the program's own speed, beside its yardstick in the same run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured; a row without a goal is told for comparison alone."""

    what: str
    figure: str
    yardstick: str = ""
    ratio: float | None = None
    goal: str = ""
    reached: bool = True

    @property
    def times(self) -> str:
        if self.ratio is None:
            return ""
        digits = 0 if self.ratio >= 10 else 2 if self.ratio >= 0.1 else 4
        return f"×{self.ratio:.{digits}f}"

    @property
    def verdict(self) -> str:
        if not self.goal:
            return ""
        return "reached" if self.reached else "MISSED"

    @property
    def cells(self) -> tuple[str, ...]:
        return self.what, self.figure, self.yardstick, self.times, self.goal, self.verdict


HEAD = ("", "llm-studio", "beside it, in the same run", "ratio", "goal", "")


def told(rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows, each said as soon as it is there."""
    for row in rows:
        goal = f"goal {row.goal}: {row.verdict}" if row.goal else ""
        parts = (f"  {row.what:<28} {row.figure:<30}", row.yardstick, row.times, goal)
        print("  ".join(part for part in parts if part), flush=True)
        yield row


def shown(rows: Iterable[Row]) -> int:
    """Say them all; the exit code is 1 if a goal is missed."""
    return int(sum(not row.reached for row in told(rows)) > 0)


def as_text(rows: Iterable[Row]) -> str:
    table = [HEAD, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
    return "\n".join(lines)


def as_markdown(rows: Iterable[Row]) -> str:
    table = [HEAD, ("---",) * len(HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in table)
