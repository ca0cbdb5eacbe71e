"""Aider: edits by the text of the answer alone, so it works with models that call no tools."""

from __future__ import annotations

import json

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup


def configure(seat: Seat, place: Place) -> Setup:
    known = {
        "max_input_tokens": seat.context,
        "max_output_tokens": seat.output,
        "max_tokens": seat.output,
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }
    metadata = place.session / "models.json"
    models = {f"openai/{model}": known for model in (MODEL, seat.small)}
    return Setup(
        environment={
            "OPENAI_API_BASE": seat.openai,
            "OPENAI_API_KEY": seat.key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        arguments=(
            "--model", f"openai/{MODEL}",
            "--weak-model", f"openai/{seat.small}",
            "--model-metadata-file", str(metadata),
            "--analytics-disable",
            "--no-check-update",
            "--no-show-release-notes",
            "--timeout", "3600",
        ),
        files={metadata: json.dumps(models, indent=1)},
    )  # fmt: skip


AGENT = Agent(
    id="aider",
    title="Aider",
    command="aider",
    install="uv tool install --python 3.12 aider-chat",
    dialect="chat",
    tested="0.86.2",
    least_context=8192,
    tools=False,
    note="It keeps its history in the project, in files .aider.*",
    configure=configure,
)
