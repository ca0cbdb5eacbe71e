"""One connection to the management API: uvicorn's, which would wait for ever for slow headers, and
for any number of clients that send none."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
MOST_CONNECTIONS = 256
"""Those beyond are hung up on. Fewer than these are answered; see `limit_concurrency`."""


class ImpatientProtocol(H11Protocol):
    """Hangs up on who does not send the headers of a request in time, however many bytes come."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_timer()
        elif self._idle and self._timer is None:
            self._await_headers()

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered, so that what comes are headers."""
        return self.cycle is None or self.cycle.response_complete

    def _await_headers(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._idle:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
