"""Claude Code in a real terminal, launched from inside the UI; and back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.agents.conftest import AgentUser
from tests.e2e.terminal import DOWN, ENTER, Terminal
from tests.standins.scripted_model import ScriptedModel

ASKED, ANSWER = b"\x1b[c", "\x1b[?62;22c"
"""What it asks the terminal, and what one answers: before that it hears no arrows."""


@pytest.fixture
def screen(agent_user: AgentUser) -> Iterator[Terminal]:
    agent_user.user.serve()
    agent_user.user.up("scripted")
    screen = Terminal(agent_user.user.environment, "ui", columns=110, rows=34)
    yield screen
    screen.close()


@pytest.mark.skipif(
    "LLM_STUDIO_TEST_AGENT_TERMINAL" not in os.environ,
    reason="keys that come too early are lost on a busy machine; set it to run this by hand",
)
def test_a_session_from_inside_the_ui_and_back(
    agent_user: AgentUser, model: ScriptedModel, screen: Terminal
) -> None:
    screen.until("● ready  scripted")
    screen.press("6")
    screen.until("2.1.")
    screen.until("Enter launch")
    screen.press(ENTER)
    screen.until("In which folder?")
    screen.press("\x15")  # Ctrl-U: what was proposed goes
    screen.press(str(agent_user.project))
    screen.until(str(agent_user.project))
    screen.press(ENTER)
    screen.until("trust this folder")
    screen.until(lambda: ASKED in screen.received)
    screen.press(ANSWER)
    screen._take(1.0)
    screen.press(DOWN)
    screen.until("❯ Yes")
    screen.press(ENTER)
    screen.until("for shortcuts")
    screen.press('call Bash {"command":"echo 6*7 is $((6*7)) > sum.txt"}')
    screen.until("sum.txt")
    screen.press(ENTER)
    screen.until("Do you want to")
    while not (agent_user.project / "sum.txt").exists():  # it hears no key in the first moment
        assert screen.process.poll() is None
        screen.press(ENTER)
        screen._take(1.0)
    screen.until("RESULT")
    (session,) = agent_user.sessions()
    assert session["alive"]
    assert session["directory"] == str(agent_user.project)
    screen.press("\x03")
    screen.until("again to exit")
    screen.press("\x03")
    screen.until("● ready  scripted")
    screen.until("ended")
    screen.until("2 requests")
    assert len(model.inferences()) == 2
    screen.press("q")
    screen.until("Leave llm-studio")
