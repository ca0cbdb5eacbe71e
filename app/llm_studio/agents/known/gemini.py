"""Gemini CLI: stated honestly."""

from __future__ import annotations

from llm_studio.agents.agent import Agent

AGENT = Agent(
    id="gemini",
    title="Gemini CLI",
    command="gemini",
    install="npm install -g @google/gemini-cli",
    note="It speaks Google's API alone, which llama.cpp does not have. Through a LiteLLM proxy "
    "that translates, it has worked (0.61.0); llm-studio does not set that up. Qwen Code is its "
    "sibling for OpenAI's API.",
)
