"""The suite of perplexity, as it is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_studio.bench.kinds import Kind, Options, option

if TYPE_CHECKING:
    from llm_studio.bench.suite import Suite
    from llm_studio.settings import Settings


class PerplexityOptions(Options):
    file: str = option("", "the text, in UTF-8", flag="data", file=True, max_length=4096)
    windows: int = option(8, "windows of the text; 0: all of it", ge=0, le=100_000)
    length: int = option(512, "tokens of a window", ge=16, le=1 << 20)
    concurrency: int = option(0, "requests at a time; 0: as many as slots", ge=0, le=64)


def make(wish: PerplexityOptions, _: Settings) -> Suite:
    from llm_studio.bench.perplexity.suite import PerplexitySuite

    return PerplexitySuite(
        file=Path(wish.file) if wish.file else None, windows=wish.windows, length=wish.length,
        concurrency=wish.concurrency,
    )  # fmt: skip


SUITE = Kind(
    "perplexity", "Perplexity", "how well profiles foretell a text of yours",
    PerplexityOptions, make, order=4,
)  # fmt: skip
