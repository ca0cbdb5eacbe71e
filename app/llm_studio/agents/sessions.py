"""What agents were launched from here, and how they fared: one small file a session."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llm_studio.birth import birth, born, same_process
from llm_studio.journal import restored
from llm_studio.storage import write_atomically

KEPT = 40
"""Sessions that ended are remembered so many."""


@dataclass(frozen=True, slots=True)
class Session:
    """One run of an agent."""

    id: str
    agent: str
    directory: str
    profile: str
    context: int
    protection: str
    pid: int
    born: float
    started: float
    birth: str = ""
    """`born` by a clock that nobody sets; "" in records of earlier releases."""
    ended: float | None = None
    code: int | None = None
    sums: dict[str, Any] | None = None
    """What its requests came to, once it has ended."""

    @property
    def alive(self) -> bool:
        return self.ended is None and same_process(self.pid, self.born, self.birth) is not None


class Sessions:
    """The files of them."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "agents" / "sessions"

    def begin(
        self, agent: str, directory: Path, *, id_: str, profile: str, context: int, protection: str
    ) -> Session:
        """A session of this very process, which stays for as long as the agent runs."""
        session = Session(
            id=id_,
            agent=agent,
            directory=str(directory),
            profile=profile,
            context=context,
            protection=protection,
            pid=os.getpid(),
            born=born(os.getpid()),
            started=time.time(),
            birth=birth(os.getpid()),
        )
        self._write(session)
        return session

    def end(self, session: Session, code: int, sums: dict[str, Any] | None) -> Session:
        ended = replace(session, ended=time.time(), code=code, sums=sums)
        self._write(ended)
        for old in [each for each in self.all() if not each.alive][KEPT:]:
            self._path(old.id).unlink(missing_ok=True)
        return ended

    def all(self) -> list[Session]:
        """The newest first."""
        found = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError):
                session = restored(Session, path.read_bytes())
                if session is not None:
                    found.append(session)
        return sorted(found, key=lambda each: -each.started)

    def _write(self, session: Session) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._path(session.id), json.dumps(asdict(session)) + "\n", mode=0o600)

    def _path(self, id_: str) -> Path:
        return self._folder / f"{id_}.json"


def new_id() -> str:
    return secrets.token_hex(4)


def key_for(gateway_key: str, session: str) -> str:
    """The key that an agent is given: the gateway reads the session off its end."""
    return f"{gateway_key or 'llm-studio'}~{session}"
