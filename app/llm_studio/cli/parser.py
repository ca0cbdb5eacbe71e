"""The parser of a command: what it does not understand is told as every other failure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from llm_studio.errors import UsageError, did_you_mean
from llm_studio.text import untrusted_line


class Parser(argparse.ArgumentParser):
    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        found, left = self.parse_known_args(args, namespace)
        if left:
            word = untrusted_line(left[0])
            hint = did_you_mean(word, _options(self)) or self._more
            what = "has no option" if word.startswith("-") else "takes no"
            raise UsageError(f"`{self.prog}` {what} {word!r}", hint=hint)
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        name = str(action.metavar or action.dest).lower()
        known = [str(each) for each in action.choices]
        word = untrusted_line(str(value))
        hint = did_you_mean(word, known) or f"There are: {', '.join(known)}."
        raise UsageError(f"There is no {name} {word!r}", hint=hint)

    def error(self, message: str) -> NoReturn:
        raise UsageError(untrusted_line(message[:1].upper() + message[1:]), hint=self._more)

    @property
    def _more(self) -> str:
        return f"`{self.prog} --help` tells more."


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Those of its actions too, for it is the whole that was typed."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _options(each)
