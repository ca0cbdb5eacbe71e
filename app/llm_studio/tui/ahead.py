"""Asks the studio what the UI will show first, before the heavy imports: while they run the studio
answers, so that nothing is waited for later."""

from __future__ import annotations

import os
import socket

from llm_studio.client import request_for

EVENTS = "/events?samples=true"
ROUTES = (EVENTS, "/jobs", "/models", "/files")
"""As `Wire` asks for them; what is asked in other words is asked anew."""

Asked = dict[str, socket.socket]
"""The conversations that were begun, by what was asked."""


def ask(path: str | os.PathLike[str]) -> Asked:
    """None where no studio answers; the UI will find out why."""
    asked: Asked = {}
    for route in ROUTES:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)  # a studio that hangs is no reason to wait before one sees it
        try:
            connection.connect(os.fspath(path))
            connection.send(request_for("GET", route))
        except OSError:
            connection.close()
            break
        asked[route] = connection
    return asked
