"""Sends each request to the desk of the engine that serves its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from llm_studio.studio.serving.desk import Desk, RequestRecord, Target


class Reception:
    """The main engine's desk, and those of the engines beside it."""

    def __init__(
        self, main: Desk, beside: Mapping[str, Desk], profile_of: Callable[[str], str | None]
    ) -> None:
        """`beside` is by profile, and may change at any time."""
        self._main = main
        self._beside = beside
        self._profile_of = profile_of

    def glance(self, model: str = "") -> Target:
        """The engine as it stands, for a look: it waits for nothing, switches and uses nothing."""
        return self._desk(model).glance(model)

    def lease(self, record: RequestRecord) -> AbstractAsyncContextManager[Target]:
        """A place at the engine that the record's model means; waits for it, or refuses."""
        return self._desk(record.model).lease(record)

    @property
    def sessions(self) -> set[str]:
        """The agents' sessions that are being answered now."""
        return self._main.sessions.union(*(desk.sessions for desk in self._beside.values()))

    def _desk(self, model: str) -> Desk:
        named = self._profile_of(model) if model and self._beside else None
        if named and named in self._beside:
            return self._beside[named]
        if named is None and self._main.closed and self._beside:
            return next(iter(self._beside.values()))
        return self._main
