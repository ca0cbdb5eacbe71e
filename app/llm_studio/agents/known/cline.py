"""Cline, in VS Code: what to enter in its settings."""

from __future__ import annotations

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup

_STEPS = """\
In Cline's settings, under API Configuration:
  API Provider             OpenAI Compatible
  Base URL                 {url}
  OpenAI Compatible API Key  {key}
  Model ID                 {model}
  Context Window Size      {context}
  Max Output Tokens        {output}
  Supports Images          off
"""


def configure(seat: Seat, place: Place) -> Setup:
    return Setup(
        steps=_STEPS.format(
            model=MODEL, url=seat.openai, key=seat.key, context=seat.context, output=seat.output
        )
    )


AGENT = Agent(
    id="cline",
    title="Cline",
    install="https://marketplace.visualstudio.com/items?itemName=saoudrizwan.claude-dev",
    dialect="chat",
    least_context=32768,
    note="It lives in an editor: `llm-studio agent config cline` tells what to enter there.",
    configure=configure,
)
