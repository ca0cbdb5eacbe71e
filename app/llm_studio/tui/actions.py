"""Everything that can be done, said once: bindings, palette, help and docs/keys.md come from here.

Actions of the frame are listed here, those of a pane beside the pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a user can do. Its method is `action_` and the last part of its id."""

    id: str
    """Where it works and what it is called, like "models.load"; settings remap keys by it."""
    keys: str
    """The keys that do it unless remapped, separated by commas."""
    title: str
    """What it does, in a few words."""
    doc: str
    footer: str = ""
    """The word for it in the footer; empty where it is not worth the room."""
    palette: bool = True
    """Whether it makes sense outside its place (moving a cursor does not)."""
    does: str = ""
    """Textual's action, where that is not the last part of the id."""

    @property
    def where(self) -> str:
        return self.id.partition(".")[0]

    @property
    def method(self) -> str:
        return self.does or self.id.partition(".")[2]


FRAME = (
    Action("app.help", "question_mark,f1", "Help", "Show the keys that work here.", "help"),
    Action(
        "app.palette", "ctrl+p", "Command palette", "Find any action by name and do it.",
        "commands", palette=False,
    ),
    Action(
        "app.pick", "m,f2", "Pick a model",
        "Find a profile by name and load it, or switch to it, from anywhere; fetch its model first "
        "where it is not here.", "model",
    ),
    Action(
        "app.quit", "q", "Detach",
        "Leave the terminal UI. The studio goes on; the model too, unless you choose to stop it.",
        "detach",
    ),
    Action(
        "app.stop", "S", "Stop the model",
        "Stop serving, once the requests that run are done. Asks first if any do.",
    ),
    Action(
        "app.cancel", "ctrl+x", "Cancel what is under way",
        "Cancel the load or switch that runs now.", "cancel",
    ),
    Action(
        "app.refresh", "ctrl+r", "Read everything again",
        "Read profiles and model files from the disk again; start a studio that was ended.",
    ),
    Action(
        "app.failure", "F", "Why it failed", "Show why the last load failed, with its log.", "why"
    ),
    Action("app.theme", "ctrl+t", "Next theme", "Dark, light, or the terminal's own colours."),
    Action("app.density", "ctrl+d", "Compact or roomy", "Use the room for content, or for calm."),
    Action(
        "app.redraw", "ctrl+l", "Draw the screen again",
        "Send the whole screen anew, as after another program wrote over it.", palette=False,
        does="redraw_terminal",
    ),
    Action(
        "app.suspend", "ctrl+z", "Suspend", "Back to the shell; `fg` returns.", palette=False
    ),
)  # fmt: skip
"""What works everywhere."""


def bindings_of(actions: Iterable[Action]) -> list[Binding]:
    """Textual's bindings for some actions; their ids let the user's keys take their place."""
    return [
        Binding(
            action.keys,
            action.method,
            action.footer or action.title,
            id=action.id,
            show=bool(action.footer),
            tooltip=action.doc,
        )
        for action in actions
    ]


def pane_choices() -> list[Action]:
    """The actions that go to a pane."""
    from llm_studio.tui.panes import PANES

    return [
        Action(
            f"app.show_{pane.id}", str(pane.number), pane.title, f"Go to the pane {pane.title}.",
            does=f"show('{pane.id}')",
        )
        for pane in PANES
    ]  # fmt: skip


def every_action() -> dict[str, Action]:
    """All actions by their ids, those of the panes too."""
    from llm_studio.tui.panes import PANES

    actions = [*FRAME, *pane_choices(), *(action for pane in PANES for action in pane.actions)]
    return {action.id: action for action in actions}


KEY_NAMES = {
    "question_mark": "?", "slash": "/", "plus": "+", "minus": "-", "equals_sign": "=",
    "ampersand": "&", "less_than_sign": "<", "greater_than_sign": ">", "escape": "Esc",
    "enter": "Enter", "space": "Space", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "tab": "Tab", "delete": "Del", "up": "Up", "down": "Down", "left": "Left",
    "right": "Right", "left_square_bracket": "[", "right_square_bracket": "]",
}  # fmt: skip
"""Textual's names of keys, and what stands on them."""


def key_name(key: str) -> str:
    """A key as it is written on the keyboard."""
    *modifiers, last = key.strip().split("+")
    names = {"ctrl": "Ctrl", "shift": "Shift", "alt": "Alt"}
    shown = KEY_NAMES.get(last, last.upper() if last[:1] == "f" and last[1:].isdigit() else last)
    shown = shown.upper() if modifiers and len(shown) == 1 else shown
    return "+".join([*(names.get(each, each) for each in modifiers), shown])


def keys_of(action: Action, remapped: Mapping[str, str]) -> str:
    """The keys of an action, as people write them."""
    return " ".join(key_name(key) for key in remapped.get(action.id, action.keys).split(","))


def reference() -> str:
    """docs/keys.md."""
    from llm_studio.tui.panes import PANES

    places = [
        ("Everywhere", [*FRAME, *pane_choices()]),
        *((pane.title, pane.actions) for pane in PANES),
    ]
    lines = [
        "# Keys",
        "",
        "Made from the program's own list of actions. Each can be given other keys in the config",
        "file, by its id:",
        "",
        "```toml",
        "[keys]",
        '"app.pick" = "m, Ctrl+O"',
        "```",
        "",
        "Keys are written as here; commas separate several. The terminal UI says at its start what",
        "is no key, and which key two actions share.",
        "",
        "Tab and Shift+Tab go from part to part; arrows, PgUp, PgDn, Home and End move. The mouse",
        "works too, and is needed nowhere.",
    ]
    for title, actions in places:
        lines += ["", f"## {title}", "", "| keys | | id |", "| --- | --- | --- |"]
        lines += [
            f"| {keys_of(action, {})} | {action.title}. {action.doc} | `{action.id}` |"
            for action in actions
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
