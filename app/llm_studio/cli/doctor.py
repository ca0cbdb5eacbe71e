"""Look at everything between you and a served model, and say what mends what is wrong.

Nothing is changed, and no special rights are needed. The exit code is 1 where there is a fault.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from llm_studio.cli.output import narrate, print_json, say, styled
from llm_studio.errors import NotFound
from llm_studio.probes.doctor.examination import all_checks, examine
from llm_studio.probes.doctor.finding import Check, Result, Severity
from llm_studio.text import untrusted_line

_STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAULT: "red"}
_WORDS = {Severity.OK: "ok", Severity.WARNING: "warning", Severity.FAULT: "FAULT"}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checks", nargs="*", metavar="CHECK", help="only these, by the beginning of their ids"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.cli.doctor_system import this_system

    chosen = _chosen(arguments.checks)
    if not arguments.json:
        narrate("Looking at this machine …")
    begun = time.monotonic()
    with this_system() as system:
        results = examine(system, chosen)
    seconds = time.monotonic() - begun
    if arguments.json:
        print_json(as_json(results, seconds))
    else:
        for line in told(results, seconds, width=_width(), style=styled):
            say(line)
    return 1 if _count(results)[Severity.FAULT] else 0


def _chosen(words: Sequence[str]) -> tuple[Check, ...]:
    checks = all_checks()
    if not words:
        return checks
    for word in words:
        if not any(check.id.startswith(word) for check in checks):
            raise NotFound(
                f"There is no check {untrusted_line(word)!r}",
                hint=f"There are: {', '.join(check.id for check in checks)}.",
            )
    return tuple(check for check in checks if check.id.startswith(tuple(words)))


def as_json(results: Iterable[Result], seconds: float) -> dict[str, Any]:
    """The same for programs: ids stay from release to release, texts may not."""
    from llm_studio import __version__

    results = tuple(results)
    count = _count(results)
    return {
        "version": __version__,
        "seconds": round(seconds, 2),
        "faults": count[Severity.FAULT],
        "warnings": count[Severity.WARNING],
        "findings": [
            {
                "id": result.id,
                "group": result.check.group.value,
                "title": result.check.title,
                "severity": result.finding.severity.value,
                "found": result.finding.found,
                "why": result.finding.why,
                "fix": list(result.finding.fix),
                "advice": result.finding.advice,
            }
            for result in results
        ],
    }


def _count(results: Iterable[Result]) -> Counter[Severity]:
    return Counter(result.finding.severity for result in results)


def _width() -> int:
    """People read this in a pipe too, so it is always broken into lines."""
    columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    return max(min(columns, 100), 40)


def told(
    results: Sequence[Result], seconds: float, *, width: int = 80, style: Any = lambda text, _: text
) -> Iterable[str]:
    """Each finding in the order of the checks, then what is to be mended, faults first."""
    group = None
    for result in results:
        if result.check.group is not group:
            if group is not None:
                yield ""
            group = result.check.group
            yield style(group.value, "bold")
        severity = result.finding.severity
        label = style(f"{_WORDS[severity]:<7}", _STYLES[severity])
        found = result.finding.found
        first, *rest = _wrapped(f"{result.check.title}: {found}", width - 10)
        yield f"  {label} {first}"
        yield from (f"          {line}" for line in rest)
        if severity is Severity.OK and result.finding.advice:
            yield from (f"          {line}" for line in _wrapped(result.finding.advice, width - 10))
    for severity, title in ((Severity.FAULT, "Faults"), (Severity.WARNING, "Warnings")):
        bad = [result for result in results if result.finding.severity is severity]
        if bad:
            yield ""
            yield style(title, "bold")
        for number, result in enumerate(bad):
            if number:
                yield ""
            yield from _explained(result, width, style)
    yield ""
    count = _count(results)
    faults = _plural(count[Severity.FAULT], "fault")
    warnings = _plural(count[Severity.WARNING], "warning")
    yield f"{faults}, {warnings}, {count[Severity.OK]} ok; looked at in {seconds:.1f} s."


def _explained(result: Result, width: int, style: Any) -> Iterable[str]:
    finding = result.finding
    label = f"{result.check.title}: "
    first, *rest = _wrapped(label + finding.found, width - 2)
    yield f"  {style(first, _STYLES[finding.severity])}"
    yield from (f"  {style(line, _STYLES[finding.severity])}" for line in rest)
    yield from (f"    {line}" for line in _wrapped(finding.why, width - 4))
    for command in finding.fix:
        first, *rest = _command(command, width - 6)
        yield f"    {style('→', 'cyan')} {first}"
        yield from (f"        {line}" for line in rest)
    yield from (f"    {line}" for line in _wrapped(finding.advice, width - 4))


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, width, break_on_hyphens=False)


def _command(command: str, width: int) -> list[str]:
    """A command in lines that a shell takes as one: broken between words, never within quotes."""
    words = _words(command)
    lines = [words[0]]
    for word in words[1:]:
        room = width - 2 if len(lines) == 1 else width - 4
        if len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(word)
    return lines


def _words(command: str) -> list[str]:
    """The words as they are written, quotes and all."""
    import re

    return re.findall(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""", command) or [command]


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
