"""Why an engine ended, in words for people: the cause, and what to change.

`python -m llm_studio.engines.failures > docs/failures.md` writes the page of all causes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_studio.engines.failure_rules import RULES, Rule
from llm_studio.engines.log_events import READY, Stage
from llm_studio.engines.logs import level_of, parse, unwrap
from llm_studio.text import untrusted_line

_SURVIVED = re.compile(r"retrying without|fitting without it")
"""After such a line the engine went on in another way."""
_VALUE = re.compile(r"\{(\w+)\}")
_UNKNOWN = {
    "file": "a file", "image": "of that name", "device": "The GPU", "size": "what it needs",
    "port": "it does not say on which port",
    "cuda": "of a newer version", "flag": "one of them", "detail": "no more", "name": "of its name",
    "tensor": "it does not say which", "address": "that address",
}  # fmt: skip
"""What stands where the line does not hold a value."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an engine ended that nobody stopped."""

    exit_code: int | None = None
    """As a shell counts, or negative for a signal."""
    out_of_memory: bool = False
    error: str = ""
    """What Docker or the system said."""
    lines: Sequence[str] = ()
    """The end of its log."""
    command: Sequence[str] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A cause, told for people; `evidence` is the line that decided it."""

    cause: str
    what: str
    why: str
    hint: str
    evidence: str = ""


def explain(ended: Ended) -> Failure:
    """The cause, as far as anything tells it; else how it ended and its first error."""
    told = _telling(ended.lines)
    code = ended.exit_code
    if code is not None and code < 0:
        code = 128 - code
    for rule in RULES:
        if rule.out_of_memory:
            if ended.out_of_memory:
                return _failure(rule, {}, "out of memory")
            continue
        found, evidence = _sought(rule, ended.error, told)
        if found:
            return _failure(rule, found.groupdict(), evidence)
        if code in rule.exits:
            return _failure(rule, {}, told[0] if told else f"exit code {code}")
    return _unexplained(ended, code)


def cause_in(line: str) -> Failure | None:
    """The cause that a single line tells, if it is an error and its cause is known."""
    for body in _telling((line,)) if level_of(line) == "error" else ():
        for rule in RULES:
            found = rule.log.search(body) if rule.log else None
            if found:
                return _failure(rule, found.groupdict(), body)
    return None


def _telling(lines: Sequence[str]) -> list[str]:
    """Errors, and lines that have no level at all, of what can have ended it."""
    told: list[str] = []
    for raw in lines:
        line = unwrap(raw)
        event = parse(raw)
        if (isinstance(event, Stage) and event.name == READY) or _SURVIVED.search(line.body):
            told.clear()
        elif line.body and line.record is None and line.level in (None, "error"):
            told.append(line.body)
    return told


def _sought(rule: Rule, error: str, told: Sequence[str]) -> tuple[re.Match[str] | None, str]:
    found = rule.error.search(error[:4096]) if rule.error else None
    if found:
        return found, error
    for line in told if rule.log else ():
        found = rule.log.search(line) if rule.log else None
        if found:
            return found, line
    return None, ""


def _failure(rule: Rule, groups: dict[str, str | None], evidence: str) -> Failure:
    values = dict(_UNKNOWN)
    for name, value in groups.items():
        name = name.rstrip("0123456789")  # what different builds say in different places
        if value and name == "bytes":
            values["size"] = f"{int(value) / (1 << 20):.1f} MiB"
        elif value:
            values[name] = untrusted_line(value.strip(), limit=120)
    values["device"] = values["device"][:1].upper() + values["device"][1:]  # begins the sentence
    why = rule.why.format_map(values)
    return Failure(rule.cause, rule.what, why, rule.hint, untrusted_line(evidence, limit=300))


def _unexplained(ended: Ended, code: int | None) -> Failure:
    errors = [unwrap(line).body for line in ended.lines if level_of(line) == "error"]
    errors = [line for line in _telling(ended.lines) if line in errors] or errors
    first = ended.error if ended.error.strip() else "".join(errors[:1])
    first = untrusted_line(first.strip(), limit=300)
    hint = "`llm-studio logs` shows all that it said; `llm-studio doctor` checks this machine."
    if code == 0:
        return Failure("ended", "The engine ended by itself", "It reports no fault.", hint, first)
    what = "The engine ended" if code is None else f"The engine ended with exit code {code}"
    why = f"Its first error: {first}" if first else "It did not say why."
    return Failure("unknown", what, why, hint, first)


def page() -> str:
    """docs/failures.md."""
    rows = [
        f"| `{rule.cause}` | {_cell(rule.what)} | {_cell(_told_by(rule))} "
        f"| {_cell(_VALUE.sub(_marked, rule.why))} | {_cell(rule.hint)} |"
        for rule in RULES
    ]
    return "\n".join(
        (
            "# Why an engine ends",
            "",
            "When an engine ends that nobody stopped, llm-studio looks for the cause in what",
            "Docker or the system said, in the exit code and in the engine's own error lines. The",
            "first row that applies is shown. Errors from before the engine was ready, and those",
            "that it says it works around, are left out. Where no row applies, the exit code and",
            "the first error line are shown as they are: later ones are its echo.",
            "",
            "This page is written by `python -m llm_studio.engines.failures > docs/failures.md`.",
            "",
            "| cause | what is said | told by | why | what to do |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        )
    )


def _told_by(rule: Rule) -> str:
    signs = ["out-of-memory mark"] if rule.out_of_memory else []
    signs += ["Docker or the system"] if rule.error else []
    signs += ["the log"] if rule.log else []
    if rule.exits:
        signs.append("exit code " + ", ".join(map(str, rule.exits)))
    return "; ".join(signs)


def _marked(value: re.Match[str]) -> str:
    return f"*({value[1]})*"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
