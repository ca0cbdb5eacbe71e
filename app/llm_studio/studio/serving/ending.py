"""Why an engine ended, from its exit code, the words of Docker or the system, and its log."""

from __future__ import annotations

from llm_studio.engines.base import Engine, Running, Vitals
from llm_studio.engines.failures import Ended, explain
from llm_studio.errors import StudioError
from llm_studio.studio.serving.follow import LogFollower
from llm_studio.studio.serving.state import Failure

TOLD = 20
"""Last lines that are shown with a failure."""


async def explained(
    running: Running, engine: Engine, follower: LogFollower | None, vitals: Vitals | None = None
) -> Failure:
    """Reads the log to its end first: the cause is often in the last lines."""
    lines: tuple[str, ...] = ()
    if follower is not None:
        await follower.finish()
        lines = follower.last_lines
    ended = vitals or await _vitals(running, engine)
    found = explain(Ended(ended.exit_code, ended.out_of_memory, ended.error, lines))
    if ended.gone:
        found = explain(Ended(error="the container or process was removed", lines=lines))
    return Failure(
        found.cause, found.what, found.why, found.hint, ended.exit_code, ended.out_of_memory,
        lines[-TOLD:],
    )  # fmt: skip


async def _vitals(running: Running, engine: Engine) -> Vitals:
    """How it ended; or why nobody can tell, as when Docker ended with it."""
    try:
        return await engine.vitals(running)
    except StudioError as error:
        return Vitals(False, error=" ".join(filter(None, (f"{error.what}.", error.why))))
