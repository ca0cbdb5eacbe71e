"""Qwen Code, over /v1/chat/completions, with a home of its own for its settings."""

from __future__ import annotations

import json
import os

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup


def configure(seat: Seat, place: Place) -> Setup:
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "model": {
            "name": MODEL,
            "generationConfig": {"timeout": 3_600_000, "contextWindowSize": seat.context},
        },
        "tools": {"approvalMode": "default"},
    }
    return Setup(
        environment={
            "OPENAI_BASE_URL": seat.openai,
            "OPENAI_API_KEY": seat.key,
            "OPENAI_MODEL": MODEL,
            # It knows no other way to keep its settings apart; git still finds the user's name.
            "HOME": str(place.folder),
            "GIT_CONFIG_GLOBAL": os.path.expanduser("~/.gitconfig"),
        },
        files={place.folder / ".qwen" / "settings.json": json.dumps(settings, indent=1)},
    )


AGENT = Agent(
    id="qwen",
    title="Qwen Code",
    command="qwen",
    install="npm install -g @qwen-code/qwen-code",
    dialect="chat",
    tested="0.15.10",
    configure=configure,
)
