"""What a command does not understand is told as every other failure: what, and what to do."""

from __future__ import annotations

import pytest

from llm_studio.cli import main


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("status --jsn", "`llm-studio status` has no option '--jsn'", "Did you mean '--json'?"),
        ("bench speed --qick", "has no option '--qick'", "Did you mean '--quick'?"),
        ("bench sped", "There is no action 'sped'", "Did you mean 'speed'?"),
        ("completion tcsh", "There is no shell 'tcsh'", "There are: bash, zsh, fish."),
        ("token x", "`llm-studio token` takes no 'x'", "`llm-studio token --help` tells more."),
        ("logs -n x", "invalid int value: 'x'", "`llm-studio logs --help` tells more."),
        ("image use", "arguments are required: name", "`llm-studio image use --help` tells more."),
    ],
)
def test_wrong_words_are_told_with_the_right_ones(
    capsys: pytest.CaptureFixture[str], line: str, what: str, hint: str
) -> None:
    assert main(line.split()) == 2
    out, told = capsys.readouterr()
    assert out == ""
    assert what in told
    assert hint in told.replace("\n    ", " ")
    assert "usage:" not in told


def test_wrong_words_control_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--\x1b]0;x\x07"]) == 2
    assert "\x1b" not in capsys.readouterr().err
