"""`llm-studio` alone: the terminal UI in a terminal, the profiles in a pipe."""

from __future__ import annotations

from tests.conftest import Run


def test_without_a_terminal_the_profiles_are_listed(run: Run) -> None:
    assert run().out == run("list").out
    assert run().code == 0


def test_the_ui_needs_a_terminal(run: Run) -> None:
    for words in (("ui",), ("--theme", "light"), ("--theme=light",)):
        result = run(*words)
        assert (result.code, "no terminal to draw on" in result.err) == (2, True)


def test_an_unknown_theme_is_refused(run: Run) -> None:
    result = run("--theme", "pink")
    assert result.code == 2
    assert "terminal" in result.err
