"""One profile beside the table: what it is, what it takes, what would run, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from llm_studio.text import has_controls, untrusted_line
from llm_studio.tui.figures import size, tokens
from llm_studio.tui.panes.models.memory import bars
from llm_studio.tui.panes.models.past import Past, record
from llm_studio.tui.panes.models.table import FIT_ROLE
from llm_studio.tui.panes.models.trial import Trial
from llm_studio.tui.view import Profile

if TYPE_CHECKING:
    from llm_studio.tui.panes.models.detail import Argument, Detail, Finding

FIT_STYLE = {"good": "$success", "warn": "$warning", "bad": "$error"}
LEVELS = {"error": ("✗", "$error"), "warning": ("!", "$warning"), "note": ("·", "$dim")}


def heading(profile: Profile, *, roomy: bool) -> list[Content]:
    """What the table knows already, so that something is there at once."""
    name = Content.styled(untrusted_line(profile.name), "bold")
    if profile.name != profile.id:
        name = Content.assemble(name, (f"  {profile.id}", "$dim"))
    tags = " ".join(f"#{tag}" for tag in profile.tags)
    about = " · ".join(filter(None, (untrusted_line(profile.summary), tags)))
    if not roomy:
        return [name]
    figures = (
        size(profile.size) if profile.size else "",
        f"{profile.parameters} parameters" if profile.parameters else "",
        profile.quantisation or "",
        f"{profile.speed:.1f} tok/s measured" if profile.speed else "",
        "ships with llm-studio" if profile.shipped else "",
    )
    told = " · ".join(filter(None, figures))
    return [name, *(Content.styled(line, "$dim") for line in (about, told) if line), Content("")]


def sheet(detail: Detail, width: int, trial: Trial, past: Past, *, roomy: bool) -> Content:
    """Everything about it, for so many columns; where there is little room, the figures first."""
    lines = [*heading(detail.summary, roomy=roomy)]
    lines += _fit(detail, width, tried=bool(trial.changes))
    if detail.devices:
        lines += [*bars(detail.devices, width), Content("")]
    lines += _findings(detail.findings)
    lines += _section("Model", [_pair(name, value) for name, value in detail.facts])
    sampling = [v for v in detail.values if v.key.startswith("sampling.")]
    lines += _section(
        "Sampling",
        [_with_origin(f"{v.key.partition('.')[2]} = {v.value}", v.origin, width) for v in sampling],
    )
    lines += _section("Served", record(past, detail.summary.id))
    lines += _section("Command", command_lines(detail, width, trial))
    return Content("\n").join(lines)


def _section(title: str, lines: Iterable[Content]) -> list[Content]:
    found = list(lines)
    return [Content.styled(title, "bold"), *found, Content("")] if found else []


def _pair(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<14}", "$dim"), untrusted_line(value, limit=500))


def _fit(detail: Detail, width: int, *, tried: bool) -> list[Content]:
    """How it fits, with what is being tried out."""
    profile = detail.summary
    if not detail.devices:
        return []
    style = FIT_STYLE.get(FIT_ROLE.get(profile.fit or "", ""), "")
    verdict = Content.assemble(("● ", style), (profile.badge, f"{style} bold"))
    context = profile.context or 0
    verdict = Content.assemble(verdict, f"  {context:,} tokens of context")
    lines = [verdict]
    if detail.largest_context and detail.largest_context != context:
        lines = _beside(verdict, f"{detail.largest_context:,} would fit", ", ", width)
    cache = detail.cache_type_k
    if detail.cache_type_v != cache:
        cache = f"{cache}/{detail.cache_type_v}"
    knobs = Content.assemble(
        ("context ", "$dim"), (tokens(context), "bold"), (" - +", "$accent"),
        ("   cache ", "$dim"), (cache, "bold"), (" [ ]", "$accent"),
    )  # fmt: skip
    lines += [knobs] if tried else _beside(knobs, "estimated before loading", "   ", width, "$dim")
    trying = [Content.styled("tried out: w writes it into the profile, Esc drops it", "$warning")]
    advice = [Content.styled(f"→ {each}", "$dim") for each in detail.advice]
    return [*lines, *(trying if tried else ()), *advice]


def _beside(first: Content, second: str, gap: str, width: int, style: str = "") -> list[Content]:
    """Two things in one line, or in two where there is no room."""
    if first.cell_length + len(gap) + len(second) <= width:
        return [Content.assemble(first, (gap + second, style))]
    return [first, Content.styled(second, style)]


def _findings(findings: Iterable[Finding]) -> list[Content]:
    lines = []
    for finding in findings:
        sign, style = LEVELS.get(finding.level, LEVELS["note"])
        where = f"{finding.key} " if finding.key else ""
        lines.append(
            Content.assemble(
                (f"{sign} {where}", style),
                untrusted_line(finding.what, limit=500),
                (f" {untrusted_line(finding.why, limit=500)}" if finding.why else "", "$dim"),
            )
        )
    return _section("To mend" if any(f.level != "note" for f in findings) else "Notes", lines)


def command_lines(detail: Detail, width: int, trial: Trial) -> list[Content]:
    """The command, one argument a line, each with who set it."""
    if not detail.command:
        return []
    environment = [f"{key}={quote(value)}" for key, value in detail.environment.items()]
    lines = [Content(" ".join([*environment, "llama-server"]))]
    for argument in detail.command:
        origin = "tried out" if argument.key in trial.changes else argument.origin
        lines.append(_with_origin("  " + spelled(argument), origin, width))
    return lines


def command_text(detail: Detail) -> str:
    """The command as a shell takes it."""
    environment = [f"{key}={quote(value)}" for key, value in detail.environment.items()]
    first = " ".join([*environment, "llama-server"])
    return " \\\n".join([first, *("  " + spelled(each) for each in detail.command)])


def spelled(argument: Argument) -> str:
    return " ".join(
        quote(word) if not has_controls(word) else quote(untrusted_line(word))
        for word in argument.words
    )


def _with_origin(text: str, origin: str, width: int) -> Content:
    """A text with its origin at the right edge, or after it where there is no room."""
    gap = width - cell_len(text) - cell_len(origin) - 1
    return Content.assemble(text, (" " * max(gap, 2) + origin, "$dim"))
