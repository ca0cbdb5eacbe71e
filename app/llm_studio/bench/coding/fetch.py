"""Gets a published set of tasks, by the user's own command, and checks what came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from llm_studio.bench.coding.tasks import SOURCES, load
from llm_studio.errors import NotFound, StudioError, did_you_mean

LARGEST = 256 << 20


def place(cache: Path, name: str) -> Path:
    """Where the tasks of a name are kept."""
    return cache / "bench" / f"{name}.jsonl.gz"


def fetch(
    cache: Path, name: str, told: Callable[[int], None], *, sha256: str = "", url: str = ""
) -> tuple[Path, str]:
    """The file and its checksum; one that was there and is whole stays. Blocks."""
    source = SOURCES.get(name)
    if source is None:
        raise NotFound(f"There is no set of tasks {name!r}", hint=did_you_mean(name, SOURCES))
    target = place(cache, name)
    unfinished = target.with_suffix(".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        with (
            httpx.stream("GET", url or source.url, follow_redirects=True, timeout=30) as answer,
            unfinished.open("wb") as file,
        ):
            answer.raise_for_status()
            for part in answer.iter_bytes(1 << 16):
                digest.update(part)
                size += len(part)
                if size > LARGEST:
                    raise StudioError("What came is too large")
                file.write(part)
                told(size)
        found = digest.hexdigest()
        if sha256 and found != sha256.lower():
            raise StudioError(
                "What came is not what was asked for", why=f"Its SHA-256 is {found}.",
                hint="Check the sum, and where it comes from.",
            )  # fmt: skip
        loaded = load(name, unfinished)
        if len(loaded.tasks) != source.count:
            why = f"It holds {len(loaded.tasks)} tasks, and {source.title} has {source.count}."
            raise StudioError("What came is not whole", why=why)
        unfinished.replace(target)
    except httpx.HTTPError as error:
        raise StudioError(
            f"{source.title} could not be fetched", why=str(error)[:300],
            hint=f"Get {source.url} on another machine, then: bench coding --data FILE",
        ) from error  # fmt: skip
    except OSError as error:
        raise StudioError(f"Cannot write {target}", why=error.strerror or str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target, found
