"""What a terminal is taken to be able to do."""

from __future__ import annotations

import pytest

from llm_studio.tui.output.abilities import abilities


@pytest.mark.parametrize(
    ("environment", "repeats"),
    [
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "tmux-256color"}, False),  # 3.3 repeats no letter beyond ASCII
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-kitty", "STY": "1.screen"}, False),
        ({}, False),
    ],
)
def test_repetition_is_asked_of_terminals_that_know_it(
    environment: dict[str, str], repeats: bool
) -> None:
    assert abilities(environment).repeats is repeats
