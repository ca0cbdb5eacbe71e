"""The readings of now, in lines: each GPU, the engine, the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from llm_studio.tui.figures import gib
from llm_studio.tui.widgets.painted import Part, Role, cut, fitted

Reading = Mapping[str, Any]
Chunk = list[Part]
LABEL = 8
WIDE = 100
"""Columns from which a GPU of many tells its clock too."""
WARNED = " ⚠"
SLOTS = 32
"""As many are drawn."""
HELD = ("weights", "context", "compute")
LEVELS = "▁▂▃▄▅▆▇█"
ALERTS = 2
"""As many are told in full; the Logs have all of them."""


def gauge(fraction: float | None, width: int, role: Role = "accent") -> Chunk:
    """A bar that is full at 1; nothing is known where it is None."""
    if fraction is None:
        return [("·" * width, "dim")]
    full = round(min(max(fraction, 0.0), 1.0) * width)
    return [("█" * full, role), ("░" * (width - full), "dim")]


def gpu_lines(gpu: Reading, width: int, *, roomy: bool) -> list[list[Part]]:
    """One line, or two where there is room."""
    name = gpu["name"].removeprefix("NVIDIA ").removeprefix("GeForce ") or gpu["id"]
    head: Chunk = [(fitted(f"GPU {gpu['index']}", LABEL), "dim")]
    if gpu["fault"]:
        told = " ".join(filter(None, (gpu["fault"], gpu["hint"])))
        return [[*head, (f"{name}  ", "strong"), (f"✗ {told}", "bad")]]
    if not roomy:
        return [_stale(gpu, _gpu_row(gpu, head, name, width))]
    details = [_heat(gpu), _power(gpu), _fan(gpu), _clock(gpu), _pcie(gpu)]
    first = _joined([[*head, (name, "strong")], _slow(gpu), *details], width)
    bar_width = min(max((width - 50) // 2, 8), 40)
    indent: Chunk = [(" " * LABEL, "")]
    bar, figures = _memory(gpu, bar_width)
    memory = [*indent, *bar, (" ", ""), *figures]
    use = [("use ", "dim"), *gauge(_share(gpu["utilisation"]), bar_width // 2), *_busy(gpu)]
    second = _joined([memory, use, _traffic(gpu)], width)
    return [_stale(gpu, first), _stale(gpu, second)]


def _gpu_row(gpu: Reading, head: Chunk, name: str, width: int) -> list[Part]:
    """One of a table: each figure stands below that of the GPU above."""
    short = min(max(width - 70, 6), 24)
    bar_width = min(max((width - 62) // 3, 8), 24)
    bar, figures = _memory(gpu, bar_width)
    columns = [
        [*head, (fitted(name, short) + " ", "strong"), *bar, *_right(figures, 18)],
        _right(_busy(gpu), 6),
        _right(_heat(gpu, memory=False), 6),
        _right(_power(gpu), 11),
    ]
    columns += [_right(_clock(gpu), 8)] if width >= WIDE else []
    row = _joined(columns, width - len(WARNED))
    if gpu["throttle"]:
        room = width - sum(cell_len(text) for text, _ in row)
        (told, role), *_ = _slow(gpu)
        row.append((WARNED + cut(told[1:], room - len(WARNED)) if room > 12 else WARNED, role))
    return row


def _right(chunk: Chunk, width: int) -> Chunk:
    """At the right edge of so many columns."""
    return [(" " * (width - sum(cell_len(text) for text, _ in chunk)), ""), *chunk]


def alert_lines(alerts: Sequence[Reading], width: int) -> list[list[Part]]:
    """What is wrong now: the gravest first, and how many others there are."""
    by_rank = sorted(alerts, key=lambda alert: alert["level"] != "error")
    rows: list[list[Part]] = []
    for alert in by_rank[:ALERTS]:
        role: Role = "bad" if alert["level"] == "error" else "warn"
        more = f"  +{len(alerts) - ALERTS} more" if len(alerts) > ALERTS else ""
        told = cut(alert["text"], width - 2 - (len(more) if len(rows) == ALERTS - 1 else 0))
        rows.append([("⚠ ", role), (told, role)])
        if more and len(rows) == ALERTS:
            rows[-1].append((more, "dim"))
    return rows


def engine_lines(engine: Reading | None, width: int) -> list[list[Part]]:
    head: Chunk = [(fitted("engine", LABEL), "dim")]
    if engine is None:
        return [[*head, ("nothing is served", "dim")]]
    fill = None
    if engine["context_used"] is not None and engine["context"]:
        fill = engine["context_used"] / engine["context"]
    chunks: list[Chunk] = [
        [*head, *_figure(engine["speed"], "{:.1f}", " tok/s")],
        [("prompt ", "dim"), *_figure(engine["prompt_speed"], "{:.0f}", " tok/s")],
        _slots(engine),
        [("queue ", "dim"), *_figure(_sum(engine["queue"], engine["waiting"]), "{:.0f}", "")],
        [("context ", "dim"), *gauge(fill, 8), *_figure(_percent(fill), " {:.0f}", " %")],
        [("cache ", "dim"), *_figure(_percent(engine["cache_hits"]), "{:.0f}", " %")],
    ]
    if engine["draft_acceptance"] is not None:
        drafts = _percent(engine["draft_acceptance"])
        chunks.append([("drafts ", "dim"), *_figure(drafts, "{:.0f}", " %")])
    lines = [_stale(engine, _joined(chunks, width))]
    if engine["memory"]:
        lines.append(_held(engine["memory"], width))
    return lines


def beside_line(engine: Reading, width: int) -> list[Part]:
    head: Chunk = [(fitted("beside", LABEL), "dim"), (engine["profile"], "strong")]
    return _joined([head, _figure(engine["speed"], "{:.1f}", " tok/s"), _slots(engine)], width)


def host_line(host: Reading, width: int) -> list[Part]:
    total, available = host["memory_total"], host["memory_available"]
    used = total - available if total is not None and available is not None else None
    chunks: list[Chunk] = [
        [
            (fitted("host", LABEL), "dim"),
            ("cpu ", "dim"),
            *gauge(_share(host["cpu"]), 6),
            *_figure(host["cpu"], " {:.0f}", " %"),
        ],
        [("memory ", "dim"), *_of(used, total)],
    ]
    if host["engine_mapped"]:
        chunks.append([(f"{gib(host['engine_mapped'])} GiB", "strong"), (" of model in it", "dim")])
    if host["swap_used"]:
        chunks.append([("swap ", "dim"), (f"{gib(host['swap_used'])} GiB", "warn")])
    free = host["disk_free"]
    told: Chunk = [("n/a", "dim")] if free is None else [(f"{gib(free)} GiB", "strong")]
    chunks.append([("disk ", "dim"), *told, (" free", "dim")])
    if host["received"] is not None and host["sent"] is not None:
        chunks.append([("net ", "dim"), (f"↓{_rate(host['received'])} ", ""),
                       (f"↑{_rate(host['sent'])}", "")])  # fmt: skip
    return _stale(host, _joined(chunks, width))


def _joined(chunks: Sequence[Chunk], width: int) -> list[Part]:
    """As many as there is room for, from the left."""
    parts: list[Part] = []
    room = width
    for chunk in chunks:
        if not chunk:
            continue
        wide = sum(cell_len(text) for text, _ in chunk) + (3 if parts else 0)
        if parts and wide > room:
            continue
        parts += [("   ", ""), *chunk] if parts else chunk
        room -= wide
    return parts


def _stale(reading: Reading, parts: list[Part]) -> list[Part]:
    """Figures that are old look old."""
    return [(text, "dim") for text, _ in parts] if reading.get("stale") else parts


def _figure(value: float | None, form: str, unit: str) -> Chunk:
    if value is None:
        return [("n/a", "dim")]
    return [(form.format(value), "strong"), (unit, "dim")]


def _of(used: int | None, total: int | None) -> Chunk:
    if used is None or not total:
        return [("n/a", "dim")]
    return [(gib(used), _grave(used / total)), (f" of {gib(total)} GiB", "dim")]


def _memory(gpu: Reading, width: int) -> tuple[Chunk, Chunk]:
    """A bar, and the figures that go with it."""
    used, total = gpu["memory_used"], gpu["memory_total"]
    share = used / total if used is not None and total else None
    role = _grave(share or 0.0)
    bar = gauge(share, width, "accent" if role == "strong" else role)
    return bar, _of(used, total)


def _busy(gpu: Reading) -> Chunk:
    return [(" ", ""), *_figure(gpu["utilisation"], "{:>3.0f}", " %")]


def _heat(gpu: Reading, *, memory: bool = True) -> Chunk:
    heat, inside = gpu["temperature"], gpu["memory_temperature"]
    if heat is None:
        return [("n/a °C", "dim")]
    role: Role = "bad" if heat >= 95 else "warn" if heat >= 85 else "strong"
    parts: Chunk = [(f"{heat:.0f}", role), (" °C", "dim")]
    return [*parts, (f" mem {inside:.0f}", "dim")] if memory and inside is not None else parts


def _power(gpu: Reading) -> Chunk:
    if gpu["power"] is None:
        return [("n/a W", "dim")]
    limit = gpu["power_limit"]
    return [(f"{gpu['power']:.0f}", "strong"), (f"/{limit:.0f} W" if limit else " W", "dim")]


def _fan(gpu: Reading) -> Chunk:
    return [] if gpu["fan"] is None else [("fan ", "dim"), (f"{gpu['fan']:.0f} %", "")]


def _clock(gpu: Reading) -> Chunk:
    return [("n/a MHz", "dim")] if gpu["clock"] is None else [(f"{gpu['clock']:.0f} MHz", "")]


def _pcie(gpu: Reading) -> Chunk:
    generation, lanes = gpu["pcie_generation"], gpu["pcie_width"]
    if generation is None or lanes is None:
        return []
    return [(f"PCIe {generation}×{lanes}", "dim")]


def _traffic(gpu: Reading) -> Chunk:
    received, sent = gpu["pcie_received"], gpu["pcie_sent"]
    if received is None or sent is None:
        return []
    return [("PCIe ", "dim"), (f"↓{_rate(received)} ↑{_rate(sent)}", "")]


def _slow(gpu: Reading) -> Chunk:
    return [(f"⚠ {', '.join(gpu['throttle'])}", "warn")] if gpu["throttle"] else []


def _slots(engine: Reading) -> Chunk:
    """A cell for each, as high as its context is full."""
    slots, busy = engine["slots"], engine["busy"]
    if slots is None:
        return [("slots n/a", "dim")]
    fills = (engine.get("slot_tokens") or [])[:SLOTS]
    cells: Chunk = []
    for tokens in fills:
        full = tokens / (engine["context"] or tokens or 1)
        level = min(int(full * len(LEVELS)), len(LEVELS) - 1)
        role: Role = "warn" if full > 0.9 else "good"
        cells.append((LEVELS[level], role) if tokens else ("░", "dim"))
    if not fills:
        working = min(busy or 0, SLOTS)
        cells = [("█" * working, "good"), ("░" * min(slots - working, SLOTS - working), "dim")]
    return [("slots ", "dim"), *cells, (f" {busy or 0} of {slots}", "")]


def _held(memory: Sequence[Reading], width: int) -> list[Part]:
    """What the engine holds of each device; of all together where there is no room for each."""
    held = [_split(each) for each in memory]
    wide = LABEL + sum(cell_len(text) for chunk in held for text, _ in chunk) + 3 * (len(held) - 1)
    if len(held) > 1 and wide > width:
        sums = {kind: sum(each[kind] for each in memory) for kind in HELD}
        held = [_split({"device": "together", **sums})]
    return _joined([[(fitted("holds", LABEL), "dim"), *held[0]], *held[1:]], width)


def _split(part: Reading) -> Chunk:
    told = " + ".join(f"{gib(part[kind])} {kind}" for kind in HELD)
    return [(part["device"], "strong"), (f" {told} GiB", "dim")]


def _grave(share: float) -> Role:
    return "bad" if share > 0.97 else "warn" if share > 0.9 else "strong"


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _sum(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _rate(value: float) -> str:
    """Bytes per second, short."""
    for unit, length in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= length:
            return f"{value / length:.1f} {unit}B/s"
    return f"{value:.0f} B/s"
