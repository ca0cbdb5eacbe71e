"""What is served, and how it is. The exit code is 0 when the model is ready, else 3."""

from __future__ import annotations

import os
import time

from llm_studio import __version__
from llm_studio.cli.glance import LIMIT, glance, written
from llm_studio.cli.output import print_json, say, say_wrapped, styled
from llm_studio.place import socket_name, state_folder
from llm_studio.text import escaped, untrusted_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

_STYLE = {"ready": "green", "failed": "red", "stopped": "dim", "asleep": "dim"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--command", action="store_true", help="print the engine's command line")


def quick(words: list[str]) -> int | None:
    """The plain forms asked of a studio that runs: as fast as Python starts."""
    if words not in ([], ["--json"]):
        return None
    status = glance(socket_name(state_folder(os.environ)), "/status")
    if status is None:
        return None
    _check_version(status)
    if words:
        print(escaped(written(status)))
    else:
        _show(status)
    return 0 if status["state"] == "ready" else 3


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.cli.studio import connect
    from llm_studio.client import Unreachable

    try:
        status = connect().ask("GET", "/status", timeout=LIMIT)
    except Unreachable:
        if arguments.json:
            print_json(NOTHING)
            return 3
        raise
    _check_version(status)
    if arguments.json:
        print_json(status)
    elif arguments.command:
        import shlex

        say(untrusted_line(shlex.join((status["engine"] or {}).get("command", [])), limit=100_000))
    else:
        _show(status)
    return 0 if status["state"] == "ready" else 3


NOTHING: dict[str, Any] = {
    "state": "stopped", "profile": None, "desired": None, "engine": None, "gateway": None,
    "api": None, "detail": "no studio runs", "studio": None,
}  # fmt: skip


def _check_version(status: dict[str, Any]) -> None:
    if status["studio"]["version"] != __version__:
        from llm_studio.cli.studio import check_version

        check_version(status)


def _show(status: dict[str, Any]) -> None:
    state = styled(status["state"], _STYLE.get(status["state"], "yellow"))
    stage = status["stage"] or ""
    if status["progress"] is not None:
        stage += f" {status['progress']:.0%}"
    line = f"{untrusted_line(status['profile'] or 'nothing')}: {state}, {_ago(status['since'])}"
    say(line + (f" ({stage})" if stage else ""))
    if status["desired"] != status["profile"]:
        say(f"  wanted    {untrusted_line(status['desired'] or 'nothing')}")
    if status["engine"]:
        engine = status["engine"]
        adopted = ", adopted" if engine["adopted"] else ""
        say(f"  engine    {untrusted_line(engine['detail'])}{adopted}")
    say(f"  gateway   {status['gateway']}")
    say(f"  api       {status['api']}")
    say(f"  requests  {status['running']} running, {status['waiting']} waiting")
    for other in status.get("beside", ()):
        state = styled(other["state"], _STYLE.get(other["state"], "yellow"))
        say(
            f"  beside    {untrusted_line(other['profile'] or '')}: {state}, {_ago(other['since'])}"
        )
    if status["engine"]:
        _show_sample()
    studio = status["studio"]
    say(f"  studio    {studio['version']}, pid {studio['pid']}, {_ago(studio['since'])}")
    if status["detail"]:
        say(f"  {untrusted_line(status['detail'], limit=500)}")
    failure = status["failure"]
    if failure:
        say(styled(f"  {untrusted_line(failure['what'], limit=500)}", "red"))
        for text in (failure["why"], failure["hint"]):
            if text:
                say_wrapped(f"  {text}", "  ")
        for text in failure["last_lines"][-5:]:
            say(styled(f"    {untrusted_line(text, limit=160)}", "dim"))


def _show_sample() -> None:
    """What is measured while an engine runs, so that nobody has to wait for it."""
    from llm_studio.cli.figures import figures
    from llm_studio.errors import StudioError

    try:
        sample = glance(socket_name(state_folder(os.environ)), "/samples")
    except StudioError:
        return  # the status itself came in time, and that is what was asked for
    for line in figures(sample) if sample else ():
        say(line)


def _ago(moment: float) -> str:
    seconds = max(time.time() - moment, 0)
    if seconds < 120:
        return f"for {seconds:.0f} s"
    if seconds < 7200:
        return f"for {seconds / 60:.0f} min"
    return f"for {seconds / 3600:.1f} h"
