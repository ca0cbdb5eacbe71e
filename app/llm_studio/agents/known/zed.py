"""Zed's agent panel: an entry for the editor's settings."""

from __future__ import annotations

import json

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup


def configure(seat: Seat, place: Place) -> Setup:
    settings = {
        "language_models": {
            "openai_compatible": {
                "llm-studio": {
                    "api_url": seat.openai,
                    "available_models": [
                        {
                            "name": MODEL,
                            "display_name": "The model that llm-studio serves",
                            "max_tokens": seat.context,
                            "max_output_tokens": seat.output,
                            "capabilities": {"tools": True, "images": False},
                        }
                    ],
                }
            }
        },
        "agent": {"default_model": {"provider": "llm-studio", "model": MODEL}},
    }
    return Setup(
        steps="// Add to Zed's settings.json (zed: open settings); start the editor with\n"
        f"// LLM_STUDIO_API_KEY={seat.key} in its environment, or give it that as the key.\n"
        + json.dumps(settings, indent=2)
        + "\n"
    )


AGENT = Agent(
    id="zed",
    title="Zed",
    install="https://zed.dev/download",
    dialect="chat",
    note="It is an editor: `llm-studio agent config zed` tells what to write in its settings.",
    configure=configure,
)
