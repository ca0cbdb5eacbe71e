"""Container images of llama.cpp: which there are, which one engines run, and how to get others.

`list`, `use`, `rollback` and `prune` act at once. `pull`, `build` and `check` are jobs of the
studio: Ctrl-C stops watching one, and it goes on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llm_studio.cli.output import Cell, Column, narrate, print_json, say, say_wrapped, size, table
from llm_studio.errors import UsageError

if TYPE_CHECKING:
    from llm_studio.engines.images.shelf import Shelf
    from llm_studio.engines.images.stock import Stock
    from llm_studio.schema import ImageStatus
    from llm_studio.settings import Settings

_STATES = {"in use": "green", "before": "cyan", "gone": "red"}


def options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, told: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=told, description=told, allow_abbrev=False)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    action("list", "images here, the one in use, and what fits this machine")
    pull = action("pull", "get an image from its registry")
    pull.add_argument(
        "name",
        nargs="?",
        default="",
        help="a tag like server-cuda13, or a whole name; else what fits",
    )
    build = action("build", "make an image from a Dockerfile that comes with llm-studio")
    build.add_argument("variant", nargs="?", default="", help="cpu, cuda, vulkan …; else what fits")
    build.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of the Dockerfile",
    )
    build.add_argument("--name", default="", help="what to call the image")
    check = action("check", "test an image: does all work that clients need, and how fast")
    check.add_argument("name", nargs="?", default="", help="an image; else the one in use")
    for made in (pull, build, check):
        made.add_argument("--no-wait", action="store_true", help="do not wait until it is done")
    use = action("use", "engines run this image from their next start on")
    use.add_argument("name", help="a name, a tag of ours, or the beginning of an id")
    action("rollback", "back to the image that was in use before")
    action("prune", "remove images that were got here and are not needed")


def run(arguments: argparse.Namespace) -> int:
    return _ACTIONS[arguments.action](arguments)


def _here() -> tuple[Settings, Shelf, Stock]:
    """The images of this home, without a studio: Docker and one file know all that is needed."""
    from llm_studio.engines.docker.connection import Connection
    from llm_studio.engines.images.shelf import Shelf
    from llm_studio.engines.images.stock import Stock
    from llm_studio.settings import load_settings

    settings = load_settings()
    shelf = Shelf(settings.paths.state)
    return settings, shelf, Stock(settings, shelf, Connection(os.environ))


def _list(arguments: argparse.Namespace) -> int:
    from llm_studio.studio.images import listing

    settings, shelf, stock = _here()
    found = listing(settings, stock, shelf)
    if arguments.json:
        print_json(found.model_dump())
        return 0
    if found.images:
        columns = ("NAME", "STATE", "TEST", "SIZE", "LLAMA.CPP", "MADE", "ID")
        rows = [_row(image) for image in found.images]
        table(
            [
                Column(each, right=each == "SIZE", flexible=each in ("NAME", "LLAMA.CPP"))
                for each in columns
            ],
            rows,
        )
        say()
    else:
        say("No image of llama.cpp is here yet.")
    say_wrapped(f"Engines start with {found.engine} ({found.engine_why}).", "  ")
    fits = found.recommended or "none of the official images"
    say_wrapped(f"Fits this machine: {fits}. {found.recommended_why}", "  ")
    return 0


def _row(image: ImageStatus) -> list[Cell | str]:
    from llm_studio.engines.images.reference import OFFICIAL, OURS, short

    # What `use` and `check` take too, and short enough for a terminal.
    name = image.name.removeprefix(f"{OFFICIAL}:").removeprefix(f"{OURS}:")
    test = Cell("not yet", "dim")
    if image.check is not None:
        test = Cell("passed", "green") if image.check.passed else Cell("failed", "red")
    build = image.check.version.partition(" (")[0] if image.check else image.revision or ""
    return [
        name,
        Cell(image.state, _STATES.get(image.state, "")),
        test,
        size(image.size) if image.size else "",
        build,
        image.created[:10],
        short(image.id),
    ]


def _pull(arguments: argparse.Namespace) -> int:
    def told(job: dict[str, Any]) -> None:
        _came(job["result"], f"{size(job['result']['fetched'])} fetched")

    return _job("/images/pull", {"image": arguments.name}, arguments, told)


def _build(arguments: argparse.Namespace) -> int:
    given = {}
    for word in arguments.arg:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} sets nothing", hint="--arg KEY=VALUE")
        given[key] = value
    body = {"variant": arguments.variant, "arguments": given, "name": arguments.name}

    def told(job: dict[str, Any]) -> None:
        _came(job["result"], f"log: {job['result']['log']}")

    return _job("/images/build", body, arguments, told)


def _came(result: dict[str, Any], how: str) -> None:
    say(f"{result['name']} is here ({how})")
    if result["state"] == "in use":
        narrate("Engines run it from their next start on. `llm-studio image check` tests it.")
    elif result["state"] != "sandbox":
        narrate(
            f"`llm-studio image check {result['name']}` tests it, `image use` takes it into use."
        )


def _check(arguments: argparse.Namespace) -> int:
    def told(job: dict[str, Any]) -> None:
        check = job["result"]["check"]
        rows: list[list[Cell | str]] = []
        for finding in check["findings"]:
            mark = Cell("passed", "green") if finding["passed"] else Cell("failed", "red")
            rows.append([finding["step"], mark, finding["told"]])
        table((Column("STEP"), Column("TEST"), Column("", flexible=True)), rows)
        say()
        verdict = "passed" if check["passed"] else "failed"
        say(f"{job['result']['name']} has {verdict} (llama.cpp {check['version']}).")

    return _job("/images/check", {"image": arguments.name}, arguments, told)


def _job(
    route: str,
    body: dict[str, Any],
    arguments: argparse.Namespace,
    told: Callable[[dict[str, Any]], None],
) -> int:
    """Start a job, watch it, and tell its result; a test that was not passed is a failure."""
    from llm_studio.cli.progress import watch
    from llm_studio.cli.studio import connect, ended_well

    client = connect(start=True)
    job = client.ask("POST", route, body)
    if not arguments.no_wait:
        narrate(f"{job['title']} (job {job['id']})")
        job = watch(client, job["id"])
        ended_well(job)
    if arguments.json:
        print_json(job)
    elif arguments.no_wait:
        say(f"{job['title']}: job {job['id']}")
    else:
        told(job)
    check = (job["result"] or {}).get("check")
    return 0 if check is None or check["passed"] else 1


def _use(arguments: argparse.Namespace) -> int:
    return _used(arguments, lambda stock: stock.use(arguments.name))


def _rollback(arguments: argparse.Namespace) -> int:
    return _used(arguments, lambda stock: stock.rollback())


def _used(arguments: argparse.Namespace, change: Callable[[Stock], ImageStatus]) -> int:
    from llm_studio.engines.images.stock import doubts

    settings, _, stock = _here()
    found = change(stock)
    warnings = doubts(found, settings)
    if arguments.json:
        print_json({"image": found.model_dump(), "warnings": warnings})
        return 0
    say(f"{found.name} is in use.")
    for warning in warnings:
        narrate(warning)
    narrate("A model that is served goes on as it is; `down` and `up` bring it over.")
    return 0


def _prune(arguments: argparse.Namespace) -> int:
    from llm_studio.studio.images import prune

    settings, _, stock = _here()
    found = prune(settings, stock)
    if arguments.json:
        print_json(found.model_dump())
        return 0
    for name in found.removed:
        say(f"removed {name}")
    for kept in found.kept:
        narrate(f"{kept.name} stays: {kept.why}")
    say(f"{size(found.freed)} freed" if found.removed else "There is nothing to remove.")
    return 0


_ACTIONS = {
    "list": _list,
    "pull": _pull,
    "build": _build,
    "use": _use,
    "check": _check,
    "rollback": _rollback,
    "prune": _prune,
}
