"""GitHub Copilot: stated honestly."""

from __future__ import annotations

from llm_studio.agents.agent import Agent

AGENT = Agent(
    id="copilot",
    title="GitHub Copilot",
    install="https://github.com/features/copilot",
    note="It computes on GitHub's servers. VS Code's chat can be given further models by their "
    "address (Manage Models), still signed in to GitHub; completions cannot. Nothing of this was "
    "tried here: Continue or Cline do the same without an account.",
)
