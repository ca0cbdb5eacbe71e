"""OpenCode, over /v1/chat/completions, with all its folders moved to a place of their own."""

from __future__ import annotations

import json

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup


def configure(seat: Seat, place: Place) -> Setup:
    limit = {"context": seat.context, "output": seat.output}
    config = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"llm-studio/{MODEL}",
        "small_model": f"llm-studio/{seat.small}",
        "enabled_providers": ["llm-studio"],
        "provider": {
            "llm-studio": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "llm-studio",
                "options": {"baseURL": seat.openai, "apiKey": seat.key, "timeout": False},
                "models": {
                    model: {"name": model, "tool_call": True, "limit": limit}
                    for model in (MODEL, seat.small)
                },
            }
        },
        "autoupdate": False,
        "share": "disabled",
        # It would run commands and edit without asking.
        "permission": {
            "edit": "ask",
            "bash": "ask",
            "webfetch": "deny",
            "external_directory": "deny",
        },
    }
    file = place.session / "opencode.json"
    folders = ("CONFIG", "DATA", "STATE", "CACHE")
    switches = ("MODELS_FETCH", "AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")
    return Setup(
        environment={
            "OPENCODE_CONFIG": str(file),
            **{f"OPENCODE_DISABLE_{switch}": "1" for switch in switches},
            **{f"XDG_{each}_HOME": str(place.folder / each.lower()) for each in folders},
        },
        files={file: json.dumps(config, indent=1)},
    )


AGENT = Agent(
    id="opencode",
    title="OpenCode",
    command="opencode",
    install="npm install -g opencode-ai",
    dialect="chat",
    tested="1.18.33",
    configure=configure,
)
