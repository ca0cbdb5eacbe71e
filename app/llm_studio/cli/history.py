"""The past of the GPUs, the machine and the engine, as figures, JSON or CSV.

A series is named like `nvidia0.power`, `host.cpu` or `engine.speed`; `nvidia0.*` means several.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import Any

from llm_studio.cli.output import Cell, Column, print_json, say, styled, table
from llm_studio.cli.studio import connect
from llm_studio.errors import NotFound, UsageError, did_you_mean
from llm_studio.text import untrusted_line

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {
    "memory_used", "memory_free", "memory_available", "swap_used", "disk_free", "engine_memory",
    "engine_mapped", "sent", "received", "pcie_sent", "pcie_received",
}  # fmt: skip
_LEVELS = {"error": "red", "warning": "yellow"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("series", nargs="*", help="only these series")
    parser.add_argument("--since", default="1h", help="how far back: 90s, 30m, 6h, 3d (1h)")
    parser.add_argument("--resolution", default="0s", help="time that a point stands for, like 10s")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--csv", action="store_true", help="print CSV, one row a point")


def run(arguments: argparse.Namespace) -> int:
    from urllib.parse import quote

    since, resolution = _seconds(arguments.since), _seconds(arguments.resolution)
    series = quote(",".join(arguments.series))
    page = connect().ask(
        "GET", f"/history?from={-since}&resolution={resolution}&series={series}", timeout=60
    )
    if arguments.series and page["known"] and not page["series"]:
        word = ", ".join(arguments.series)
        known = sorted(page["known"])
        raise NotFound(
            f"There is no series {untrusted_line(word)!r}",
            hint=did_you_mean(word, known) or f"There are: {', '.join(known)}.",
        )
    if arguments.json:
        print_json(page)
    elif arguments.csv:
        _csv(page)
    else:
        _summary(page)
    return 0


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,7})([smhd])", text)
    if match is None:
        raise UsageError(f"{text!r} is no time", hint="Write it like 90s, 30m, 6h or 3d.")
    return int(match[1]) * _UNITS[match[2]]


def _csv(page: dict[str, Any]) -> None:
    """The lowest, the mean and the highest value of each series, by time in seconds since 1970."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    curves = [
        (f"{name}.{part}", curve[part])
        for name, curve in page["series"].items()
        for part in ("min", "mean", "max")
    ]
    writer.writerow(["time", *(untrusted_line(name) for name, _ in curves)])
    for at, moment in enumerate(page["times"]):
        writer.writerow([moment, *(values[at] for _, values in curves)])


def _summary(page: dict[str, Any]) -> None:
    if not page["times"]:
        say("Nothing was sampled in that time: it is while a model is loaded, or somebody looks.")
    rows: list[list[Cell | str]] = []
    for name, curve in page["series"].items():
        means = [value for value in curve["mean"] if value is not None]
        low = [value for value in curve["min"] if value is not None]
        high = [value for value in curve["max"] if value is not None]
        if means:
            figures = (min(low), sum(means) / len(means), max(high), means[-1])
            rows.append([name, *(_figure(name, value) for value in figures)])
    if rows:
        columns = [Column(each, right=True) for each in ("LOWEST", "MEAN", "HIGHEST", "LATEST")]
        table([Column("SERIES", flexible=True), *columns], rows)
        span = page["times"][-1] - page["times"][0] + page["resolution"]
        say(f"{len(page['times'])} points of {page['resolution']:.0f} s over {span / 60:.0f} min")
    for mark in page["marks"]:
        clock = time.strftime("%m-%d %H:%M:%S", time.localtime(mark["time"]))
        text = f"{clock}  {untrusted_line(mark['text'], limit=500)}"
        say(styled(text, _LEVELS.get(mark["level"], "dim")))


def _figure(name: str, value: float) -> str:
    from llm_studio.cli.output import size

    if name.rpartition(".")[2] in _BYTES:
        return size(int(value))
    return f"{value:.1f}"
