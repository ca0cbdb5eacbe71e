"""Every failure that a user may meet, as what happened, why, and what to do.

StudioError            exit 1
├── UsageError         exit 2   the command was called in a way that cannot work
├── NotReady           exit 3   something has to happen first
└── NotFound           exit 4   there is nothing of that name
"""

from __future__ import annotations

TYPE_CHECKING = False  # as of `typing`, whose import costs a third of Python's own start
if TYPE_CHECKING:
    from collections.abc import Iterable


class StudioError(Exception):
    """A failure that is told in plain words, never as a traceback."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        what = self.what if self.what.endswith((".", "?", "…")) else f"{self.what}."
        return " ".join(filter(None, (what, self.why, self.hint)))


class UsageError(StudioError):
    exit_code = 2


class NotReady(StudioError):
    exit_code = 3


class NotFound(StudioError):
    exit_code = 4


def did_you_mean(word: str, known: Iterable[str], *, among: int = 1) -> str:
    """`Did you mean …?`, or nothing when no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=among, cutoff=0.6)
    return f"Did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
