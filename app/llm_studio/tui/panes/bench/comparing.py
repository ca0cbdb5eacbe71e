"""Two runs beside each other, and every profile's quality against its speed, as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_studio.tui.panes.bench.plot import Rows, Series, even, plotted, sign
from llm_studio.tui.panes.bench.sheet import joined, plots, wrapped
from llm_studio.tui.panes.bench.tabled import tabled
from llm_studio.tui.panes.bench.words import VERDICTS, figure
from llm_studio.tui.widgets.painted import Part

COUNTED = {"better": "better", "worse": "worse", "tie": "alike", "too few": "too few to tell"}
HIGHEST = 24
LEAST = 9
"""Rows of the plot of quality."""
Told = Mapping[str, Any]


def comparison_sheet(
    first: Told, second: Told, found: Sequence[Told], changed: Sequence[str], width: int
) -> Rows:
    """What the second is beside the first: better, worse, or the same as far as one can tell."""
    names = [f"{letter}  {run['id']}" for letter, run in (("A", first), ("B", second))]
    told: list[Part] = [("B:", "")]
    for verdict, words in COUNTED.items():
        count = sum(each["verdict"] == verdict for each in found)
        if count:
            told += [("  ", ""), (f"{count} {words}", VERDICTS[verdict])]
    rows: list[list[Part]] = [
        [
            (each["what"], ""),
            (each["measure"], ""),
            (figure(each["first"]), ""),
            (figure(each["second"]), ""),
            (f"× {each['second'] / each['first']:.3f}" if each["first"] else "", ""),
            (f"{each['p']:.2g}", "dim"),
            (each["verdict"], VERDICTS[each["verdict"]]),
        ]
        for each in found
    ]
    titles = ("WHAT", "FIGURE", "A", "B", "RATIO", "P", "B IS")
    return joined(
        [
            [[(name, "strong")] for name in names],
            [told],
            [line for each in changed for line in wrapped(each, width, "warn")],
            tabled(titles, rows, width, left=2),
            plots(list(zip(_labels(first, second), (first, second), strict=True)), width),
            wrapped(
                "p: how often chance alone would part them so far; above 0.05 it is a tie.",
                width,
                "dim",
            ),
        ]
    )


def _labels(first: Told, second: Told) -> tuple[str, str]:
    """The first thing by which the two can be told apart."""
    pairs = [
        (first["profile"], second["profile"]),
        (first["stamp"]["build"], second["stamp"]["build"]),
    ]
    return next(
        (pair for pair in pairs if pair[0] != pair[1]), (first["id"][:15], second["id"][:15])
    )


def quality_sheet(runs: Sequence[Told], width: int, height: int) -> Rows:
    """For each suite of quality: its newest figure of each profile over tokens a second."""
    done = [run for run in runs if run["state"] == "done"]
    speeds = {run["profile"]: run["speed"] for run in done if run["speed"]}
    parts = []
    for suite in dict.fromkeys(run["suite"] for run in done):
        newest = {run["profile"]: run for run in done if run["suite"] == suite}
        name = _quality(list(newest.values())[-1])
        shown = [run for id_, run in newest.items() if id_ in speeds and name in run["intervals"]]
        if shown:
            parts.append(_plot(suite, name, shown, speeds, width, height))
    if parts:
        return joined(parts)
    return [
        [("Nothing to plot yet.", "strong")],
        [],
        [("It takes a score and a speed of the same profile: run a suite of quality and", "dim")],
        [("the speed suite on it.", "dim")],
    ]


def _quality(run: Told) -> str:
    """The name of the figure that tells how good it is."""
    return str(run["score"] or next(iter(run["figures"]), ""))


def _plot(
    suite: str, name: str, runs: Sequence[Told], speeds: Mapping[str, float], width: int,
    height: int,
) -> Rows:  # fmt: skip
    series, rows = [], list[list[Part]]()
    shares = all(name in run["scores"] for run in runs)

    def written(value: float) -> str:
        return f"{value:.0%}" if shares else figure(value)

    for at, run in enumerate(runs):
        value = run["scores" if shares else "figures"][name]
        low, high = run["intervals"][name]
        speed, letter = speeds[run["profile"]], sign(at, len(runs))
        series.append(Series(run["profile"], [(speed, low, value, high)], letter))
        rows.append([
            (f"{letter}  {run['profile']}", ""),
            (f"{speed:,.1f}", ""),
            (f"{value:.1%}" if shares else figure(value), "strong"),
            (f"{written(low)} to {written(high)}", "dim"),
        ])  # fmt: skip
    order = sorted(range(len(rows)), key=lambda at: series[at].points[0][2], reverse=shares)
    room = max(min(height - len(rows) - 3, HIGHEST), LEAST)
    title = f"{suite}: {name} over tok/s" + ("" if shares else "; the lower, the better")
    plot = plotted(
        title, series, width, room, scale=even, top=1.0 if shares else 0.0, written=written,
    )  # fmt: skip
    titles = ("PROFILE", "TOK/S", name.upper(), "95 % INTERVAL")
    return [*plot, [], *tabled(titles, [rows[at] for at in order], width)]
