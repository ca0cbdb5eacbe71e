"""The last requests, and the processes that use the GPUs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from llm_studio.tui.figures import ago, gib
from llm_studio.tui.widgets.painted import Part, Role, fitted

WIDE = 110
ROUTE = {True: 22, False: 18}
"""Columns for what was asked for, on wide screens and on others."""
_OUTCOMES: dict[str, Role] = {"done": "good", "failed": "bad", "refused": "warn"}


def request_rows(requests: Sequence[Mapping[str, Any]], width: int) -> list[list[Part]]:
    """The newest first."""
    wide = width >= WIDE
    head = f"{'ago':>6}  {'request':<{ROUTE[wide]}}"
    head += f"{'prompt':>8}{'cached':>8}{'answer':>8}{'first':>9}{'tok/s':>8}  "
    names = min(max(width - 99, 13), 24)  # of clients; what is left is for profiles
    head += f"{'client':<{names + 1}}profile" if wide else ""
    rows: list[list[Part]] = [[(head, "dim")]]
    if not requests:
        rows.append([("        no request yet", "dim")])
    rows += [_request(each, names if wide else 0) for each in reversed(requests)]
    return rows


def _request(each: Mapping[str, Any], names: int) -> list[Part]:
    """With so much room for the client's name."""
    route = str(each["route"]).removeprefix("/v1/").removeprefix("/")
    first = each["first_token"]
    outcome = str(each["outcome"])
    parts: list[Part] = [
        (fitted(ago(max(time.time() - each["started"], 0)), 6, right=True) + "  ", "dim"),
        (fitted(route, ROUTE[bool(names)] - 1) + " ", "strong"),
        (_number(each["prompt_tokens"]) + _number(each["cached_tokens"]), ""),
        (_number(each["generated_tokens"]), ""),
        ((f"{first:.2f} s" if first is not None else "–").rjust(9), ""),
        ((f"{each['speed']:.1f}" if each["speed"] is not None else "–").rjust(8), "strong"),
        ("  ", ""),
    ]
    if names:
        parts += [(fitted(each["client"], names) + " ", "dim"), (f"{each['profile']}  ", "")]
    if not names or outcome != "done":
        parts.append((outcome, _OUTCOMES.get(outcome, "dim")))
    return parts


def process_rows(gpus: Sequence[Mapping[str, Any]], width: int) -> list[list[Part]]:
    """The engine's own stand out."""
    rows: list[list[Part]] = [[(f"{'':<7}{'pid':>8}{'memory':>12}  process", "dim")]]
    for gpu in gpus:
        for each in gpu["processes"] or ():
            memory = each.get("memory")
            held = "n/a" if memory is None else f"{gib(memory)} GiB"
            name = fitted(str(each.get("name") or ""), max(width - 30, 10)).rstrip()
            role: Role = "accent" if each.get("engine") else ""
            figures = f"{each['pid']:>8}{held:>12}  "
            rows.append([(f"GPU {gpu['index']:<3}", "dim"), (figures, ""), (name, role)])
    if len(rows) == 1:
        rows.append([("       no process uses a GPU, or its driver does not tell", "dim")])
    return rows


def _number(value: int | None) -> str:
    return ("–" if value is None else f"{value:,}").rjust(8)
