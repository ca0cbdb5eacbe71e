"""`bench lab`: which values of a profile's settings are the fastest here."""

from __future__ import annotations

import argparse
import time
from typing import Any

from llm_studio.cli.output import Cell, Column, narrate, print_json, say, table
from llm_studio.errors import UsageError
from llm_studio.text import untrusted_line

SUMMARY = "try values of a profile's settings, and rank them"
_BY = {"speed": "tok/s", "prompt-speed": "prompt tok/s", "total-speed": "all tok/s"}
_VERDICTS = {"best": "green", "tie": "dim", "slower": "", "too few": "yellow"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a profile; without --set also a lab's id")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE,…",
        help="values to try, like server.ubatch=256,512; without any, the last lab is shown",
    )  # fmt: skip
    parser.add_argument("--by", choices=list(_BY), default="speed", help="what is to be fast")
    parser.add_argument("--full", action="store_true", help="all points of `bench speed`")
    parser.add_argument("--again", action="store_true", help="do not go on with an earlier lab")
    parser.add_argument("--apply", action="store_true", help="write the winner to the profile")
    parser.add_argument("--variant", type=int, metavar="N", help="write this one instead")
    parser.add_argument("--yes", action="store_true", help="however long it takes")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it is done")


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.cli.progress import watch
    from llm_studio.cli.studio import connect, ended_well

    client = connect(start=True)
    by = arguments.by.replace("-", "_")
    shown = arguments.id
    applied = False
    if arguments.set:
        if arguments.variant is not None:
            raise UsageError("--variant chooses from a lab that is done", hint="Leave out --set.")
        body = {
            "profile": arguments.id, "grid": dict(map(assignment, arguments.set)), "by": by,
            "full": arguments.full, "again": arguments.again, "yes": arguments.yes,
            "apply": arguments.apply,
        }  # fmt: skip
        _tell_plan(client.ask("POST", "/bench/lab/plan", body))
        job = client.ask("POST", "/bench/lab", body)
        if arguments.no_wait:
            print_json(job) if arguments.json else say(f"{job['title']}: job {job['id']}")
            return 0
        narrate(f"{job['title']} (job {job['id']})")
        job = watch(client, job["id"])
        ended_well(job)
        shown, applied = job["result"]["lab"], bool(job["result"]["applied"])
    lab = client.ask("GET", f"/bench/labs/{shown}?by={by}")
    print_json(lab) if arguments.json else _show(lab, _BY[arguments.by])
    if (arguments.apply or arguments.variant is not None) and not arguments.set:
        choice = {"variant": arguments.variant, "by": by}
        client.ask("POST", f"/bench/labs/{lab['id']}/apply", choice)
        applied = True
    if applied:
        narrate(f"{lab['profile']} has the new values; they are served from its next load on.")
    elif arguments.apply:
        narrate("Nothing is surely better than the profile as it is, so nothing was written.")
    return 0


def assignment(word: str) -> tuple[str, list[Any]]:
    """A key, and the values between the commas; lists stand in brackets."""
    from llm_studio.profiles.save import parse_value

    key, equals, text = word.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise UsageError(f"{word!r} sets nothing", hint="Write --set server.ubatch=256,512")
    values = parse_value(f"[{text}]")
    if not isinstance(values, list):  # plain words are no TOML
        values = [parse_value(each.strip()) for each in text.split(",")]
    return key.strip(), values


def _tell_plan(plan: dict[str, Any]) -> None:
    left = plan["variants"] - plan["measured"]
    took = "nothing like it was measured yet, so nobody knows how long it takes"
    if plan["seconds"] is not None:
        took = f"about {max(plan['seconds'] / 60, 1):.0f} min, as earlier ones took"
    goes_on = f"; {plan['measured']} are there already" if plan["measured"] else ""
    narrate(f"{left} of {plan['variants']} variants are to be measured{goes_on}: {took}.")


def _show(lab: dict[str, Any], unit: str) -> None:
    clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(lab["started"]))
    state = "" if lab["ended"] else ", not ended"
    say(f"{lab['id']}  {lab['profile']}, {lab['variants']} variants, {clock}{state}")
    columns = [Column("N", right=True), Column("VALUES", flexible=True),
               Column(unit.upper(), right=True), Column("×", right=True),
               Column("P", right=True), Column("AGAIN", right=True), Column(""),
               Column("")]  # fmt: skip
    rows: list[list[Cell | str]] = []
    for each in lab["places"]:
        spread = f" ± {each['deviation']:.2g}" if each["deviation"] is not None else ""
        rows.append([
            str(each["number"]), words(each["changes"]), f"{each['median']:.4g}{spread}",
            f"{each['ratio']:.3f}" if each["ratio"] is not None else "",
            "" if each["verdict"] == "best" else f"{each['p']:.2g}",
            f"{each['again']:.4g}" if each["again"] is not None else "",
            Cell(each["verdict"], _VERDICTS[each["verdict"]]),
            Cell("other load", "yellow") if each["disturbed"] else "",
        ])  # fmt: skip
    if rows:
        table(columns, rows)
    for each in lab["failed"]:
        narrate(f"{each['number']}, {words(each['changes'])}: {untrusted_line(each['why'])}")
    if len(lab["builds"]) > 1:
        narrate(f"measured on different builds: {', '.join(lab['builds'])}")
    if rows and lab["winner"] is None:
        narrate("No variant is surely better than the profile as it is.")
    elif rows:
        narrate(f"`llm-studio bench lab {lab['id']} --apply` writes variant {lab['winner']}.")


def words(changes: dict[str, Any]) -> str:
    told = ", ".join(f"{key.partition('.')[2]} {value}" for key, value in changes.items())
    return untrusted_line(told) or "as it is"
