"""The real Claude Code while a model loads."""

from __future__ import annotations

import time

from tests.agents.conftest import AgentUser
from tests.standins.scripted_model import Asked, ScriptedModel
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.agents.summary import NOTABLE

SHORT = ("--tools", "Bash", "--system-prompt", "Be brief.")
"""The tokens of the real engine's model are bytes."""


def test_a_session_waits_while_a_model_loads(agent_user: AgentUser, model: ScriptedModel) -> None:
    """As at its start, so in its midst, on a real engine that somebody switched to."""
    user = agent_user.user
    gate = user.hold()
    write_tiny_llama(user.models / "tiny.gguf", answer="Sure", blocks=1, heads=2)
    user.serve()
    user.switch("scripted")
    user.until(state="ready", profile="scripted")

    def switch(asked: Asked) -> None:
        if len(model.inferences()) == 1 and asked.path.startswith("/v1/messages"):
            user.switch("held")
            user.until(state="draining")  # from here on the next request waits

    model.before = switch
    process = agent_user.begin(
        "claude", "-p", 'call Bash {"command":"echo one"}', "--allowedTools", "Bash", *SHORT
    )
    user.until_counted(waiting=1)
    user.until(state="loading", profile="held")
    time.sleep(NOTABLE)  # no synchronisation: how long it waited is what is to be told
    assert process.poll() is None
    gate.open()
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out.strip()) == (0, "Sure"), err
    assert "s waiting for the model" in err
    (session,) = agent_user.sessions()
    assert session["requests"] == 2
