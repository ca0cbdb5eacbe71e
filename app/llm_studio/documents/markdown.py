"""Text as Markdown wants it."""

from __future__ import annotations


def cell(text: str) -> str:
    """A text in a table."""
    return text.replace("|", "\\|").replace("\n", " ")
