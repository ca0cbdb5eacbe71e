"""What one line of an engine's log means, in words for people, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llm_studio.engines.failures import cause_in
from llm_studio.engines.log_events import (
    READY,
    STAGES,
    Buffer,
    Context,
    DeviceMemory,
    Event,
    FitDecision,
    Generating,
    MemoryTable,
    Offloaded,
    Problem,
    PromptProgress,
    RequestEnd,
    RequestSpeed,
    RequestStart,
    Splits,
    Stage,
    Version,
)
from llm_studio.engines.logs import parse
from llm_studio.text import untrusted_line

Kind = Literal["stage", "memory", "request", "fact", "warning", "problem"]
_LESS = "Lower `context`, or choose a smaller quantisation, so that more fits onto the GPUs."
_HOLDS = {
    "weights": "the weights", "context": "the cache of the context",
    "compute": "what it computes with", "output": "its output", "recurrent": "recurrent state",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    kind: Kind
    what: str
    why: str = ""
    hint: str = ""


def meaning_of(line: str) -> Meaning | None:
    """None where nothing is known of it. Never raises."""
    cause = cause_in(line)
    if cause is not None:
        return Meaning("problem", cause.what, cause.why, cause.hint)
    event = parse(line)
    return None if event is None else _told(event)


def _told(event: Event) -> Meaning | None:
    match event:
        case Stage(name, fraction):
            part = f", {fraction:.0%} of the weights" if fraction is not None else ""
            place = f"stage {STAGES.index(name) + 1} of {len(STAGES)}: {name}{part}"
            after = "Requests are answered from here on." if name == READY else ""
            return Meaning("stage", f"A start, {place}", after)
        case Buffer(device, kind, mib):
            return _memory(f"{mib:,.0f} MiB on {device} hold {_HOLDS[kind]}")
        case FitDecision():
            return _fit(event)
        case Offloaded(layers, of) if layers < of:
            why = "The others are computed by the processor, which is much slower."
            return Meaning(
                "warning", f"{layers} of {of} layers are on GPUs", why, _LESS if layers else ""
            )
        case Offloaded(layers, of):
            return Meaning("fact", f"All {of} layers are on GPUs")
        case Splits(_, splits) if splits is not None:
            why = "Each part more is a change of device, which costs time." if splits > 1 else ""
            return Meaning("fact", f"The model is computed in {splits} parts", why)
        case Context():
            return _context(event)
        case Version(build, commit):
            return Meaning("fact", f"llama.cpp build {build} {untrusted_line(commit)}".rstrip())
        case DeviceMemory(device, _, free, used):
            left = f", {free:,} MiB are free" if free is not None else ""
            return _memory(f"{used:,} MiB on {device} are in use{left}")
        case MemoryTable():
            return _memory("What each device holds, in the lines that follow")
        case Problem():
            return Meaning("problem", "An error that llm-studio knows no cause for",
                           hint="Of several errors the first tells the cause.")  # fmt: skip
    return _request(event)


def _request(event: Event) -> Meaning | None:
    match event:
        case RequestStart(slot, task):
            return Meaning("request", f"{_of(slot, task)} begins")
        case PromptProgress(slot, task, fraction, speed):
            fast = f", {speed:.0f} tokens per second" if speed else ""
            return Meaning("request", f"{_of(slot, task)}: {fraction:.0%} of the prompt read{fast}")
        case Generating(slot, task, tokens, speed):
            fast = f", {speed:.1f} per second" if speed else ""
            return Meaning("request", f"{_of(slot, task)}: {tokens:,} tokens so far{fast}")
        case RequestEnd(slot, task, tokens, truncated):
            what = f"{_of(slot, task)} is done; {tokens:,} tokens stay in its cache"
            if truncated:
                why = "The context was full, so what was oldest was dropped."
                return Meaning("warning", what, why, "Raise `context`, or ask with less.")
            return Meaning("request", what)
        case RequestSpeed():
            return _speed(event)
    return None


def _speed(event: RequestSpeed) -> Meaning:
    parts = []
    if event.prompt_tokens is not None:
        parts.append(f"{event.prompt_tokens:,} tokens of prompt read{_per(event.prompt_speed)}")
    if event.generated_tokens is not None:
        parts.append(f"{event.generated_tokens:,} tokens made{_per(event.generated_speed)}")
    if event.total_ms is not None:
        parts.append(f"{event.total_ms / 1000:.2f} s in all")
    if event.drafted:
        parts.append(f"{event.accepted} of {event.drafted} drafted tokens were right")
    return Meaning("request", f"{_of(event.slot, event.task)}: {', '.join(parts) or 'its figures'}")


def _fit(event: FitDecision) -> Meaning:
    if event.fits is False:
        why = untrusted_line(event.reason, limit=200)
        return Meaning("warning", "The engine could not make it fit by itself", why, _LESS)
    if event.context is not None and event.context_before is not None:
        what = f"The context was cut from {event.context_before:,} to {event.context:,} tokens"
        return Meaning("warning", what, "More does not fit into the memory of the GPUs.", _LESS)
    if event.overflowing:
        what = f"Experts of {event.overflowing} layers of {event.device} go to the processor"
        return Meaning("memory", what, "The GPU has no room for them.")
    if event.used is not None and event.free is not None:
        where = event.device or "the GPUs"
        return _memory(f"{event.used:,} MiB are needed on {where}, {event.free:,} are free")
    return Meaning("fact", "It fits" if event.fits else "The engine fits the model to the memory")


def _context(event: Context) -> Meaning:
    told = {
        "{:,} tokens of context in all": event.total, "{:,} for each slot": event.per_slot,
        "trained for {:,} tokens": event.trained, "slots: {:,}": event.slots,
    }  # fmt: skip
    return Meaning(
        "fact", ", ".join(form.format(n) for form, n in told.items() if n is not None) or "Context"
    )


def _memory(what: str) -> Meaning:
    return Meaning("memory", untrusted_line(what, limit=300))


def _of(slot: int | None, task: int | None) -> str:
    told = "A request" if task is None or task < 0 else f"Request {task}"
    return told if slot is None or slot < 0 else f"{told} in slot {slot}"


def _per(speed: float | None) -> str:
    return f" at {speed:,.1f} per second" if speed is not None else ""


Landmark = Literal["load", "request"]
FAR = 20_000
"""Lines before the first sign of a start in which another sign of it is looked for."""


class Seeker:
    """Finds where a load or a request begins, from lines that are given from new to old."""

    def __init__(self, what: Landmark) -> None:
        self._what = what
        self._begin: tuple[int, int] | None = None
        """The earliest stage of the load so far: its rank and its line."""

    def take(self, lines: Sequence[tuple[int, str]]) -> int | None:
        """The number of the line, once it is found."""
        for number, line in lines:
            if self._begin is not None and self._begin[1] - number > FAR:
                return self._begin[1]
            event = parse(line)
            if self._what == "request":
                if isinstance(event, RequestStart):
                    return number
            elif isinstance(event, Stage):
                rank = STAGES.index(event.name)
                if self._begin is not None and rank > self._begin[0]:
                    return self._begin[1]  # this is the end of an earlier one
                if event.name != READY:
                    self._begin = rank, number
        return None

    @property
    def rest(self) -> int | None:
        """What it is where there are no older lines."""
        return self._begin[1] if self._begin else None
