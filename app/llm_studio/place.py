"""Where the studio's socket is. Apart, and light: whoever asks the studio begins here."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST = 100
"""Sockets' paths may have some 107 bytes."""


def state_folder(environment: Mapping[str, str]) -> str:
    """Where the state is, as `settings` finds it but without its imports; "" where it alone can
    tell."""
    home = environment.get("LLM_STUDIO_HOME")
    if home:
        return os.path.join(os.path.abspath(os.path.expanduser(home)), "state")
    if sys.platform != "linux":
        return ""
    base = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "llm-studio")


def socket_path(state: Path) -> Path:
    """The socket in the state folder; a path that is too long gets a short stand-in."""
    from pathlib import Path

    return Path(socket_name(str(state)))


def socket_name(state: str) -> str:
    path = os.path.join(state, "studio.sock")
    if len(os.fsencode(path)) < LONGEST:
        return path
    import hashlib
    import tempfile

    short = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), f"llm-studio-{os.getuid()}-{short}.sock")
