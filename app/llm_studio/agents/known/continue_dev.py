"""Continue, in VS Code and JetBrains: an entry for its own configuration file."""

from __future__ import annotations

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup

_STEPS = """\
# Add to ~/.continue/config.yaml:
name: llm-studio
version: 1.0.0
schema: v1
models:
  - name: The model that llm-studio serves
    provider: openai
    model: {model}
    apiBase: {url}
    apiKey: {key}
    roles: [chat, edit, apply]
    capabilities: [tool_use]
    defaultCompletionOptions:
      contextLength: {context}
      maxTokens: {output}
    requestOptions:
      timeout: 3600000
"""


def configure(seat: Seat, place: Place) -> Setup:
    return Setup(
        steps=_STEPS.format(
            model=MODEL, url=seat.openai, key=seat.key, context=seat.context, output=seat.output
        )
    )


AGENT = Agent(
    id="continue",
    title="Continue",
    install="https://docs.continue.dev",
    dialect="chat",
    least_context=8192,
    note="It lives in an editor: `llm-studio agent config continue` tells what to write there.",
    configure=configure,
)
