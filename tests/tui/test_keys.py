"""One list of actions: the reference in docs/ is made from it, and no two share a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_studio.tui.actions import FRAME, Action, every_action, key_name, pane_choices, reference
from llm_studio.tui.keymap import key_of, keymap_of
from llm_studio.tui.panes import PANES

DOCUMENT = Path(__file__).parents[2] / "docs" / "keys.md"


def test_the_key_reference_is_up_to_date() -> None:
    """`python -m llm_studio.tui.actions > docs/keys.md` writes it."""
    assert DOCUMENT.read_text() == reference()


def test_in_one_place_a_key_does_one_thing() -> None:
    everywhere = [key for action in (*FRAME, *pane_choices()) for key in action.keys.split(",")]
    assert len(everywhere) == len(set(everywhere))
    for pane in PANES:
        here = [key for action in pane.actions for key in action.keys.split(",")]
        assert len(here) == len(set(here)), pane.id
        assert not set(here) & set(everywhere), pane.id


def test_ids_are_of_their_place_and_unique() -> None:
    every = every_action()
    assert len(every) == len(FRAME) + len(PANES) + sum(len(pane.actions) for pane in PANES)
    for pane in PANES:
        assert all(action.where == pane.id for action in pane.actions)


def test_every_action_has_a_method() -> None:
    from llm_studio.tui.app import StudioApp

    for action in FRAME:
        assert hasattr(StudioApp, _method(action)), action.id
    for pane in PANES:
        widget = type(pane.create())
        for action in pane.actions:
            assert hasattr(widget, _method(action)), action.id


def test_keys_as_they_are_written() -> None:
    assert [key_name(key) for key in ("ctrl+p", "question_mark", "f1", "X", "escape")] == [
        "Ctrl+P", "?", "F1", "X", "Esc",
    ]  # fmt: skip


def _method(action: Action) -> str:
    """The name of the method that does it, without what it is given."""
    return "action_" + action.method.partition("(")[0]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("P", "P"), ("Ctrl+P", "ctrl+p"), ("?", "question_mark"), ("/", "slash"), ("+", "plus"),
        ("Esc", "escape"), ("PgUp", "pageup"), ("F5", "f5"), ("=", "equals_sign"), (" m ", "m"),
        ("shift+p", "P"), ("Ctrl++", "ctrl+plus"), ("comma", "comma"), ("Shift+Tab", "shift+tab"),
        ("slashh", None), ("strg+x", None), ("", None), ("ctrl+", None), ("f99", None),
    ],
)  # fmt: skip
def test_keys_as_users_write_them(written: str, key: str | None) -> None:
    assert key_of(written) == key


def test_every_key_can_be_given_as_the_reference_writes_it() -> None:
    for action in every_action().values():
        for key in action.keys.split(","):
            assert key_of(key) == key_of(key_name(key)) is not None
            assert key_of(key_name(key)) == key or key in ("ctrl+c", "equals_sign"), key


def test_what_would_not_work_is_told_and_the_rest_works() -> None:
    keymap, wrong = keymap_of(
        {
            "models.sort": "f, Ctrl+O", "models.nosuch": "z", "app.pick": "slashh",
            "logs.wrap": "q", "monitor.window": "f",
        }
    )  # fmt: skip
    assert keymap == {"models.sort": "f,ctrl+o", "logs.wrap": "q", "monitor.window": "f"}
    assert wrong == [
        "there is no action models.nosuch; docs/keys.md lists them",
        "slashh is no key, so app.pick keeps its own",
        "q is the key of app.quit and of logs.wrap",
        "f is the key of models.sort and of models.form",
    ]


def test_two_actions_can_change_their_keys() -> None:
    assert keymap_of({"models.sort": "f", "models.form": "o"})[1] == []
