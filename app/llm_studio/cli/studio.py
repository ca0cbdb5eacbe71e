"""How commands reach the studio, and how they show what it tells."""

from __future__ import annotations

import sys
from typing import Any

from llm_studio import __version__
from llm_studio.cli.output import coloured, narrate, styled
from llm_studio.client import Client, Ended, Unreachable, start_studio
from llm_studio.errors import StudioError
from llm_studio.settings import load_settings
from llm_studio.text import untrusted_line


def connect(*, start: bool = False) -> Client:
    """The studio of this home. One that died is replaced, for its model may still serve; where
    there never was one, it is started if that is wanted."""
    client = Client(_socket())
    try:
        client.reach()
    except Unreachable as unreachable:
        if unreachable.died:
            narrate("The studio had died; starting another, which takes over the model …")
        elif start:
            narrate("Starting the studio …")
        if unreachable.died or start:
            start_studio()
    return client


def _socket() -> Any:
    from llm_studio.place import socket_path

    return socket_path(load_settings().paths.state)


def follow(client: Client, job_id: str) -> dict[str, Any]:
    """Show a job's progress on stderr until it is over; Ctrl-C ends the waiting, not the job."""
    shown = ""
    try:
        job: dict[str, Any] = client.ask("GET", f"/jobs/{job_id}")
        for name, data in client.events() if job["state"] == "running" else ():
            if name == "status":
                job = client.ask("GET", f"/jobs/{job_id}")
            elif name == "job" and data["id"] == job_id:
                job = data
            else:
                continue
            if job["state"] != "running":
                break
            shown = _progress(job, shown)
    except KeyboardInterrupt:
        narrate(f"\nIt goes on without you; to cancel it:  llm-studio jobs cancel {job_id}")
        raise
    if job["state"] == "running":
        raise Ended
    return job


def _progress(job: dict[str, Any], shown: str) -> str:
    fraction = job["fraction"]
    text: str = job["message"] + (f" {fraction:.0%}" if fraction is not None else "")
    if text and text != shown:
        narrate(styled(text, "dim", sys.stderr) if coloured(sys.stderr) else text)
    return text


def ended_well(job: dict[str, Any]) -> None:
    """Raises what a job failed with."""
    if job["state"] == "failed":
        what, _, why = job["error"].partition(". ")
        raise StudioError(what, why=why, hint=job["hint"])
    if job["state"] in ("cancelled", "interrupted"):
        raise StudioError(f"It was {job['state']}")


def check_version(status: dict[str, Any]) -> None:
    """A studio of another release may mean other things by the same words."""
    running = untrusted_line(str(status["studio"]["version"]))
    if running != __version__:
        narrate(
            f"The studio that runs is of version {running}, this program of {__version__}: "
            "`llm-studio shutdown` ends it (the model goes on), the next command starts a new one."
        )


def of_another_version() -> StudioError | None:
    """Why a command did not understand the studio, if that is of another release."""
    try:
        status = Client(_socket()).ask("GET", "/status", timeout=5)
        running = untrusted_line(str(status["studio"]["version"]))
    except (StudioError, OSError, LookupError, TypeError):
        return None
    if running == __version__:
        return None
    return StudioError(
        "The studio that runs cannot be understood",
        why=f"It is of version {running}, this program of {__version__}.",
        hint="`llm-studio shutdown` ends it (the model goes on), the next command starts a new "
        "one.",
    )
