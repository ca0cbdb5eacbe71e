"""What README.md, and other pages, tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMMAND = re.compile(r"\$ |llm-studio ")
README = Path(__file__).parents[1] / "README.md"
DOCS = sorted((README.parent / "docs").glob("*.md"))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, and its lines."""

    language: str
    lines: tuple[str, ...]


def blocks(page: Path = README) -> Iterator[Block]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S):
        yield Block(language, tuple(text.splitlines()))


def typed(page: Path = README) -> list[str]:
    """Every command line in a block, in order, without what is said about it."""
    lines = []
    for block in blocks(page):
        if block.language == "sh":
            lines += [line for line in block.lines if line.strip()]
        elif block.language == "":
            lines += [line.removeprefix("$ ") for line in block.lines if _COMMAND.match(line)]
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines]


def mentioned(page: Path = README) -> list[str]:
    """Every command of ours in a sentence."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    return re.findall(r"`(llm-studio [^`]*)`", text.replace("\n", " "))


def words(line: str) -> list[str]:
    return shlex.split(line)


def ours(line: str) -> list[str]:
    """The commands of ours in a pipeline."""
    return [part for part in re.split(r"\s\|\s", line) if part.startswith("llm-studio")]


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, as cells."""
    section = README.read_text().partition(f"\n{heading}\n")[2]
    rows = re.search(r"(?:^\|.*\n)+", section, re.M)
    assert rows is not None, heading
    split = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows[0].splitlines()[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in split]
