"""The palettes, and which one suits a terminal. Light: the skeleton draws with them too."""

from __future__ import annotations

from collections.abc import Mapping

DARK = {
    "background": "#15181d",
    "panel": "#20252d",
    "cursor": "#2c3a52",
    "line": "#39414d",
    "text": "#d6dae1",
    "dim": "#8b93a1",
    "accent": "#7fb0f5",
    "good": "#8cc98a",
    "warn": "#dfb163",
    "bad": "#ea7f86",
}
LIGHT = {
    "background": "#fbfaf7",
    "panel": "#eeece6",
    "cursor": "#d5e3f7",
    "line": "#cfccc3",
    "text": "#262b33",
    "dim": "#68707d",
    "accent": "#1f5fbf",
    "good": "#2c7a35",
    "warn": "#8f5f00",
    "bad": "#b52c3a",
}


def suited(environment: Mapping[str, str]) -> str:
    """The name of the theme for a terminal: its own colours where it has few, else dark or light
    as it says that its background is."""
    if environment.get("NO_COLOR") or few(environment):
        return "terminal"
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if background in ("7", "15") else "dark"


def few(environment: Mapping[str, str]) -> bool:
    """Whether a terminal has 16 colours at most, of which several of a palette would be one."""
    name = environment.get("TERM", "")
    many = environment.get("COLORTERM", "") in ("truecolor", "24bit")
    return not many and "256color" not in name and "direct" not in name
