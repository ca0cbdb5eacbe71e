"""What somebody wants to be measured: a suite, its options, and on which profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_studio.tui.figures import counted
from llm_studio.tui.panes.bench.words import span

Told = Mapping[str, Any]


@dataclass(slots=True)
class Wanted:
    offers: Sequence[Told]
    """The suites that the studio has."""
    profiles: Sequence[str]
    """Those that can be served here."""
    chosen: list[str] = field(default_factory=list)
    """In the order in which they are to be measured."""
    at: int = 0
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By suite: options that are not left to their defaults."""

    @property
    def offer(self) -> Told:
        return self.offers[self.at]

    @property
    def options(self) -> Sequence[Told]:
        return list(self.offer["options"])

    def option(self, name: str) -> Told | None:
        return next((each for each in self.options if each["name"] == name), None)

    def value(self, name: str, otherwise: Any = None) -> Any:
        option = self.option(name)
        given = self.values.get(self.offer["name"], {})
        return given.get(name, option["default"] if option else otherwise)

    def set(self, name: str, value: Any) -> None:
        self.values.setdefault(self.offer["name"], {})[name] = value

    def unset(self, name: str) -> None:
        self.values.get(self.offer["name"], {}).pop(name, None)

    def next_suite(self) -> None:
        self.at = (self.at + 1) % len(self.offers)

    def turn(self, option: Told) -> bool:
        """Turn a switch; whether it is one."""
        if option["form"] == "switch":
            self.set(option["name"], not self.value(option["name"]))
        return bool(option["form"] == "switch")

    def choose(self, profile: str) -> None:
        if profile in self.chosen:
            self.chosen.remove(profile)
        else:
            self.chosen.append(profile)

    def choose_all(self) -> None:
        """All, or none where all are."""
        rest = [each for each in self.profiles if each not in self.chosen]
        self.chosen = [*self.chosen, *rest] if rest else []

    # What is asked of the studio

    @property
    def suite(self) -> str:
        """The name that its results have."""
        return str(self.value("suite", self.offer["name"]))

    @property
    def quick(self) -> bool:
        return bool(self.value("quick", False))

    @property
    def limit(self) -> int:
        """How many tasks, or windows of a text; 0 where it is all of them."""
        return int(self.value("limit", self.value("windows", 0)))

    def body(self) -> dict[str, Any]:
        return {"profiles": list(self.chosen), **self.values.get(self.offer["name"], {})}


def outlook(wanted: Wanted, estimates: Mapping[str, Told], served: str | None) -> str:
    """What it will take, and what that rests on."""
    chosen = wanted.chosen
    if not chosen:
        return "Choose at least one profile."
    known = {each: estimates[each] for each in chosen if _seconds(estimates.get(each)) is not None}
    if not known:
        told = "How long it will take is not known: such a run was not done yet."
    else:
        total = span(sum(each["seconds"] for each in known.values()))
        if len(chosen) == 1:
            told = f"About {total}, as {known[chosen[0]]['basis']}; loading comes on top."
        elif len(known) == len(chosen):
            told = f"About {total} for {counted(len(chosen), 'profile')}; loading comes on top."
        else:
            unknown = len(chosen) - len(known)
            told = f"About {total} for {len(known)} of {len(chosen)}; {unknown} not known."
    if any(each != served for each in chosen):
        after = f"{served} is served again" if served else "nothing is served"
        told += f" Each is loaded in its turn; afterwards {after}."
    return told


def takes(estimate: Told | None) -> str:
    """For a profile's row."""
    seconds = _seconds(estimate)
    if estimate is None:
        return "not known: never done"
    if seconds is None:
        return f"not known: {estimate['basis']}"
    return f"{span(seconds)}, as {estimate['basis']}"


def _seconds(estimate: Told | None) -> float | None:
    return estimate["seconds"] if estimate else None
