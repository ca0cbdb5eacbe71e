"""Anything else that speaks OpenAI's language and is told where by the usual variables."""

from __future__ import annotations

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup

_STEPS = """\
Base URL        {url}
API key         {key}
Model           {model}
Context         {context} tokens
Longest answer  {output} tokens
Time-out        3600 seconds
Samplers        leave them out: the profile's hold

As variables, for programs that read them:
export OPENAI_BASE_URL={url} OPENAI_API_BASE={url}
export OPENAI_API_KEY={key} OPENAI_MODEL={model}
"""


def configure(seat: Seat, place: Place) -> Setup:
    return Setup(
        steps=_STEPS.format(
            url=seat.openai, key=seat.key, model=MODEL, context=seat.context, output=seat.output
        )
    )


AGENT = Agent(
    id="openai",
    title="Any that speaks OpenAI",
    install="",
    dialect="chat",
    least_context=4096,
    note="`llm-studio agent config openai` tells address, key, the model's name and limits.",
    configure=configure,
)
