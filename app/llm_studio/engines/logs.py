"""What llama-server's log tells: each line that means something becomes a small event.

Forms change from build to build (functions are renamed, prefixes come and go, a line a value or
all on one), so a rule looks for the body of a message and for nothing around it. Text is the
engine's and the model's: what is shown of it passes `untrusted` first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from llm_studio.engines.log_events import (
    FITTING,
    LOADING,
    READY,
    STARTING,
    WARMING,
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

Level = Literal["error", "warning", "info", "debug"]
LONGEST = 8192
"""Characters of a line that are looked at; what the engine says about itself is shorter."""

_PREFIX = re.compile(
    r"(?:\[\d{1,7}\] ?)?"  # the router names the child
    r"(?:\d{1,7}\.\d\d\.\d{3}\.\d{3} |\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z? )?"
    r"(?:([IWED]) |(INFO|WARN|ERROR|DEBUG) (?=\[))?",
    re.ASCII,
)
_COLOURS = re.compile("[\x1b\u241b]\\[[0-9;]{0,16}m")
"""Also as `untrusted` shows them."""
_LEVELS: dict[str, Level] = {"e": "error", "w": "warning", "i": "info", "d": "debug"}
# Without prefixes (older builds, crashes, bad arguments) the words must tell.
_FATAL = re.compile(
    r"(?i:error\b|fatal\b|terminate called|segmentation fault|aborted\b)"
    r"|.{0,200}?(?:GGML_ASSERT|\b[Ee]rror(?: \d+ at|:| loading| while)"
    r"|failed to (?:load|alloc|init|create|open)|Malloc failed|out of memory|ErrorOut"
    r"|\bwhat\(\): |couldn't bind)"
)
_WARNS = re.compile(r"(?i:warn)|.{0,80}?\b[Ww]arning:")


class Line(NamedTuple):
    """A line without its wrapping; the level is None where no prefix told it."""

    level: Level | None
    body: str
    record: Mapping[str, object] | None = None
    """What a typed line of --log-jsonl holds."""


def unwrap(line: str) -> Line:
    """The line's own level and text, from whichever form the engine wrote it in."""
    line = line[:LONGEST].rstrip()
    if line.startswith("{") and line.endswith("}"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            return _of_record(record, line)
    if "\x1b" in line or "\u241b" in line:
        line = _COLOURS.sub("", line)
    found = _PREFIX.match(line)
    if found is None or not found.end():
        return Line(None, line)
    letter = found[1] or found[2]
    return Line(_LEVELS[letter[0].lower()] if letter else None, line[found.end() :])


def _of_record(record: dict[str, object], line: str) -> Line:
    text = record.get("msg", record.get("message"))
    if not isinstance(text, str):
        return Line("debug", line, record)
    level = record.get("level")
    known = _LEVELS.get(level[:1].lower()) if isinstance(level, str) else None
    return Line(known or "info", text.rstrip())


def level_of(line: str) -> Level:
    """How grave a line is; by its words where no prefix says it."""
    line = line[:LONGEST].rstrip()
    if line[:1] != "{" and "\x1b" not in line and "\u241b" not in line:  # nothing to unwrap
        found = _PREFIX.match(line)
        letter = found and (found[1] or found[2])
        if letter:
            return _LEVELS[letter[0].lower()]
        if not _alarming(line[:_START].lower()):
            return "info"
    return _level(unwrap(line))


def _level(line: Line) -> Level:
    if line.level:
        return line.level
    if _FATAL.match(line.body):
        return "error"
    return "warning" if _WARNS.match(line.body) else "info"


_START = 320
"""Characters in which a grave word begins, with a prefix before them."""


def _alarming(start: str) -> bool:
    """Whether a grave word can be there at all: what costs much is asked of few lines."""
    return (
        "err" in start
        or "fa" in start  # fatal, failed, segmentation fault
        or "warn" in start
        or "assert" in start
        or "abort" in start
        or "terminate" in start
        or "out of memory" in start
        or "what():" in start
        or "couldn't bind" in start
    )


def parse(line: str) -> Event | None:
    """The event that a line tells of; None where it tells nothing that we know. Never raises."""
    unwrapped = unwrap(line)
    if unwrapped.record is not None:
        return _table_of(unwrapped.record)
    body = unwrapped.body
    for needle, pattern, build in _RULES:
        if needle in body:
            found = pattern.search(body)
            if found:
                event = build(found)
                if unwrapped.level != "error" or isinstance(event, FitDecision):
                    return event
    if body[:1] == "." and not body.strip("."):  # a dot for each hundredth of the weights
        return Stage(LOADING, min(len(body) / 100, 1.0))
    return Problem(body) if body and _level(unwrapped) == "error" else None


_Found = re.Match[str]
_N = r"(\d{1,12})"
_X = r"(-?[\d.]{1,20}|-?nan|-?inf)"
_SLOT = r"(?:id +(-?\d{1,9}) \| task +(-?\d{1,12}) \|)?"


def _int(text: str | None) -> int | None:
    return int(text) if text else None


def _float(text: str | None) -> float | None:
    """The number, unless the engine divided by zero."""
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _stage(name: str) -> Callable[[_Found], Event]:
    return lambda found: Stage(name)


_KINDS: Mapping[str | None, Literal["weights", "context", "compute", "output", "recurrent"]] = {
    None: "weights", "model": "weights", "LoRA": "weights", "KV": "context",
    "compute": "compute", "output": "output", "RS": "recurrent",
}  # fmt: skip


def _buffer(found: _Found) -> Event:
    return Buffer(found[1], _KINDS[found[2]], _float(found[3]) or 0.0)


def _row(found: _Found) -> Event | None:
    name, description, cells = found.groups()
    numbers = [int(each) for each in re.findall(r"-?\d{1,12}", cells)]
    if len(numbers) == 7:
        total, free, used, model, context, compute, rest = numbers
        label = description or ""
        return DeviceMemory(name, total, free, used, model, context, compute, rest, label)
    if len(numbers) == 4:
        used, model, context, compute = numbers
        return DeviceMemory(name, None, None, used, model, context, compute)
    return None


def _table_of(record: Mapping[str, object]) -> Event | None:
    data = record.get("data")
    rows = data.get("rows") if isinstance(data, dict) else None
    if record.get("type") != "fit_memory_breakdown" or not isinstance(rows, list):
        return None
    return MemoryTable(tuple(_typed_row(row) for row in rows if isinstance(row, dict)))


def _typed_row(row: Mapping[str, object]) -> DeviceMemory:
    def number(key: str) -> int | None:
        value = row.get(key)
        fits = isinstance(value, int | float) and abs(value) < 1e15
        return int(value) if fits and isinstance(value, int | float) else None

    return DeviceMemory(
        str(row.get("name", ""))[:200],
        number("total"),
        number("free"),
        number("self") or 0,
        number("model") or 0,
        number("context") or 0,
        number("compute") or 0,
        number("unaccounted"),
        description=str(row.get("description", ""))[:200],
    )


# Each: words that must be there (cheap to look for), the form, and what it becomes.
_SHAPES: tuple[tuple[str, str, Callable[[_Found], Event | None]], ...] = (
    ("buffer size", rf"(\S+)(?: +(model|KV|RS|compute|output|LoRA))? buffer size = *{_X} MiB",
     _buffer),
    ("eval time", rf"{_SLOT} *\b(prompt eval|eval) time *= *{_X} ms / *{_N} (?:tokens|runs)"
     rf"(?: *\( *{_X} ms per token, *{_X} tokens per second)?",
     lambda f: _timing(f)),
    ("total time", rf"{_SLOT} *\b(total) time *= *{_X} ms / *{_N} tokens",
     lambda f: RequestSpeed(_int(f[1]), _int(f[2]), total_tokens=int(f[5]), total_ms=_float(f[4]))),
    ("draft acceptance", rf"{_SLOT} *draft acceptance(?: rate)? = *{_X} "
     rf"\( *{_N} accepted / *{_N} generated",
     lambda f: RequestSpeed(_int(f[1]), _int(f[2]), accepted=int(f[4]), drafted=int(f[5]))),
    (" tg = ", rf"{_SLOT} *n_(?:gen|decoded) = *{_N}, tg = *{_X} t/s(?:, tg_3s = *{_X} t/s)?",
     lambda f: Generating(_int(f[1]), _int(f[2]), int(f[3]), _float(f[4]), _float(f[5]))),
    ("prompt processing", rf"{_SLOT} *prompt processing(?: progress)?,.{{0,60}}? n_tokens = *{_N}"
     rf".{{0,60}}? progress = *{_X}(?:, t = *[\d.]{{1,20}} s / *{_X} tokens per second)?",
     lambda f: PromptProgress(_int(f[1]), _int(f[2]), _float(f[4]) or 0.0, _float(f[5]))),
    ("stop processing", rf"{_SLOT} *stop processing: n_(?:tokens|past) = *{_N}, truncated = *(\d)",
     lambda f: RequestEnd(_int(f[1]), _int(f[2]), int(f[3]), f[4] != "0")),
    ("processing task", rf"{_SLOT} *processing task",
     lambda f: RequestStart(_int(f[1]), _int(f[2]))),
    ("memory breakdown [MiB]", r"\| memory breakdown \[MiB\]", lambda f: MemoryTable()),
    ("|   - ", r"\|   - (\S{1,200}?)(?: \((.{0,200})\))? *\|([-\d =+()]{7,200})\|", _row),
    ("memory vs. ", rf"projected to use {_N} MiB of (device|host) memory vs. {_N} MiB",
     lambda f: FitDecision(device="" if f[2] == "device" else "Host", used=int(f[1]),
                           free=int(f[3]))),
    ("context size reduced", rf"context size reduced from {_N} to {_N}",
     lambda f: FitDecision(context=int(f[2]), context_before=int(f[1]))),
    (" MiB used, ", rf"- (\S+)(?: \(.{{0,200}}\))? *: *{_N} layers(?: \( *{_N} overflowing\))?, *"
     rf"(-?\d{{1,12}}) MiB used, *(-?\d{{1,12}}) MiB free$",
     lambda f: FitDecision(device=f[1], layers=int(f[2]), overflowing=int(f[3] or 0),
                           used=int(f[4]), free=int(f[5]))),
    ("successfully fit", r"successfully fit params", lambda f: FitDecision(fits=True)),
    ("failed to fit", r"failed to fit params to free device memory:? *(.*)",
     lambda f: FitDecision(fits=False, reason=f[1])),
    ("trying to fit params", r"error while trying to fit params to free device memory: *(.*)",
     lambda f: FitDecision(fits=False, reason=f[1])),
    ("layers to GPU", rf"offloaded {_N}/{_N} layers to GPU",
     lambda f: Offloaded(int(f[1]), int(f[2]))),
    ("splits", rf"graph: nodes = {_N}, splits = {_N}", lambda f: Splits(int(f[1]), int(f[2]))),
    ("graph splits", rf"graph splits *= *{_N}", lambda f: Splits(None, int(f[1]))),
    ("graph nodes", rf"graph nodes *= *{_N}", lambda f: Splits(int(f[1]), None)),
    ("n_slots = ", rf"n_slots = {_N}(?:, n_ctx_slot = {_N})?(?:, kv_unified = '(true|false)')?",
     lambda f: Context(slots=int(f[1]), per_slot=_int(f[2]),
                       unified=f[3] == "true" if f[3] else None)),
    ("n_ctx", rf"(?:^|: )(n_ctx|n_ctx_(?:per_)?seq|n_ctx_train) += +{_N}$", lambda f: _context(f)),
    ("build", rf"(?:build: |build_info: b|build |build=){_N}(?:[ -]\(?([\w.]{{1,40}})|,)?",
     lambda f: Version(int(f[1]), f[2] or "")),
    ("version: ", rf"^version: {_N} \(([\w.]{{1,40}})\)", lambda f: Version(int(f[1]), f[2])),
    ("initializing ...", r"(?:llama_server|init): initializing \.\.\.$", _stage(STARTING)),
    ("fitting params to", r"fitting params to device memory", _stage(FITTING)),
    ("loading model", r"load_model: loading model '|(?:main|init): loading model$"
     r"|loading model tensors, this can take", _stage(LOADING)),
    ("warming up", r"warming up the model", _stage(WARMING)),
    ("model loaded", r": model loaded$", _stage(READY)),
    ("listening on ", r"(?:^|[: ])listening on (https?://\S{1,200})",
     lambda f: Stage(READY, address=f[1])),
)  # fmt: skip


def _timing(found: _Found) -> Event:
    slot, task, name, _ms, tokens, _per_token, speed = found.groups()
    where = (_int(slot), _int(task))
    if name == "prompt eval":
        return RequestSpeed(*where, prompt_tokens=int(tokens), prompt_speed=_float(speed))
    return RequestSpeed(*where, generated_tokens=int(tokens), generated_speed=_float(speed))


def _context(found: _Found) -> Event:
    tokens = int(found[2])
    if found[1] == "n_ctx":
        return Context(total=tokens)
    return Context(trained=tokens) if found[1] == "n_ctx_train" else Context(per_slot=tokens)


_RULES = tuple((needle, re.compile(form, re.ASCII), build) for needle, form, build in _SHAPES)
