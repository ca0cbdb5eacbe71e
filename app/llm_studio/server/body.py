"""The body of a request as it comes: bounded in size, and in how long it may stall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from llm_studio.studio.serving.desk import Refusal


class Body:
    """Can be read once, whole or piece by piece."""

    def __init__(self, request: web.BaseRequest, *, most: int, stall: float) -> None:
        self._request = request
        self._most = most
        self._stall = stall
        self.refusal: Refusal | None = None
        """Why it was given up: whoever sends it on only learns that it ended badly."""

    async def read(self) -> bytes:
        return b"".join([data async for data in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._pieces():
                yield data
        except Refusal as refusal:
            self.refusal = refusal
            raise

    async def _pieces(self) -> AsyncIterator[bytes]:
        request, size = self._request, 0
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # so that it does not pass for the answer
        while True:
            try:
                async with asyncio.timeout(self._stall):
                    data = await request.content.readany()
            except TimeoutError:
                raise Refusal(408, "The body did not come in time") from None
            except web.RequestPayloadError:
                raise Refusal(400, "The body is not well-formed HTTP") from None
            if not data:
                return
            size += len(data)
            if size > self._most:
                raise too_large(self._most)
            yield data


def too_large(most: int) -> Refusal:
    return Refusal(413, f"The body is larger than {most / 2**20:.3g} MiB")
