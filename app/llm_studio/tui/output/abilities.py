"""What a terminal is known to be able to do, from its name alone; in doubt, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_REPEAT = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm")
_COLOUR_ERASED = ("xterm", "alacritty", "foot", "wezterm", "rxvt", "st-", "konsole", "gnome")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What shortens a frame where it works, and would garble it where it does not."""

    erases_in_colour: bool = False
    """Erased cells take the background of the pen (terminfo's bce)."""
    repeats: bool = False
    """`CSI n b` writes the last character n more times."""


def abilities(environment: Mapping[str, str]) -> Abilities:
    name = environment.get("TERM", "")
    # GNU screen keeps what TERM said outside when a user sets it so; it erases without colour.
    if "STY" in environment:
        return Abilities()
    # tmux repeats ASCII alone; a rule or a bar would end after its first cell.
    repeats = name.startswith(_REPEAT) and "TMUX" not in environment
    return Abilities(name.startswith(_COLOUR_ERASED), repeats)
