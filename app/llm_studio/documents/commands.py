"""What the argument parsers know of each command, as data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from llm_studio.cli.commands import COMMANDS, Command


@dataclass(frozen=True, slots=True)
class Argument:
    """One option or positional argument, as it is typed, and what it means."""

    typed: str
    doc: str
    in_usage: str
    option: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A command, or one of its actions."""

    words: str
    """As it is typed, like `image pull`."""
    summary: str
    text: str
    arguments: tuple[Argument, ...]
    actions: tuple[Told, ...] = ()

    @property
    def usage(self) -> str:
        options_first = sorted(self.arguments, key=lambda each: not each.option)
        return " ".join((f"llm-studio {self.words}", *(each.in_usage for each in options_first)))

    @property
    def with_actions(self) -> Iterator[Told]:
        yield self
        for action in self.actions:
            yield from action.with_actions


def every_command() -> tuple[Told, ...]:
    """All commands, in the order of the help."""
    return tuple(_told(parser_of(each), each.name, each.summary) for each in COMMANDS)


def parser_of(command: Command) -> argparse.ArgumentParser:
    module = import_module(f"llm_studio.cli.{command.module}")
    parser = argparse.ArgumentParser(
        prog=f"llm-studio {command.name}", description=module.__doc__, allow_abbrev=False
    )
    module.options(parser)
    if getattr(module, "PASSES_ON", False):
        parser.add_argument(
            "args", nargs="*", metavar="ARGS", help="for the other program, handed on as they are"
        )
    return parser


def _told(parser: argparse.ArgumentParser, words: str, summary: str) -> Told:
    arguments: list[Argument] = []
    actions: list[Told] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            arguments.append(Argument("ACTION", "one of those below", "ACTION", False))
            actions += [
                _told(each, f"{words} {name}", helps.get(name, ""))
                for name, each in action.choices.items()
            ]
        elif action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            arguments.append(_argument(action))
    text = (parser.description or "").strip()
    return Told(words, summary, text, tuple(arguments), tuple(actions))


def _argument(action: argparse.Action) -> Argument:
    value = "" if action.nargs == 0 else _value(action)
    doc = (action.help or "").strip()
    if not action.option_strings:
        shown = {"?": f"[{value}]", "*": f"[{value} …]", "+": f"{value} …"}
        typed = shown.get(str(action.nargs), value)
        return Argument(typed, doc, typed, False)
    typed = f"{', '.join(action.option_strings)} {value}".rstrip()
    in_usage = f"{action.option_strings[0]} {value}".rstrip()
    return Argument(typed, doc, in_usage if action.required else f"[{in_usage}]", True)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper().replace("_", "-")
