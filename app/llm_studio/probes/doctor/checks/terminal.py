"""What can the terminal show?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, ok, warning
from llm_studio.probes.doctor.system import System, Terminal

_TRUE = ("truecolor", "24bit")
_TRUE_TERM = re.compile(r"direct|kitty|ghostty|alacritty|foot|wezterm|contour")
"""Over SSH, TERM comes along and COLORTERM does not."""


def look(system: System) -> Iterator[Finding]:
    terminal = system.terminal()
    if terminal is None:
        yield ok("not asked: the output goes to no terminal")
        return
    found = [*_size(terminal), *_colour(system), *_unicode(system, terminal), *_tmux(system)]
    if terminal.answered is False:
        found.append(
            warning(
                "the terminal answers no questions",
                "What it can do is guessed from TERM; some drawing may be slow or wrong.",
                (),
                "A terminal such as kitty, WezTerm, Ghostty, foot, iTerm2 or Windows Terminal "
                "answers.",
                part="silent",
            )
        )
    yield from found
    yield ok(", ".join(_told(system, terminal)))


def _told(system: System, terminal: Terminal) -> Iterator[str]:
    environment = system.environment
    yield terminal.name or environment.get("TERM_PROGRAM") or environment.get("TERM") or "unknown"
    yield f"{terminal.columns}x{terminal.rows}"
    yield _depth(system)
    if terminal.unicode is not None:
        yield "Unicode" if terminal.unicode else "no Unicode"
    if terminal.mouse is not None:
        yield "mouse" if terminal.mouse else "no mouse"
    if terminal.synchronized is not None:
        yield "synchronized output" if terminal.synchronized else "no synchronized output"
    if environment.get("TMUX"):
        yield "in tmux"
    elif environment.get("STY"):
        yield "in screen"
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        yield "over SSH"


def _size(terminal: Terminal) -> Iterator[Finding]:
    if terminal.columns < 80 or terminal.rows < 24:
        yield warning(
            f"it has {terminal.columns}x{terminal.rows} characters",
            "Below 80x24 parts of the screen are left out.",
            (),
            "Enlarge the window, or choose a smaller font.",
            part="size",
        )


def _depth(system: System) -> str:
    environment = system.environment
    term = environment.get("TERM", "")
    if environment.get("COLORTERM", "").lower() in _TRUE or _TRUE_TERM.search(term):
        return "true colour"
    if environment.get("TMUX") and "RGB" in _tmux_features(system):
        return "true colour"
    if "256color" in term:
        return "256 colours"
    return "no colours" if term in ("", "dumb") or term.startswith("vt") else "16 colours"


def _colour(system: System) -> Iterator[Finding]:
    depth, term = _depth(system), system.environment.get("TERM", "")
    if system.environment.get("NO_COLOR"):
        return
    if depth == "no colours":
        yield warning(
            f"TERM={term or '(unset)'}: a terminal without colours",
            "States are told by words alone, and the full-screen interface may not draw.",
            ("export TERM=xterm-256color",),
            part="colour",
        )
    elif depth == "16 colours":
        yield warning(
            f"TERM={term}: 16 colours",
            "Graphs and themes look coarse.",
            ("export TERM=xterm-256color",),
            "If the terminal can show more; the console cannot.",
            part="colour",
        )


def _unicode(system: System, terminal: Terminal) -> Iterator[Finding]:
    environment = system.environment
    name = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    utf8 = "utf-8" in name.lower() or "utf8" in name.lower()
    if not utf8 and system.platform == "linux":
        yield warning(
            f"the locale is {name or 'not set'}, which is not UTF-8",
            "Lines, bars and names with accents may come out as question marks.",
            ("export LANG=C.UTF-8",),
            part="locale",
        )
    elif terminal.unicode is False:
        yield warning(
            "the terminal does not show UTF-8, though the locale says so",
            "Lines and bars come out as odd letters.",
            (),
            "Set the terminal's own encoding to UTF-8 (in PuTTY: Window, Translation).",
            part="unicode",
        )


def _tmux_features(system: System) -> str:
    return system.run("tmux", "display-message", "-p", "#{client_termfeatures}", limit=2).out


def _tmux(system: System) -> Iterator[Finding]:
    if not system.environment.get("TMUX"):
        return
    term = system.environment.get("TERM", "")
    if not term.startswith(("tmux", "screen")):
        yield warning(
            f"TERM is {term} inside tmux",
            "Programs then speak to the wrong terminal: keys and colours go wrong.",
            ("tmux set -g default-terminal tmux-256color",),
            "Put it into ~/.tmux.conf, and open a new window.",
            part="tmux",
        )
    elif _depth(system) != "true colour":
        yield warning(
            "tmux passes on 256 colours only",
            "Graphs and themes look coarse.",
            ("tmux set -as terminal-features ',*:RGB'",),
            "Put it into ~/.tmux.conf, and attach again.",
            part="tmux",
        )


CHECK = Check("terminal", "Terminal", Group.TERMINAL, 10, look)
