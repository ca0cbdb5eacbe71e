"""Codex CLI: OpenAI's agent, over /v1/responses, with a CODEX_HOME of its own."""

from __future__ import annotations

import json

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup

_CONFIG = """\
check_for_update_on_startup = false
web_search = "disabled"

[analytics]
enabled = false

[features]
plugins = false
apps = false
# Else two processes of it stay behind after a session.
daemon_auto_start = false
"""


def configure(seat: Seat, place: Place) -> Setup:
    # A fence around it is there already; one within the other does not work everywhere.
    sandbox = "danger-full-access" if place.jailed else "workspace-write"
    values = {
        "model": MODEL,
        "model_provider": "llm-studio",
        "model_context_window": seat.context,
        "model_auto_compact_token_limit": seat.context * 4 // 5,
        "sandbox_mode": sandbox,
        "approval_policy": "on-request",
        "model_providers.llm-studio.name": "llm-studio",
        "model_providers.llm-studio.base_url": seat.openai,
        "model_providers.llm-studio.wire_api": "responses",
        "model_providers.llm-studio.env_key": "LLM_STUDIO_AGENT_KEY",
        "model_providers.llm-studio.stream_idle_timeout_ms": 1_800_000,
    }
    return Setup(
        environment={"CODEX_HOME": str(place.folder), "LLM_STUDIO_AGENT_KEY": seat.key},
        # As arguments: its file keeps what it learns itself, such as trust in a folder.
        arguments=tuple(
            word for name, value in values.items() for word in ("-c", f"{name}={json.dumps(value)}")
        ),
        once={place.folder / "config.toml": _CONFIG},
        own_sandbox=not place.jailed,
    )


AGENT = Agent(
    id="codex",
    title="Codex CLI",
    command="codex",
    install="npm install -g @openai/codex",
    dialect="responses",
    tested="0.171.0",
    note="It sends two developer messages first, which some templates refuse.",
    configure=configure,
)
