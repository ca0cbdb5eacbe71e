"""The line above the input: what answers, how full its context is, what goes along."""

from __future__ import annotations

from typing import Any

from textual.strip import Strip

from llm_studio.tui.figures import tokens
from llm_studio.tui.panes.chat.entry import waiting
from llm_studio.tui.panes.chat.model import Message, Talk
from llm_studio.tui.widgets.painted import Painted, Part

NEARLY_FULL = 0.85
_SHORT = {
    "temperature": "temp", "top_p": "top-p", "top_k": "top-k", "min_p": "min-p", "seed": "seed",
    "max_tokens": "longest", "reasoning_level": "reasoning",
}  # fmt: skip


class ChatStatus(Painted):
    DEFAULT_CSS = "ChatStatus { height: 1; margin-top: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Part] = []

    def show(self, parts: list[Part]) -> None:
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return self.line([(" ", ""), *self._parts], self.size.width, "mark")


def status_of(talk: Talk, facts: dict[str, Any], compared: str = "") -> list[Part]:
    """The most urgent first, for the line may be short."""
    parts: list[Part] = []
    running = talk.running
    if running:
        parts += _progress(running[0])
    else:
        parts += _answerer(facts)
    if compared:
        parts += [("  beside ", "dim"), (compared, "accent")]
    parts += _fill(talk, facts)
    if talk.private:
        parts += [("  private: kept nowhere", "good")]
    if talk.unsaved:
        parts += [(f"  not on the disk: {talk.unsaved}", "bad")]
    if not running:
        parts += [(f"  {told}", "dim") for told in settings_told(facts)]
    return parts


def _answerer(facts: dict[str, Any]) -> list[Part]:
    profile = str(facts.get("profile") or "")
    if facts.get("ready"):
        return [("● ", "good"), (profile, "strong")]
    if profile:
        return [("○ ", "dim"), (profile, "strong"), (" is not loaded", "warn")]
    return [("○ ", "dim"), ("no model: F2 picks one", "warn")]


def _progress(message: Message) -> list[Part]:
    figures = message.figures
    if not message.text and not message.thought:
        return [("◐ ", "accent"), (waiting(message), "")]
    parts: list[Part] = [("◐ ", "accent"), ("answering" if message.text else "thinking", "")]
    if figures.speed:
        parts.append((f"  {figures.speed:.0f} tok/s", "strong"))
    if figures.generated_tokens:
        parts.append((f"  {figures.generated_tokens:,} tokens", "dim"))
    return [*parts, ("  Esc stops", "dim")]


def _fill(talk: Talk, facts: dict[str, Any]) -> list[Part]:
    """How full the context is after the last answer."""
    last = next((each for each in reversed(talk.path) if each.figures.used), None)
    used = last.figures.used if last else 0
    fits = (last.figures.context if last else None) or facts.get("context")
    if not fits:
        return []
    share = (used or 0) / fits
    told = f"  context {used:,} of {tokens(fits)}"
    if share >= NEARLY_FULL:
        return [(told, "warn"), (f" nearly full ({share:.0%}): z summarises", "warn")]
    return [(told, "dim")]


def settings_told(facts: dict[str, Any]) -> list[str]:
    """The settings that somebody set, in a few words."""
    told = []
    for each in facts.get("settings", ()):
        key, value = each["key"], each["value"]
        if value is None or each["origin"] == "engine":
            continue
        if key == "system_prompt":
            told.append("system prompt")
        elif key in ("json_schema", "grammar"):
            told.append(key.replace("_", " "))
        elif key in _SHORT:
            told.append(f"{_SHORT[key]} {value}")
    return told
