"""The studio's keys: made once, in files that the user alone can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def token_of(state: Path) -> str:
    """The key for writing over the management API."""
    return _kept(state / "token")


def gateway_key_of(state: Path) -> str:
    """The key for inference, where the gateway asks for one."""
    return _kept(state / "gateway-key")


def _kept(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        kept = path.read_text(encoding="ascii").strip()
        if len(kept) >= 32:
            return kept
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = secrets.token_urlsafe(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token
