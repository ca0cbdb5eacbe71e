"""One run as lines: what came of it, how it compares, its plots, its tables, on what it ran."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from textwrap import wrap
from typing import Any

from llm_studio.tui.panes.bench.plot import Rows, plotted
from llm_studio.tui.panes.bench.series import CURVES, series_of
from llm_studio.tui.panes.bench.tabled import tabled
from llm_studio.tui.panes.bench.words import VERDICTS, figure, point_name, share, span, spread
from llm_studio.tui.widgets.painted import Part, Role

Told = Mapping[str, Any]
HIGHEST = 12
"""Rows of a plot."""
ROOMY = 18
"""Lines from which plots come before figures."""
GAP = 3
FAILED = 40
"""Tasks that were not passed, of which each is told."""


def run_sheet(
    run: Told, width: int, height: int, *, measures: Mapping[str, Told],
    change: Told | None = None, short: bool = False,
) -> Rows:  # fmt: skip
    """All of it; `short` leaves the tables out, and begins with figures where room is scarce."""
    parts = [_heading(run), _changed(change, width), _scores(run, width), _others(run, width)]
    if short:
        both = [plots([("", run)], width), _figures(run, width)]
        parts += both if height >= ROOMY else reversed(both)
    else:
        parts += [plots([("", run)], width), *_tables(run, width, measures), _tasks(run, width)]
    parts += [_notes(run, width), _facts(run, width)]
    if not short and run["points"]:
        parts.append(_legend(run, measures, width))
    return joined(parts)


def brief_sheet(summary: Told) -> Rows:
    """What is known before the result was read."""
    return [
        [(f"{summary['suite']} of {summary['profile']}", "strong"), ("  ", ""),
         (summary["name"], "dim")],
        [(summary["result"], "")],
    ]  # fmt: skip


def partial_sheet(
    partial: Told | None, told: str, width: int, *, measures: Mapping[str, Told]
) -> Rows:
    """A run that goes on: how far it is, and what it found so far."""
    head: Rows = [[(told, "accent")]]
    if partial is None:
        return [*head, [], [("Nothing is measured yet.", "dim")]]
    title: Rows = [[(f"{partial['suite']} of {partial['profile']}", "strong")]]
    parts = [
        title + head, _scores(partial, width), plots([("", partial)], width),
        *_tables(partial, width, measures), _notes(partial, width),
    ]  # fmt: skip
    if not (partial["points"] or partial["scores"] or partial["figures"]):
        parts.append([[("Nothing is measured yet.", "dim")]])
    return joined(parts)


def joined(parts: Sequence[Rows]) -> Rows:
    """With an empty line between those that say something."""
    lines: Rows = []
    for part in parts:
        lines += [[], *part] if lines and part else part
    return lines


def _heading(run: Told) -> Rows:
    clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(run["started"]))
    state: Part = (run["state"], "dim" if run["state"] == "done" else "warn")
    title = [(f"{run['suite']} of {run['profile']}", "strong"), ("  ", ""), (run["name"], "dim")]
    took = f"{clock}, took {span(run['ended'] - run['started'])}, "
    return [title, [(took, "dim"), state]]  # type: ignore[list-item]


def _changed(change: Told | None, width: int) -> Rows:
    if change is None:
        return []
    against = f"{change['against']}, of another image"
    if change["verdict"] == "too few":
        return wrapped(f"Too few repetitions to hold it against {against}.", width, "dim")
    if change["verdict"] != "worse":
        return wrapped(f"✓ No worse than {against}.", width, "good")
    lines = wrapped(f"⚠ Worse than {against}:", width, "bad" if change["sure"] else "warn")
    for each in change["worse"]:
        told = f"{each['measure']} {figure(each['first'])} → {figure(each['second'])}"
        lines += wrapped(f"{each['what']}: {told} (p {each['p']:.2g})", width, "", "  ")
    for each in change["changed"]:
        lines += wrapped(each, width, "dim", "  ")
    if not change["sure"]:
        lines += wrapped("Other load may be why: run it again to be sure.", width, "warn", "  ")
    return lines


def _scores(run: Told, width: int) -> Rows:
    rows: list[list[Part]] = [
        [(name, ""), (share(score), "strong"), (f"{score['right']} of {score['of']}", "dim")]
        for name, score in run["scores"].items()
    ]
    lines = tabled(("SCORE", "95 % INTERVAL", "RIGHT"), rows, width) if rows else []
    rows = [
        [(name, ""), (f"{told['value']:.4g}", "strong"),
         (f"{told['low']:.4g} to {told['high']:.4g}", "dim")]
        for name, told in run["figures"].items()
    ]  # fmt: skip
    return lines + (tabled(("FIGURE", "", "95 % INTERVAL"), rows, width) if rows else [])


def _others(run: Told, width: int) -> Rows:
    """What others published for the same model."""
    told = [f"{each['words']} {each['url']}" for each in run.get("published", ())]
    return [line for each in told for line in wrapped(each, width, "dim")]


def plots(runs: Sequence[tuple[str, Told]], width: int, height: int = HIGHEST) -> Rows:
    """Those that have something to show; on a wide screen side by side."""
    drawn = [(curve, series_of(curve, runs)) for curve in CURVES]
    shown = [(curve, series) for curve, series in drawn if series]
    if width < 24 or not shown:
        return []
    abreast = min(max(width // 56, 1), len(shown))
    each = (width - 3 * (abreast - 1)) // abreast
    made = [
        plotted(c.title, series, each, height, scale=c.scale, legend=len(runs) > 1)
        for c, series in shown
    ]
    lines: Rows = []
    for at in range(0, len(made), abreast):
        lines += [[]] if lines else []
        lines += [_beside(row, each) for row in zip(*made[at : at + abreast], strict=True)]
    return lines


def _beside(rows: Sequence[Sequence[Part]], width: int) -> list[Part]:
    line: list[Part] = []
    for at, row in enumerate(rows):
        used = sum(len(text) for text, _ in row)
        line += [*row, (" " * (width - used + 3), "")] if at < len(rows) - 1 else row
    return line


def _figures(run: Told, width: int) -> Rows:
    """Of each point the figure that it is measured for, as many side by side as there is room."""
    found = []
    for point in run["points"]:
        name = {"prompt": "prompt_speed", "users": "total_speed"}.get(point["kind"], "speed")
        told = point["measures"].get(name)
        if told is not None and point["source"] == "server":
            found.append((point_name(point), f"{median(told['values']):,.1f}"))
    if not found:
        return []
    longest, widest = (max(len(each[at]) for each in found) for at in (0, 1))
    abreast = max((width + GAP) // (longest + 2 + widest + GAP), 1)
    lines: Rows = [[("tok/s", "dim")]]
    for at in range(0, len(found), abreast):
        line: list[Part] = []
        for name, value in found[at : at + abreast]:
            gap = " " * GAP if line else ""
            line += [(f"{gap}{name:<{longest}}  ", ""), (f"{value:>{widest}}", "strong")]
        lines.append(line)
    return lines


def _tables(run: Told, width: int, measures: Mapping[str, Told]) -> list[Rows]:
    """A table for each way in which it was measured."""
    made: list[Rows] = []
    for source in sorted({point["source"] for point in run["points"]}, reverse=True):
        points = [point for point in run["points"] if point["source"] == source]
        found = {name for point in points for name in point["measures"]}
        names = [name for name in measures if name in found] + sorted(found - measures.keys())
        label = "THROUGH THE SERVER" if source == "server" else f"ALONE ({source})".upper()
        titles = [label, *(_title(name, measures) for name in names)]
        rows: list[list[Part]] = []
        for point in points:
            cells = [point["measures"].get(name) for name in names]
            values: list[Part] = [(spread(cell) if cell else "", "") for cell in cells]
            loaded = "!" if point["disturbed"] else ""
            rows.append([(point_name(point) + loaded, "warn" if loaded else ""), *values])
        made.append(tabled(titles, rows, width))
    disturbed = sorted({each for point in run["points"] for each in point["disturbed"]})
    if disturbed:
        made.append([[(f"! {each}", "warn")] for each in disturbed])
    return made


def _title(name: str, measures: Mapping[str, Told]) -> str:
    return str(measures[name]["title"]).upper() if name in measures else name


def _tasks(run: Told, width: int) -> Rows:
    rows: list[list[Part]] = [
        [
            (task["task"], ""),
            (task["verdict"], VERDICTS.get(task["verdict"], "")),
            (("cut off, " if task["truncated"] else "") + task["why"], "dim"),
        ]
        for task in run["tasks"]
        if task["verdict"] != "passed"
    ]
    if not rows:
        return []
    lines = tabled(("NOT PASSED", "", ""), rows[:FAILED], width, left=3)
    return lines if len(rows) <= FAILED else [*lines, [(f"and {len(rows) - FAILED} more", "dim")]]


def _notes(run: Told, width: int) -> Rows:
    return [line for note in run["notes"] for line in wrapped(f"· {note}", width, "dim")]


def _facts(run: Told, width: int) -> Rows:
    stamp = run["stamp"]
    host = f"{stamp['host']}: {stamp['cpu']}, {stamp['cores']} cores, {stamp['memory'] >> 30} GiB"
    facts = {
        "engine": " ".join(filter(None, (stamp["engine"], stamp["image"]))),
        "build": stamp["build"],
        "model file": stamp["model_file"],
        "GPUs": ", ".join(stamp["gpus"]),
        "driver": stamp["driver"],
        "host": host,
        "settings": ", ".join(f"{key} {value}" for key, value in run["settings"].items()),
        "id": run["id"],
    }
    lines: Rows = []
    for key, value in facts.items():
        for at, line in enumerate(wrapped(value, width - 12, "") if value else []):
            lines.append(
                [("" if at else key, "dim"), (" " * (12 if at else 12 - len(key)), ""), *line]
            )
    return lines


def _legend(run: Told, measures: Mapping[str, Told], width: int) -> Rows:
    found = {name for point in run["points"] for name in point["measures"]}
    told = [f"{each['title']}: {each['about']}" for name, each in measures.items() if name in found]
    told.append("Figures are medians ± the standard deviation of all repetitions.")
    return [line for each in told for line in wrapped(each, width, "dim")]


def wrapped(text: str, width: int, role: Role, indent: str = "") -> Rows:
    """A text in lines; the second and further ones stand under the first."""
    room = max(width - len(indent), 8)
    return [[(indent + line, role)] for line in wrap(text, room)]
