"""Downloads as the pane shows them: those under way, and those that can be gone on with."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from llm_studio.text import untrusted_line
from llm_studio.tui.figures import bar
from llm_studio.tui.view import Job, ModelFile, Profile, View
from llm_studio.tui.widgets.painted import Part

DOWNLOAD = "get:"
"""What keys of downloads begin with that are no profile's; no profile's id has a colon."""
REMEMBERED = 3 * 86400
"""Seconds for which one that was stopped is offered again."""
SHOWN = 5
ABSENT = ("missing", "incomplete")
"""States of profiles whose model can be fetched."""


def subject(job: Job) -> str:
    """What it fetches: a profile's id, or OWNER/NAME:QUANTISATION."""
    return job.title.removeprefix("Get ")


def came_as(what: str, files: Iterable[ModelFile]) -> str:
    """The model file that OWNER/NAME:QUANTISATION came as: it lies in a folder of that name."""
    repository, _, quantisation = what.partition(":")
    folder = repository.rpartition("/")[2].removesuffix("-GGUF").removesuffix("-gguf") + "/"
    found = [each.name for each in files if each.name.startswith(folder)]
    return next((name for name in found if quantisation.lower() in name.lower()), "")


def left_off(jobs: Iterable[Job], now: float) -> tuple[Job, ...]:
    """Of all jobs, the oldest first: downloads that ended lately without having come whole."""
    newest = {subject(job): job for job in jobs if job.kind == "download"}
    return tuple(
        job
        for job in newest.values()
        if job.state in ("cancelled", "failed", "interrupted")
        and now - (job.ended or 0) < REMEMBERED
    )[-SHOWN:]


def downloads_of(view: View, left: Iterable[Job]) -> dict[str, Job]:
    """Every download that is worth a row, by what it fetches."""
    running = {subject(job): job for job in view.jobs if job.kind == "download"}
    states = {profile.id: profile.state for profile in view.profiles or ()}
    stopped = {subject(job): job for job in left if states.get(subject(job), "missing") in ABSENT}
    return {**stopped, **running}


def cell(job: Job) -> Part:
    """How far it is, in the table."""
    told = f" {job.fraction:.0%}" if job.fraction is not None else ""
    if job.state == "running":
        return (f"downloading{told}", "accent")
    if job.state == "failed":
        return ("download failed", "bad")
    return (f"stopped at{told}" if told else "stopped", "warn")


def about(job: Job, profile: Profile | None, width: int) -> Content:
    """One download from close by, and what can be done with it."""
    name, _, quantisation = subject(job).partition(":")
    second = untrusted_line(profile.name) if profile else quantisation
    lines = [Content.assemble((untrusted_line(name), "bold"), (f"  {second}", "$dim"))]
    if profile and profile.repo:
        lines.append(Content.styled(f"from {untrusted_line(profile.repo)}", "$dim"))
    lines.append(Content(""))
    if job.fraction is not None:
        style = "$accent" if job.state == "running" else "$dim"
        meter = bar(job.fraction, max(min(width - 8, 50), 10))
        lines.append(Content.assemble((meter, style), f"  {job.fraction:.0%}"))
    lines += _told(job)
    return Content("\n").join(lines)


def _told(job: Job) -> list[Content]:
    if job.state == "running":
        return [
            Content(job.message or "It begins …"),
            Content(""),
            Content.assemble(
                ("s", "$accent"), " stops it; what came so far is kept. ",
                ("It goes on without this terminal, and is checked when it is whole.", "$dim"),
            ),
        ]  # fmt: skip
    if job.state == "failed":
        lines = [Content.assemble(("✗ ", "$error"), job.error)]
        lines += [Content.assemble(("→ ", "$accent"), job.hint)] if job.hint else []
        return [*lines, Content(""), Content.assemble(("g", "$accent"), " tries again.")]
    why = "The studio ended while it ran. " if job.state == "interrupted" else "It was stopped. "
    return [Content.assemble(why, ("g", "$accent"), " goes on where it was.")]
