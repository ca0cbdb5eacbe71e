"""Goose, over /v1/chat/completions; its variables outrank its configuration file."""

from __future__ import annotations

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup


def configure(seat: Seat, place: Place) -> Setup:
    return Setup(
        environment={
            "GOOSE_PROVIDER": "openai",
            "GOOSE_MODEL": MODEL,
            "GOOSE_FAST_MODEL": seat.small,
            "OPENAI_HOST": seat.gateway,
            "OPENAI_BASE_PATH": "v1/chat/completions",
            "OPENAI_API_KEY": seat.key,
            "OPENAI_TIMEOUT": "3600",
            "GOOSE_CONTEXT_LIMIT": str(seat.context),
            "GOOSE_MODE": "approve",
            "GOOSE_DISABLE_KEYRING": "1",
            "GOOSE_TELEMETRY_ENABLED": "false",
            "GOOSE_PATH_ROOT": str(place.folder),
        }
    )


AGENT = Agent(
    id="goose",
    title="Goose",
    command="goose",
    install="https://block.github.io/goose/docs/getting-started/installation",
    dialect="chat",
    configure=configure,
)
