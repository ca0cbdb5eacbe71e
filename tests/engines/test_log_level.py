"""How much an engine logs: enough to tell what it allocates, where its build does so cheaply."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_studio.engines.abilities import log_level_in
from llm_studio.engines.arguments import log_arguments
from llm_studio.engines.embedded import help_text

HELP = (Path(__file__).parents[1] / "data" / "llama-server-help-11669.txt").read_text()


def test_the_level_is_taken_from_the_build_itself() -> None:
    assert log_level_in(HELP) == 4
    assert log_level_in(help_text()) == 4


@pytest.mark.parametrize(
    "older",
    [
        "",
        "-lv, --verbosity N  Set the verbosity threshold. - 3: info - 4: debug",
        "--log-verbosity N  messages with a higher verbosity are ignored",
        "--trace FILE  4",
    ],
)
def test_builds_without_that_level_log_as_they_do(older: str) -> None:
    assert log_level_in(older) is None
    assert log_arguments(["--model", "x"], None) == []


def test_the_profile_has_the_last_word() -> None:
    assert log_arguments(["--model", "x"], 4) == ["--log-verbosity", "4"]
    for words in (["-lv", "1"], ["--verbosity=5"], ["-v"], ["--log_verbosity", "3"],
                  ["--log-disable"]):  # fmt: skip
        assert log_arguments(["--model", "x", *words], 4) == []
