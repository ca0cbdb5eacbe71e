"""The suite of speed, as it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_studio.bench.kinds import Kind, Options, option

if TYPE_CHECKING:
    from llm_studio.bench.suite import Suite
    from llm_studio.settings import Settings


class SpeedOptions(Options):
    quick: bool = option(False, "few points, few repetitions")
    alone: bool = option(True, "measure the engine alone too, where it has a llama-bench")


def make(wish: SpeedOptions, _: Settings) -> Suite:
    from llm_studio.bench.speed_suite import SpeedSuite

    return SpeedSuite(quick=wish.quick, engine_alone=wish.alone)


SUITE = Kind(
    "speed", "Speed", "how fast profiles are, through the server and of the engine alone",
    SpeedOptions, make, order=1,
)  # fmt: skip
