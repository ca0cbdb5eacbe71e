"""The first line: what is served, how it is, how fast, how full, and where."""

from __future__ import annotations

import socket
import time

from rich.cells import cell_len
from textual.strip import Strip

from llm_studio.tui.figures import ago, bar, gib
from llm_studio.tui.view import Pulse, Status, View
from llm_studio.tui.widgets.painted import Painted, Part, Role, cut

STATES: dict[str, tuple[str, Role]] = {
    "ready": ("●", "good"),
    "starting": ("◐", "warn"),
    "loading": ("◐", "warn"),
    "draining": ("◐", "warn"),
    "stopping": ("◐", "warn"),
    "failed": ("✗", "bad"),
    "paused": ("‖", "warn"),
    "asleep": ("◌", "dim"),
    "stopped": ("○", "dim"),
}
"""A sign and a role for each state; the word always stands beside them."""
GAP: Part = ("   ", "")


class Header(Painted):
    DEFAULT_CSS = "Header { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._view = View()
        self._slow = False
        self._host = socket.gethostname().partition(".")[0]

    def look(self, view: View) -> None:
        before, self._view = self._view, view
        if _shown_of(before) != _shown_of(view):
            self.refresh()

    def warn_of_slow_link(self, slow: bool) -> None:
        self._slow = slow
        self.refresh()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        """Only a lost link has a clock that goes on."""
        if self._view.link in ("stale", "ended"):
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        right = self._right(width)
        room = width - 2 - sum(cell_len(text) for text, _ in right)
        left = _shortened(self._left(room), max(room - 2, 8))
        used = sum(cell_len(text) for text, _ in left)
        parts: list[Part] = [(" ", ""), *left, (" " * max(room - used, 1), ""), *right, (" ", "")]
        if self._view.status and not self._view.live:
            parts = [(text, role if role in ("warn", "accent") else "dim") for text, role in parts]
        return self.line(parts, width, "mark")

    def _left(self, room: int) -> list[Part]:
        view, status = self._view, self._view.status
        if status is None:
            told = view.trouble or "connecting"
            return [("llm-studio", "strong"), GAP, (told, "warn" if view.trouble else "dim")]
        if not view.live:
            since = ago(time.time() - view.since)
            told = f"⚠ {view.trouble or 'The link to the studio is lost'}, for {since}"
            was = " ".join(filter(None, ("was", status.state, status.profile)))
            cure = [GAP, ("Ctrl+R starts one", "accent")] if view.link == "ended" else []
            return [(told, "warn"), *cure, GAP, (was, "dim")]
        sign, role = STATES.get(status.called, ("?", ""))
        parts: list[Part] = [(f"{sign} {status.called}", role)]
        name = status.desired if status.busy and status.desired else status.profile
        if name:
            parts += [("  ", ""), (name, "strong")]
        beside = sum(each.up for each in status.beside)
        if beside:
            parts += [(f" +{beside}", "dim")]
        return parts + _progress(status, room) + _job(view)

    def _right(self, width: int) -> list[Part]:
        """As many figures as there is room for; the most telling ones stay longest."""
        pulse = self._view.pulse
        host: list[Part] = [(self._host, "dim")]
        figures = [_speed(pulse), _context(pulse), _memory(pulse, width), host]
        if not self._view.live:
            figures = figures[-1:]
        elif self._view.status and self._view.status.called == "failed":
            figures = [[], [], *figures[2:]]  # the cause has that room
        slow: list[Part] = [("slow link", "warn")] if self._slow else []
        for drop in ((), (3,), (3, 1), (3, 1, 0), (3, 1, 0, 2)):
            kept = [slow, *(each for i, each in enumerate(figures) if i not in drop)]
            parts: list[Part] = []
            for each in filter(None, kept):
                parts += [GAP, *each] if parts else each
            if sum(cell_len(text) for text, _ in parts) <= width * 0.62:
                return parts
        return []


def _shown_of(view: View) -> tuple[object, ...]:
    return (view.link, view.status, view.pulse, view.jobs)


def _job(view: View) -> list[Part]:
    """The newest of the jobs that go on beside what is served: a download, a benchmark."""
    jobs = [job for job in view.jobs if job.kind not in ("switch", "stop")]
    if not jobs:
        return []
    job = jobs[-1]
    far = f"{job.fraction:.0%} " if job.fraction is not None else ""
    more = f" +{len(jobs) - 1}" if len(jobs) > 1 else ""
    return [GAP, (far, "accent"), (f"{job.title}{more}", "dim")]


def _progress(status: Status, room: int) -> list[Part]:
    if status.busy:
        told = status.stage or status.detail
        if status.progress is None:
            return [("  ", ""), (told, "dim")]
        meter = bar(status.progress, 10) if room > 60 else ""
        return [("  ", ""), (meter, "warn"), (f" {status.progress:.0%} ", ""), (told, "dim")]
    if status.failure and status.called == "failed":
        return [("  ", ""), (status.failure.what, "bad")]
    return [("  ", ""), (status.detail, "dim")] if status.detail else []


def _speed(pulse: Pulse) -> list[Part]:
    if pulse.speed is None:
        return [("n/a tok/s", "dim")]
    return [(f"{pulse.speed:.1f}", "strong"), (" tok/s", "dim")]


def _context(pulse: Pulse) -> list[Part]:
    if pulse.context is None:
        return [("ctx n/a", "dim")]
    role: Role = "warn" if pulse.context > 0.9 else "strong"
    return [("ctx ", "dim"), (f"{pulse.context:.0%}", role)]


def _memory(pulse: Pulse, width: int) -> list[Part]:
    """Memory in use on each GPU; with many, the fullest one."""
    if pulse.gpus is None:
        return [("VRAM n/a", "dim")]
    if not pulse.gpus:
        return [("no GPU", "dim")]
    shown = list(pulse.gpus)
    if len(shown) * 14 > width * 0.4:
        shown = [max(shown, key=lambda gauge: gauge.used / max(gauge.total, 1))]
    parts: list[Part] = [("VRAM ", "dim")]
    for gauge in shown:
        full = gauge.used / max(gauge.total, 1)
        role: Role = "bad" if full > 0.97 else "warn" if full > 0.9 else "strong"
        parts += [(f"{gib(gauge.used)}", role), (f"/{gauge.total / (1 << 30):.0f}G ", "dim")]
    parts[-1] = (parts[-1][0].rstrip(), "dim")
    return parts


def _shortened(parts: list[Part], room: int) -> list[Part]:
    """Parts that fill no more than the room; the last that is seen ends in an ellipsis."""
    kept: list[Part] = []
    for text, role in parts:
        shown = cut(text, room)
        room -= cell_len(shown)
        kept.append((shown, role))
        if room <= 0:
            break
    return kept
