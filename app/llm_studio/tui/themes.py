"""How the roles look: dark, light, and in the terminal's own colours."""

from __future__ import annotations

import os
from collections.abc import Mapping

from textual.theme import Theme

from llm_studio.tui import colours


def _theme(name: str, palette: Mapping[str, str], *, dark: bool) -> Theme:
    return Theme(
        name=name,
        dark=dark,
        primary=palette["accent"],
        secondary=palette["accent"],
        accent=palette["accent"],
        warning=palette["warn"],
        error=palette["bad"],
        success=palette["good"],
        foreground=palette["text"],
        background=palette["background"],
        surface=palette["background"],
        panel=palette["panel"],
        variables={
            "dim": palette["dim"],
            "cursor": palette["cursor"],
            "mark": palette["panel"],
            "border": palette["line"],
            "border-blurred": palette["line"],
            "scrollbar": palette["line"],
            "scrollbar-hover": palette["dim"],
            "scrollbar-active": palette["accent"],
            "scrollbar-background": palette["background"],
            "scrollbar-background-hover": palette["background"],
            "scrollbar-background-active": palette["background"],
            "scrollbar-corner-color": palette["background"],
        },
    )


_TERMINAL = Theme(
    name="terminal",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "dim": "ansi_default",
        "cursor": "ansi_default",
        "mark": "ansi_default",
        "border": "ansi_default",
        "border-blurred": "ansi_default",
        "scrollbar": "ansi_default",
        "scrollbar-hover": "ansi_default",
        "scrollbar-active": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-foreground": "ansi_default",
        "input-selection-background": "ansi_default",
    },
)

THEMES = (
    _theme("dark", colours.DARK, dark=True),
    _theme("light", colours.LIGHT, dark=False),
    _TERMINAL,
)
NAMES = tuple(theme.name for theme in THEMES)


def theme_for(wanted: str, environment: Mapping[str, str] | None = None) -> str:
    """The theme of a name; "auto" is what suits the terminal."""
    return wanted if wanted in NAMES else colours.suited(environment or os.environ)
