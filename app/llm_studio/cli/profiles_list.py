"""List the profiles: which can be served here, how each fits, and with how much context.

Those whose model file is here come first. `--here` leaves the others out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from llm_studio.cli.output import (
    Cell,
    Column,
    narrate,
    print_json,
    say,
    say_wrapped,
    size,
    styled,
    table,
    tokens,
)
from llm_studio.cli.workspace import Workspace, gpu_option, workspace
from llm_studio.profiles.measured import Measured
from llm_studio.profiles.summary import summarise
from llm_studio.schema import ProfileSummary

DEMO = "demo"
"""The profile that can be served without a model file: the program writes it."""
_ORDER = {"available": 0, "incomplete": 1, "unusable": 1, "broken": 1, "missing": 2, "template": 3}
_FIT_STYLE = {
    "one-gpu": "green",
    "split": "green",
    "experts-on-cpu": "yellow",
    "layers-on-cpu": "yellow",
    "cpu": "yellow",
    "too-big": "red",
}
_STATES = {
    "missing": ("not here", "dim"),
    "broken": ("broken", "red"),
    "unusable": ("unusable file", "red"),
    "incomplete": ("shards missing", "red"),
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--here", action="store_true", help="only those whose model file is here")
    parser.add_argument("--tag", action="append", default=[], help="only those with this tag")
    parser.add_argument("--json", action="store_true", help="print JSON")
    gpu_option(parser)


def run(arguments: argparse.Namespace) -> int:
    with workspace(arguments.gpus) as here:
        measured = Measured.load(here.settings.paths.state)
        found = (_with_state(summarise(plan, measured), here.serving) for plan in here.plans())
        summaries = sorted(found, key=_rank)
        shown = [
            summary
            for summary in summaries
            if (_is_here(summary) or not arguments.here) and set(arguments.tag) <= set(summary.tags)
        ]
        if arguments.json:
            print_json([summary.model_dump() for summary in shown])
            return 0
        _show(shown)
        _narrate(here, summaries, shown, imagined=arguments.gpus is not None)
    return 0


def _with_state(summary: ProfileSummary, serving: Mapping[str, str]) -> ProfileSummary:
    """With what the studio does with it, as the management API tells it."""
    state = serving.get(summary.id, summary.state)
    return summary.model_copy(update={"state": state})


def _is_here(summary: ProfileSummary) -> bool:
    """Whether it can be served, or is."""
    return _ORDER.get(summary.state, 0) == 0


def _rank(summary: ProfileSummary) -> tuple[int, bool]:
    """The demo comes after the models that are really here."""
    return _ORDER.get(summary.state, 0), summary.id == DEMO


def _show(summaries: list[ProfileSummary]) -> None:
    columns = (
        Column("ID"),
        Column("NAME", flexible=True),
        Column("CONTEXT", right=True),
        Column("SIZE", right=True),
        Column("FIT"),
        Column("TOK/S", right=True),
    )
    visible = [summary for summary in summaries if summary.state != "template"]
    if visible:
        table(columns, [_row(summary) for summary in visible])


def _row(summary: ProfileSummary) -> list[Cell | str]:
    return [
        Cell(summary.id, "bold" if _is_here(summary) else ""),
        summary.name,
        tokens(summary.context) if summary.context else "",
        size(summary.size) if summary.size else "",
        _fit(summary),
        f"{summary.speed:.1f}" if summary.speed else "",
    ]


def _fit(summary: ProfileSummary) -> Cell:
    """How it fits, and what the studio does with it; or why that cannot be told."""
    if summary.fit:
        served = "" if summary.state in _ORDER else f", {summary.state}"
        return Cell(summary.badge + served, _FIT_STYLE[summary.fit])
    return Cell(*_STATES.get(summary.state, (summary.state, "")))


def _narrate(
    here: Workspace,
    summaries: list[ProfileSummary],
    shown: list[ProfileSummary],
    *,
    imagined: bool,
) -> None:
    """What the table does not say, and what to do next. For people, so not into a pipe."""
    for summary in shown:
        for problem in summary.problems:
            narrate(f"{styled(summary.id, 'red', sys.stderr)}: {problem}")
    for note in here.machine.notes:
        narrate(note)
    if not sys.stdout.isatty():
        return
    if not shown:
        say("No profile matches.")
    devices = here.machine.devices
    gpus = ", ".join(f"{device.name} {size(device.total)}" for device in devices) or "no GPU"
    say()
    planned = "Planned for" if imagined else "This machine"
    say(styled(f"{planned}: {gpus}; {size(here.machine.host.total)} of memory.", "dim"))
    if not any(map(_is_here, (each for each in summaries if each.id != DEMO))):
        say_wrapped("No model of yours is here yet: `llm-studio up demo` serves a small stand-in.")
        say_wrapped(f"For a real one put GGUF files into {here.settings.models[0]}, or")
        say("name the folders that you have:  llm-studio config models /data/models")
        say_wrapped(
            "`llm-studio files` lists what was found; `llm-studio new FILE` makes a profile."
        )
