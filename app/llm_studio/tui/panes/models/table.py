"""The rows of the table: what can be served first, then files without a profile, then the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from llm_studio.tui.figures import moment, size, tokens
from llm_studio.tui.panes.models.downloads import DOWNLOAD, cell
from llm_studio.tui.view import Job, ModelFile, Profile, View
from llm_studio.tui.widgets.header import STATES
from llm_studio.tui.widgets.listing import Column, Row
from llm_studio.tui.widgets.painted import Part, Role, cut

COLUMNS = (
    Column(""),
    Column("PROFILE", flexible=True, least=18),
    Column("NAME", flexible=True, yields=6, least=16),
    Column("PARAMS", right=True, yields=5),
    Column("QUANT", yields=4),
    Column("SIZE", right=True, yields=2),
    Column("CTX", right=True, yields=3),
    Column("FIT"),
    Column("TOK/S", right=True, yields=1),
    Column("USED", yields=7),
    Column("TAGS", flexible=True, yields=8, least=12),
)
NOTHING: tuple[Part, ...] = (("", ""),) * 3
"""What is in the last columns of a row that is no profile's."""
FILE = "file:"
"""What keys of model files begin with; no profile's id has a colon."""
FIT_ROLE: dict[str, Role] = {
    "one-gpu": "good",
    "split": "good",
    "experts-on-cpu": "warn",
    "layers-on-cpu": "warn",
    "cpu": "warn",
    "too-big": "bad",
}
PLACE = 24
"""Columns for where a model file lies."""
TROUBLES = {"broken": "broken", "unusable": "unusable file", "incomplete": "shards missing"}

Used = Mapping[str, float]
"""When each profile was last used, in seconds since the epoch."""
Order = Callable[[Profile, Used], Any]
ORDERS: dict[str, Order] = {
    "state": lambda p, _: (
        p.state not in STATES,
        p.state in TROUBLES,
        p.id == "demo",
        p.id.lower(),
    ),
    "name": lambda p, _: p.id.lower(),
    "size": lambda p, _: -(p.size or 0),
    "context": lambda p, _: -(p.context or 0),
    "speed": lambda p, _: -(p.speed or 0),
    "last use": lambda p, used: -used.get(p.id, 0),
}
TITLES = {
    "name": "PROFILE", "size": "SIZE", "context": "CTX", "speed": "TOK/S", "last use": "USED",
}  # fmt: skip
"""The column that each order goes by."""


def columns_for(order: str) -> tuple[Column, ...]:
    """The columns; that which the rows are sorted by is marked."""
    title = TITLES.get(order)
    return tuple(
        replace(column, title=f"{title} ▾") if column.title == title else column
        for column in COLUMNS
    )


def rows_of(
    view: View,
    *,
    wanted: str,
    order: str,
    downloads: Mapping[str, Job] | None = None,
    used: Used | None = None,
) -> list[Row]:
    """Everything that matches, in groups; downloads by what they fetch."""
    downloads, used = downloads or {}, used or {}
    matching = [p for p in view.shown_profiles if p.state != "template" and matches(p, wanted)]
    matching.sort(key=lambda profile: ORDERS[order](profile, used))
    here = [p for p in matching if p.state != "missing" and p.id not in downloads]
    missing = [p for p in matching if p.state == "missing" and p.id not in downloads]
    known = {p.id: p for p in view.profiles or ()}
    coming = [
        _download(job, what, known.get(what))
        for what, job in downloads.items()
        if _in_words(what, wanted) or (what in known and matches(known[what], wanted))
    ]
    files = [f for f in view.files if _in_words(f.name, wanted)]
    progress = {s.profile: s.progress for s in view.status.all} if view.status else {}
    rows = [_profile(p, used, progress.get(p.id)) for p in here]
    rows += _group("Downloads", coming, rows)
    rows += _group("Model files without a profile", map(_file, files), rows)
    rows += _group("Not on this machine", (_profile(p, used) for p in missing), rows)
    return rows


def matches(profile: Profile, wanted: str) -> bool:
    """Whether every word is somewhere in it; `#chat` means the tag."""
    text = " ".join(
        (profile.id, profile.name, profile.quantisation or "", profile.summary, *profile.tags)
    ).lower()
    return all(
        word[1:] in [tag.lower() for tag in profile.tags] if word.startswith("#") else word in text
        for word in wanted.lower().split()
    )


def _in_words(text: str, wanted: str) -> bool:
    return all(word in text.lower() for word in wanted.lower().split())


def _group(title: str, rows: Iterable[Row], before: list[Row]) -> list[Row]:
    found = list(rows)
    if not found:
        return []
    gap = [Row("", ())] if before else []
    return [*gap, Row("", ((title, "dim"),)), *found]


def _profile(profile: Profile, used: Used, progress: float | None = None) -> Row:
    missing = profile.state == "missing"
    base: Role = "dim" if missing else ""
    served = profile.state in STATES
    return Row(
        profile.id,
        (
            STATES.get(profile.state, (" ", "")),
            (profile.id, "strong" if served else base),
            (profile.name, "dim"),
            (profile.parameters or "", base),
            (profile.quantisation or "", base),
            (size(profile.size) if profile.size else "", base),
            (tokens(profile.context) if profile.context else "", base),
            _fit(profile, progress),
            (f"{profile.speed:.1f}" if profile.speed else "", base),
            (moment(used[profile.id]) if profile.id in used else "", base),
            (" ".join(profile.tags), "dim"),
        ),
    )


def _fit(profile: Profile, progress: float | None) -> Part:
    """How it fits; where it is served, how that goes; or what is wrong with it."""
    if profile.state in STATES:
        told = f" {progress:.0%}" if progress is not None and profile.state != "ready" else ""
        return (f"{profile.state}{told}", STATES[profile.state][1])
    if profile.state in TROUBLES:
        return (TROUBLES[profile.state], "bad")
    return (profile.badge, FIT_ROLE.get(profile.fit or "", ""))


def _download(job: Job, what: str, profile: Profile | None) -> Row:
    repository, _, quantisation = what.partition(":")
    return Row(
        what if profile else DOWNLOAD + what,
        (
            (" ", ""),
            (what if profile else repository, ""),
            (profile.name if profile else "", "dim"),
            ("", ""),
            (quantisation, ""),
            ("", ""),
            ("", ""),
            cell(job),
            *NOTHING,
        ),
    )


def _file(file: ModelFile) -> Row:
    return Row(
        FILE + file.name,
        (
            (" ", ""),
            (file.name, ""),
            ("", ""),
            (file.parameters or "", ""),
            (file.quantisation or "", ""),
            (size(file.size), ""),
            ("", ""),
            (cut(file.problem or f"in {file.folder}", PLACE), "bad" if file.problem else "dim"),
            *NOTHING,
        ),
    )
