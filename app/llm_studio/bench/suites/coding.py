"""The suite of coding, as it is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_studio.bench.kinds import Kind, Options, option

if TYPE_CHECKING:
    from llm_studio.bench.suite import Suite
    from llm_studio.settings import Settings


class CodingOptions(Options):
    suite: str = option("humaneval", "humaneval or mbpp", pattern=r"^[a-z0-9-]{1,30}$")
    file: str = option(
        "", "tasks in EvalPlus's format; else those that were fetched",
        flag="data", file=True, max_length=4096,
    )  # fmt: skip
    limit: int = option(0, "only so many tasks", ge=0, le=100_000)
    concurrency: int = option(0, "requests at a time; 0: as many as slots", ge=0, le=64)
    again: bool = option(False, "do not go on with an interrupted run")


def make(wish: CodingOptions, settings: Settings) -> Suite:
    from llm_studio.bench.coding.fetch import place
    from llm_studio.bench.coding.suite import CodingSuite, Wish
    from llm_studio.engines.registry import home_label

    file = Path(wish.file) if wish.file else place(settings.paths.cache, wish.suite)
    unfinished = settings.paths.state / "bench" / "unfinished"
    return CodingSuite(
        Wish(
            wish.suite, file, unfinished, home_label(settings), wish.limit, wish.concurrency,
            wish.again,
        )
    )  # fmt: skip


SUITE = Kind(
    "coding", "Coding", "how well profiles write code: HumanEval+, MBPP+, or tasks of yours",
    CodingOptions, make, order=2,
)  # fmt: skip
