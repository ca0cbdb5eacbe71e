"""The suite of tool calling, as it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.bench.kinds import Kind, Options, option

if TYPE_CHECKING:
    from llm_studio.bench.suite import Suite
    from llm_studio.settings import Settings


class ToolsOptions(Options):
    limit: int = option(0, "only so many tasks", ge=0, le=1000)
    concurrency: int = option(0, "requests at a time; 0: as many as slots", ge=0, le=64)


def make(wish: ToolsOptions, _: Settings) -> Suite:
    from llm_studio.bench.tools.suite import ToolsSuite

    return ToolsSuite(limit=wish.limit, concurrency=wish.concurrency)


SUITE = Kind(
    "tools", "Tool calling", "how well profiles call functions: the right one, rightly, and when",
    ToolsOptions, make, order=3,
)  # fmt: skip
