"""Marks what a model did, out of the states of its berth."""

from __future__ import annotations

from llm_studio.studio.samples.marks import Marks
from llm_studio.studio.serving.state import Failure, Phase, State
from llm_studio.studio.serving.watch import AWAY


class Changes:
    """Follows one berth. The log has all this already, in the supervisor's words."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._before = State()
        self._major = Phase.STOPPED
        """The last phase that was more than a way to another."""
        self._served = ""

    def follow(self, state: State) -> None:
        before, self._before = self._before, state
        if state.phase is before.phase and state.profile == before.profile:
            return
        if state.phase is Phase.READY:
            adopted = state.engine is not None and state.engine.adopted
            self._loaded(state.profile or "", adopted=adopted)
        elif state.phase is Phase.FAILED:
            if state.failure is not None and state.failure is not before.failure:
                self._failed(state.profile or "", state.failure)
        elif state.phase is Phase.STOPPED and self._major is not Phase.STOPPED:
            about = before.profile or ""
            self._marks.add("stopped", about, state.detail or f"{about} was stopped")
        elif state.phase is Phase.ASLEEP:
            about = state.profile or before.profile or ""
            self._marks.add("asleep", about, f"{about} was idle and is unloaded")
        if state.phase not in (Phase.DRAINING, Phase.STOPPING):
            self._major = state.phase

    def _loaded(self, profile: str, *, adopted: bool) -> None:
        former, self._served = self._served, profile
        if adopted and not former:
            self._marks.add("adopted", profile, f"{profile} served on while the studio was away")
        elif former and former != profile:
            self._marks.add("switched", profile, f"{profile} is ready, in place of {former}")
        else:
            self._marks.add("loaded", profile, f"{profile} is ready")

    def _failed(self, profile: str, failure: Failure) -> None:
        crashed = self._major is Phase.READY and failure.cause not in AWAY
        kind = "crashed" if crashed else "failed"
        self._marks.add(kind, profile, f"{profile}: {failure.what}", level="error")
