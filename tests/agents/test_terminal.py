"""Claude Code in a real terminal, launched from inside the UI; and back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.agents.conftest import AgentUser
from tests.e2e.terminal import ENTER, Terminal
from tests.standins.scripted_model import ScriptedModel

PICTURE = b"\x1b[?1049h"
"""What a program of the whole screen begins with."""


@pytest.fixture
def screen(fenced: AgentUser) -> Iterator[Terminal]:
    fenced.user.serve()
    fenced.user.up("scripted")
    _trust(fenced)
    screen = Terminal(fenced.user.environment, "ui", columns=110, rows=34)
    yield screen
    screen.close()


def _trust(fenced: AgentUser) -> None:
    """As it is once the user said yes: that question takes no key before it has stood a while."""
    folder = fenced.user.state / "agents" / "claude"
    folder.mkdir(parents=True)
    projects = {str(fenced.project): {"hasTrustDialogAccepted": True}}
    known = {"hasCompletedOnboarding": True, "projects": projects}
    (folder / ".claude.json").write_text(json.dumps(known))


def test_a_session_from_inside_the_ui_and_back(
    fenced: AgentUser, fence: str, model: ScriptedModel, screen: Terminal
) -> None:
    made = fenced.project / "sum.txt"
    screen.until("● ready  scripted")
    screen.press("6")
    screen.until("2.1.")
    screen.until("Enter launch")
    screen.press(ENTER)
    screen.until("In which folder?")
    # In one burst, as over SSH: what was proposed goes, another folder comes.
    screen.press(f"\x15{fenced.project}")
    screen.until(str(fenced.project))
    screen.press(ENTER)
    screen.until("for shortcuts")
    screen.press('call Bash {"command":"echo 6*7 is $((6*7)) > sum.txt"}')
    screen.until("sum.txt")
    screen.press(ENTER)
    screen.until("Do you want to")
    screen.insist(ENTER, made.exists)  # it hears no key in the first moment
    screen.until("RESULT")
    (session,) = fenced.sessions()
    assert session["alive"]
    assert session["protection"] == fence
    assert session["directory"] == str(fenced.project)
    screen.insist("\x03", "again to exit", every=1.0)
    screens = screen.received.count(PICTURE)
    screen.insist("\x03", lambda: screen.received.count(PICTURE) > screens, every=0.5)
    screen.until("● ready  scripted")
    screen.until("ended")
    screen.until("2 requests")
    assert len(model.inferences()) == 2
    screen.press("q")
    screen.until("Leave llm-studio")
