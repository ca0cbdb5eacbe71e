"""All results of this home: a file a run, which is written once and never again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from pathlib import Path

from pydantic import ValidationError

from llm_studio.bench.record import Run
from llm_studio.errors import NotFound, StudioError, UsageError
from llm_studio.text import untrusted_line

LARGEST = 64 << 20


def new_id(suite: str, profile: str, now: float) -> str:
    clock = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{suite}-{profile}")[:100]
    return f"{clock}-{words}-{secrets.token_hex(2)}"


class Results:
    """Reads the disk each time it is asked, so all of it is for a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, run: Run) -> Path:
        """Keep a run. One that is there already is never replaced."""
        path = self.folder / f"{run.id}.json"
        unfinished = self.folder / f".{run.id}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(run.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, path)
        except FileExistsError:
            raise UsageError(f"There is a result {run.id} already") from None
        except OSError as error:
            raise StudioError(
                f"Cannot keep the result {run.id}", why=error.strerror or str(error),
                hint="Free some space, then measure again.",
            ) from error  # fmt: skip
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        return path

    def all(self) -> list[Run]:
        """The oldest first; files that cannot be read are left out."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(StudioError, OSError):
                found.append(parse(path.read_bytes()))
        return sorted(found, key=lambda run: run.started)

    def get(self, id_: str) -> Run:
        """By its id, what the id ends with, or `last`; also the last of a profile."""
        paths = sorted(self.folder.glob("*.json"))
        named = [path for path in paths if path.stem == id_] or [
            path for path in paths if len(id_) > 3 and path.stem.endswith(f"-{id_}")
        ]
        if len(named) == 1:
            return parse(named[0].read_bytes())
        runs = self.all()
        of_profile = [run for run in runs if id_ in ("last", run.profile)]
        if not of_profile:
            raise NotFound(
                f"There is no result {untrusted_line(id_)!r}", hint="`llm-studio bench list`"
            )
        return of_profile[-1]

    def take_in(self, raw: bytes) -> Run:
        """A result from elsewhere."""
        run = parse(raw)
        path = self.folder / f"{run.id}.json"
        if path.exists() and parse(path.read_bytes()) == run:
            return run
        self.add(run)
        return run


def parse(raw: bytes) -> Run:
    if len(raw) > LARGEST:
        raise UsageError("That is too large for a result")
    try:
        return Run.model_validate(json.loads(raw))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            "That is no result of llm-studio", why=f"{where}: {first['msg']}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError("That is no result of llm-studio", why=str(error)[:200]) from None
