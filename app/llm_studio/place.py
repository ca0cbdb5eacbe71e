"""Where the studio's socket is. Apart, and light: whoever asks the studio begins here."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 100
"""Sockets' paths may have some 107 bytes."""


def socket_path(state: Path) -> Path:
    """The socket in the state folder; a path that is too long gets a short stand-in."""
    path = state / "studio.sock"
    if len(os.fsencode(path)) < LONGEST:
        return path
    import hashlib
    import tempfile

    short = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"llm-studio-{os.getuid()}-{short}.sock"
