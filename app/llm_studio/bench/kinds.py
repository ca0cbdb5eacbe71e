"""The suites that there are: one module each in the folder `suites`, found by its being there.

A module tells what can be wished of its suite; the command line, the routes and the UI are made
from that. Nothing heavy is imported before a suite is made.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_studio.bench import suites
from llm_studio.errors import NotFound, did_you_mean
from llm_studio.text import untrusted_line

if TYPE_CHECKING:
    from llm_studio.bench.suite import Suite
    from llm_studio.settings import Settings

Form = Literal["switch", "number", "text", "file"]
FORMS: dict[Any, Form] = {bool: "switch", int: "number", str: "text"}


class Options(BaseModel):
    """What can be wished of a suite."""

    model_config = ConfigDict(extra="forbid", strict=True)


def option(
    default: bool | int | str, told: str, *, flag: str = "", file: bool = False, **bounds: Any
) -> Any:
    """One wish: `flag` where the command line calls it otherwise, `file` for a file's path."""
    extra: dict[str, Any] = {"x-flag": flag, "x-file": file}
    return Field(default=default, description=told, json_schema_extra=extra, **bounds)


@dataclass(frozen=True, slots=True)
class Wishable:
    """An option as the command line and a UI show it."""

    name: str
    form: Form
    default: bool | int | str
    summary: str
    flag: str
    """As it is typed. A switch that is on by default is typed to turn it off."""
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One suite, as it is chosen."""

    name: str
    """In commands and routes."""
    title: str
    summary: str
    options: type[Options]
    make: Callable[[Any, Settings], Suite]
    """From options of that type."""
    order: int = 100

    def wishable(self) -> Iterator[Wishable]:
        for name, field in self.options.model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            form: Form = "file" if extra.get("x-file") else FORMS[field.annotation or str]
            typed = str(extra.get("x-flag") or name.replace("_", "-"))
            off = "no-" if form == "switch" and field.default else ""
            bounds = {type(each).__name__: each for each in field.metadata}
            yield Wishable(
                name, form, field.default, field.description or "", f"--{off}{typed}",
                getattr(bounds.get("Ge"), "ge", None), getattr(bounds.get("Le"), "le", None),
            )  # fmt: skip


@cache
def kinds() -> tuple[Kind, ...]:
    """All suites, the usual ones first."""
    names = sorted(module.name for module in pkgutil.iter_modules(suites.__path__))
    found: list[Kind] = [import_module(f"{suites.__name__}.{name}").SUITE for name in names]
    return tuple(sorted(found, key=lambda each: (each.order, each.name)))


def kind_of(name: str) -> Kind:
    by_name = {kind.name: kind for kind in kinds()}
    if name not in by_name:
        raise NotFound(
            f"There is no suite {untrusted_line(name)!r}",
            hint=did_you_mean(name, by_name) or f"There are: {', '.join(by_name)}.",
        )
    return by_name[name]
