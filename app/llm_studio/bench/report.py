"""Runs as a Markdown report: what was measured on what, tables, plots, and how sure it all is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

from llm_studio.bench.coding.published import published
from llm_studio.bench.compare import circumstances, compare, described
from llm_studio.bench.figures import written
from llm_studio.bench.plots import Line, plot
from llm_studio.bench.record import MEASURES, Point, Run, Spread
from llm_studio.errors import UsageError
from llm_studio.text import untrusted_line

SHOWN = (
    "prompt_speed", "engine_prompt_speed", "speed", "engine_speed", "first_token", "gap_p50",
    "gap_p95", "gap_p99", "total_speed",
)  # fmt: skip


def told(spread: Spread) -> str:
    """The median with the standard deviation; values that lie far off are counted."""
    text = written(spread.median)
    if spread.deviation is not None:
        text += f" ± {written(spread.deviation, 2)}"
    return text + (f" ({len(spread.outliers)} far off)" if spread.outliers else "")


def report(runs: Sequence[Run]) -> str:
    """All of it in one text; the plots stand in it as SVG."""
    if not runs:
        raise UsageError("There is nothing to report")
    parts = ["# Benchmarks"]
    for run in runs:
        parts += _of(run)
    for first, second in pairwise(runs):
        if first.suite == second.suite:
            parts += _compared(first, second)
    parts += _plots(runs)
    parts += ["## What the columns are", ""]
    parts += [f"- **{title}**: {meaning}" for title, meaning in MEASURES.values()]
    parts += ["", "Figures are medians of all repetitions ± their standard deviation."]
    return "\n".join(parts) + "\n"


def _of(run: Run) -> list[str]:
    stamp = run.stamp
    clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started))
    facts = {
        "profile": f"{run.name} ({run.profile})",
        "measured": f"{clock}, {run.ended - run.started:.0f} s",
        "state": run.state,
        "engine": f"{stamp.engine} {stamp.image}".strip(),
        "build": stamp.build,
        "model file": stamp.model_file,
        "GPUs": ", ".join(stamp.gpus) or "none",
        "driver": stamp.driver,
        "host": f"{stamp.cpu}, {stamp.cores} cores, {stamp.memory >> 30} GiB",
        "system": stamp.system,
        "settings": ", ".join(f"{key} {value}" for key, value in run.settings.items()),
        "command": f"`{' '.join(stamp.command)}`" if stamp.command else "",
    }
    parts = ["", f"## {_cell(run.id)}", "", "| | |", "| --- | --- |"]
    parts += [f"| {key} | {_cell(value)} |" for key, value in facts.items() if value]
    if run.scores:
        parts += [
            "",
            "| score | right | of | share | 95 % interval |",
            "| --- | --: | --: | --: | --- |",
        ]
        parts += [
            f"| {_cell(name)} | {s.right} | {s.of} | {s.share:.1%} | {s.low:.1%} to {s.high:.1%} |"
            for name, s in run.scores.items()
        ]
    parts += [
        text for each in published(run) for text in ("", f"- {_cell(each.words)}: <{each.url}>")
    ]
    if run.figures:
        parts += ["", "| figure | value | 95 % interval | of |", "| --- | --: | --- | --: |"]
        parts += [
            f"| {_cell(name)} | {written(f.value)} | {written(f.low)} to {written(f.high)} "
            f"| {f.of} |"
            for name, f in run.figures.items()
        ]
    for source in sorted({point.source for point in run.points}, reverse=True):
        parts += _table(source, [point for point in run.points if point.source == source])
    if run.notes:
        parts += ["", *(f"- {_cell(note)}" for note in run.notes)]
    return parts


def _table(source: str, points: Sequence[Point]) -> list[str]:
    names = [name for name in SHOWN if any(name in point.measures for point in points)]
    label = "Through the server" if source == "server" else f"The engine alone ({source})"
    energy = any(point.energy is not None for point in points)
    titles = ["what", *(MEASURES[name][0] for name in names), *(["J/token"] if energy else [])]
    unseen = "none seen" if source == "server" else "not watched"
    parts = ["", f"### {label}", "", f"| {' | '.join([*titles, 'n', 'other load'])} |"]
    parts.append("| --- |" + " --: |" * (len(titles)) + " --- |")
    for point in points:
        cells = [described(point)]
        cells += [told(point.measures[n]) if n in point.measures else "" for n in names]
        if energy:
            cells.append(f"{point.energy:.3g}" if point.energy is not None else "")
        count = max(len(each.values) for each in point.measures.values()) if point.measures else 0
        cells += [str(count), "; ".join(point.disturbed) or unseen]
        parts.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return parts


def _compared(first: Run, second: Run) -> list[str]:
    try:
        found = compare(first, second)
    except UsageError:
        return []
    parts = ["", f"## {_cell(second.id)} against {_cell(first.id)}", ""]
    parts += [f"- {_cell(each)}" for each in circumstances(first, second)]
    parts += [
        "",
        "| what | figure | first | second | × | p | second is |",
        "| --- | --- | --: | --: | --: | --: | --- |",
    ]
    for each in found:
        ratio = f"{each.ratio:.3f}" if each.ratio is not None else ""
        parts.append(
            f"| {each.what} | {each.measure} | {written(each.first)} | {written(each.second)} "
            f"| {ratio} | {each.p:.2g} | {each.verdict} |"
        )
    return parts


def _plots(runs: Sequence[Run]) -> list[str]:
    wanted = (
        ("Reading prompts", "tokens of prompt", "tok/s", "prompt", "prompt_speed"),
        ("Generating, by depth", "tokens in the context", "tok/s", "depth", "speed"),
        ("Many at a time", "requests at a time", "tok/s in all", "users", "total_speed"),
    )
    made = [
        plot(title, across, up, _lines(runs, kind, name))
        for title, across, up, kind, name in wanted
    ]
    return [text for each in made if each for text in ("", each, "")]


def _lines(runs: Sequence[Run], kind: str, measure: str) -> list[Line]:
    lines = []
    for run in runs:
        points = []
        for point in run.points:
            spread = point.measures.get(measure)
            if (
                point.source != "server"
                or spread is None
                or (kind == "prompt" and point.cache == "warm")
            ):
                continue
            first_of_depths = kind == "depth" and point.kind == "answer"
            if point.kind != kind and not first_of_depths:
                continue
            place = {"prompt": point.prompt, "depth": point.depth, "users": point.users}[kind]
            low, high = min(spread.values), max(spread.values)
            points.append((float(place), low, spread.median, high))
        if len({point[0] for point in points}) > 1:
            lines.append(Line(run.profile, points))
    return lines


def _cell(text: str) -> str:
    return untrusted_line(text, limit=2000).replace("|", "\\|").replace("<", "&lt;")
