"""Benchmarks: how fast and how good profiles are, and whether a difference is real.

Measuring is a job of the studio: Ctrl-C stops watching it, and it goes on. Afterwards what was
served before is served again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_studio.bench.kinds import Kind, kind_of, kinds
from llm_studio.cli import bench_lab
from llm_studio.cli.output import Cell, Column, narrate, print_json, say, table
from llm_studio.errors import StudioError

if TYPE_CHECKING:
    from llm_studio.bench.record import Run
    from llm_studio.bench.results import Results

_VERDICTS = {"better": "green", "worse": "red", "tie": "dim", "too few": "yellow"}


def options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, told: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=told, description=told, allow_abbrev=False)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    for kind in kinds():
        _options_of(kind, action(kind.name, kind.summary))
    bench_lab.options(action("lab", bench_lab.SUMMARY))
    fetched = action("fetch", "get the tasks of humaneval or mbpp")
    fetched.add_argument("suite", help="humaneval or mbpp")
    fetched.add_argument("--sha256", default="", help="what the file's checksum must be")
    listed = action("list", "all results")
    listed.add_argument("profile", nargs="?", default="", help="only of this profile")
    action("show", "one result").add_argument("id", help="an id, its end, a profile, or `last`")
    compared = action("compare", "two results: what differs, and whether that is chance")
    compared.add_argument("first", help="an id, its end, or a profile (its newest)")
    compared.add_argument("second")
    reported = action("report", "results as Markdown with tables and plots")
    reported.add_argument("id", nargs="*", help="else the newest of each profile")
    reported.add_argument("--output", metavar="FILE", help="write it there")
    exported = action("export", "results as JSON, one file each")
    exported.add_argument("folder")
    exported.add_argument("id", nargs="*", help="else all")
    action("import", "take results in from elsewhere").add_argument("file", nargs="+")


def run(arguments: argparse.Namespace) -> int:
    return _ACTIONS.get(arguments.action, _suite)(arguments)


def _results() -> Results:
    """The results of this home; they are files, so no studio is needed."""
    from llm_studio.bench.results import Results
    from llm_studio.settings import load_settings

    return Results(load_settings().paths.state / "bench" / "results")


def _options_of(kind: Kind, parser: argparse.ArgumentParser) -> None:
    """As the suite tells them."""
    for each in kind.wishable():
        if each.form == "switch":
            action = "store_false" if each.default else "store_true"
            told = f"do not {each.summary}" if each.default else each.summary
            parser.add_argument(each.flag, dest=each.name, action=action, help=told)
        elif each.form == "number":
            parser.add_argument(
                each.flag, dest=each.name, type=int, default=each.default, metavar="N",
                help=each.summary,
            )  # fmt: skip
        else:
            parser.add_argument(
                each.flag, dest=each.name, default=each.default, help=each.summary,
                metavar="FILE" if each.form == "file" else each.name.upper(),
            )  # fmt: skip
    parser.add_argument("profiles", nargs="*", metavar="ID", help="else the one that is served")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it is done")


def _suite(arguments: argparse.Namespace) -> int:
    body: dict[str, Any] = {"profiles": arguments.profiles}
    for each in kind_of(arguments.action).wishable():
        value = getattr(arguments, each.name)
        body[each.name] = str(Path(value).resolve()) if each.form == "file" and value else value
    return _measured(f"/bench/{arguments.action}", body, arguments)


def _fetch(arguments: argparse.Namespace) -> int:
    from llm_studio.bench.coding.fetch import fetch
    from llm_studio.settings import load_settings

    cache = load_settings().paths.cache
    path, digest = fetch(cache, arguments.suite, lambda _: None, sha256=arguments.sha256)
    if arguments.json:
        print_json({"file": str(path), "sha256": digest})
    else:
        say(f"{path}\nSHA-256 {digest}")
        if not arguments.sha256:
            narrate("Nobody vouched for this sum; --sha256 checks it against one that you know.")
    return 0


def _measured(route: str, body: dict[str, Any], arguments: argparse.Namespace) -> int:
    from llm_studio.cli.progress import watch
    from llm_studio.cli.studio import connect, ended_well

    client = connect(start=True)
    job = client.ask("POST", route, body)
    if arguments.no_wait:
        print_json(job) if arguments.json else say(f"{job['title']}: job {job['id']}")
        return 0
    narrate(f"{job['title']} (job {job['id']})")
    job = watch(client, job["id"])
    ended_well(job)
    runs = [_results().get(each["id"]) for each in job["result"]["runs"]]
    if arguments.json:
        print_json([each.model_dump(mode="json") for each in runs])
    for each in [] if arguments.json else runs:
        _show_run(each)
        say()
    for failure in job["result"]["failed"]:
        narrate(failure)
    return 1 if job["result"]["failed"] else 0


def _list(arguments: argparse.Namespace) -> int:
    from llm_studio.bench.figures import written

    found = [each for each in _results().all() if arguments.profile in ("", each.profile)]
    if arguments.json:
        print_json([each.model_dump(mode="json", exclude={"points", "tasks"}) for each in found])
        return 0
    rows: list[list[Cell | str]] = []
    for each in found:
        scores = ", ".join(
            f"{name} {score.share:.1%}" for name, score in each.scores.items() if ":" not in name
        )
        figures = ", ".join(f"{name} {written(it.value)}" for name, it in each.figures.items())
        told = scores or figures or (f"{each.speed:.1f} tok/s" if each.speed else "")
        state = Cell(each.state, "" if each.state == "done" else "yellow")
        clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.started))
        load = Cell("other load", "yellow") if each.disturbed else ""
        rows.append(
            [each.id.rsplit("-", 1)[-1], each.suite, each.profile, told, clock, state, load]
        )
    if rows:
        names = ("ID", "SUITE", "PROFILE", "RESULT", "WHEN", "STATE", "")
        table([Column(name, flexible=name in ("PROFILE", "RESULT")) for name in names], rows)
    else:
        say("No results yet: `llm-studio bench speed` measures the profile that is served.")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    found = _results().get(arguments.id)
    if arguments.json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_run(found)
    return 0


def _show_run(run: Run) -> None:
    from llm_studio.bench.coding.published import published
    from llm_studio.bench.compare import described
    from llm_studio.bench.figures import written
    from llm_studio.bench.record import MEASURES
    from llm_studio.bench.report import told

    say(f"{run.id}  {run.name}")
    stamp = run.stamp
    say(" · ".join(filter(None, (stamp.build, stamp.image, *stamp.gpus, stamp.cpu, run.state))))
    for source in sorted({point.source for point in run.points}, reverse=True):
        points = [point for point in run.points if point.source == source]
        label = "through the server" if source == "server" else f"the engine alone ({source})"
        names = [name for name in MEASURES if any(name in point.measures for point in points)]
        names = [name for name in names if name not in ("gap_p50", "gap_p99")]
        columns = [Column(label.upper(), flexible=True)]
        columns += [Column(MEASURES[name][0].upper(), right=True) for name in names]
        say()
        rows: list[list[Cell | str]] = []
        for point in points:
            values = (point.measures.get(name) for name in names)
            rows.append([described(point), *(told(each) if each else "" for each in values)])
        table(columns, rows)
        for load in sorted({each for point in points for each in point.disturbed}):
            narrate(f"disturbed: {load}")
    for name, score in run.scores.items():
        say(f"{name}: {score.right} of {score.of}, {score.share:.1%} "
            f"(95 %: {score.low:.1%} to {score.high:.1%})")  # fmt: skip
    for each in published(run):
        narrate(f"{each.words}\n  {each.url}")
    for name, figure in run.figures.items():
        interval = f"{written(figure.low)} to {written(figure.high)}"
        say(f"{name}: {written(figure.value)} (95 %: {interval})")
    for note in run.notes:
        narrate(note)


def _compare(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from llm_studio.bench.compare import circumstances, compare
    from llm_studio.bench.figures import written

    results = _results()
    first, second = results.get(arguments.first), results.get(arguments.second)
    found = compare(first, second)
    if arguments.json:
        print_json([asdict(each) for each in found])
        return 0
    narrate(f"first:  {first.id}\nsecond: {second.id}")
    for each in circumstances(first, second):
        narrate(each)
    columns = (Column("WHAT", flexible=True), Column("FIGURE"), Column("FIRST", right=True),
               Column("SECOND", right=True), Column("×", right=True), Column("P", right=True),
               Column("SECOND IS"))  # fmt: skip
    table(columns, [
        [each.what, each.measure, written(each.first), written(each.second),
         f"{each.ratio:.3f}" if each.ratio is not None else "", f"{each.p:.2g}",
         Cell(each.verdict, _VERDICTS[each.verdict])]
        for each in found
    ])  # fmt: skip
    if all(each.verdict == "too few" for each in found):
        narrate("Too few repetitions to tell: `--quick` makes no more. Measure without it.")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from llm_studio.bench.report import report
    from llm_studio.storage import write_atomically

    results = _results()
    runs = [results.get(id_) for id_ in arguments.id]
    if not runs:
        newest = {(each.suite, each.profile): each for each in results.all()}
        runs = list(newest.values())
    text = report(runs)
    if arguments.output:
        write_atomically(Path(arguments.output), text)
        narrate(f"written to {arguments.output}")
    else:
        say(text)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from llm_studio.storage import write_atomically

    results = _results()
    runs = [results.get(id_) for id_ in arguments.id] or results.all()
    for each in runs:
        path = Path(arguments.folder) / f"{each.id}.json"
        if path.exists():
            narrate(f"{path} is there already")
            continue
        write_atomically(path, each.model_dump_json(indent=1))
        say(str(path))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    results = _results()
    for name in arguments.file:
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            raise StudioError(f"Cannot read {name}", why=error.strerror or str(error)) from error
        say(results.take_in(raw).id)
    return 0


_ACTIONS = {
    "lab": bench_lab.run,
    "fetch": _fetch,
    "list": _list,
    "show": _show,
    "compare": _compare,
    "report": _report,
    "export": _export,
    "import": _import,
}
