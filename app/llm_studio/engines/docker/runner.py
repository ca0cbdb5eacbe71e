"""As whom a container runs: somebody who may read the model and the key, and little else.

Under rootless Docker and Podman that is "root" inside, which is this user outside. Elsewhere it
is this user; and where this user is root, a user that nothing else on the machine has.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llm_studio.engines.base import EngineError

NOBODYS = 10001
"""Also the user of our own images."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who this process is."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()

    @classmethod
    def now(cls) -> Me:
        return cls(os.geteuid(), os.getegid(), frozenset(os.getgroups()))


@dataclass(frozen=True, slots=True)
class Runner:
    """The user inside, and who that is outside where files must be handed over to them."""

    user: str
    groups: tuple[str, ...] = ()
    hand_to: tuple[int, int] | None = None


def runner(files: Iterable[Path], me: Me, *, rootless: bool) -> Runner:
    """Who can read all of these files."""
    if rootless:
        return Runner("0:0")
    private = [(path, path.stat()) for path in files]
    private = [(path, found) for path, found in private if not found.st_mode & stat.S_IROTH]
    uid, gid = me.uid, me.gid
    if me.uid == 0:
        uid = gid = NOBODYS
        owners = {found.st_uid for _, found in private if found.st_mode & stat.S_IRUSR}
        if len(owners) == 1 and 0 not in owners:
            uid, gid = owners.pop(), private[0][1].st_gid or NOBODYS
    groups = set()
    for path, found in private:
        if found.st_uid == uid and found.st_mode & stat.S_IRUSR:
            continue
        by_group = found.st_mode & stat.S_IRGRP and found.st_gid != 0
        if not by_group or (me.uid != 0 and found.st_gid not in me.groups | {me.gid}):
            raise EngineError(
                f"The container cannot read {path}",
                why="It runs as a user without rights of its own, and others may not read the "
                "file.",
                hint=f"Let them:  chmod o+r {path}",
            )
        if found.st_gid != gid:
            groups.add(str(found.st_gid))
    return Runner(f"{uid}:{gid}", tuple(sorted(groups)), (uid, gid) if me.uid == 0 else None)
