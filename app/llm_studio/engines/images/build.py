"""Builds an image from one of our Dockerfiles, by BuildKit inside the Docker daemon.

BuildKit is asked over the daemon's own API. The SDK knows only the builder of old, which cannot
keep compiled files from one build to the next; and the command line needs a plug-in that many
machines lack, and might reach another daemon than the engine does.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import secrets
import tarfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.docker.seam import refused
from llm_studio.engines.images.buildkit import Steps
from llm_studio.engines.images.interrupt import Interrupt
from llm_studio.engines.images.pull import QUIET, Told
from llm_studio.engines.images.reference import OURS
from llm_studio.errors import NotFound, UsageError, did_you_mean
from llm_studio.text import untrusted, untrusted_line

SANDBOX = "llm-studio/sandbox:python"
"""Where model-written code runs."""
LAST_LINES = 8
"""Of the log, told with a failure."""
_OFFLINE = re.compile(
    r"could not resolve|temporary failure|network is unreachable|failed to connect", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One build: a Dockerfile of ours with its arguments, and what the image is called."""

    variant: str
    name: str
    arguments: Mapping[str, str]

    def checked(self) -> Recipe:
        known = variants()
        if self.variant not in known:
            raise NotFound(
                f"There is no Dockerfile for {untrusted_line(self.variant)!r}",
                hint=did_you_mean(self.variant, known) or f"There are: {', '.join(known)}.",
            )
        allowed = arguments_of(self.variant)
        for key in self.arguments:
            if key not in allowed:
                raise UsageError(
                    f"{self.variant}.Dockerfile has no argument {untrusted_line(key)!r}",
                    hint=did_you_mean(key, allowed) or f"It has: {', '.join(allowed)}.",
                )
        return self


@dataclass(frozen=True, slots=True)
class Built:
    id: str
    name: str


def name_of(variant: str) -> str:
    """What an image is called if its user does not say."""
    return SANDBOX if variant == "sandbox" else f"{OURS}:{variant}"


def folder() -> Path:
    """The Dockerfiles that come with the program: in the package, or in a checkout."""
    packaged = Path(__file__).parent / "container"
    return packaged if packaged.is_dir() else Path(__file__).parents[4] / "container"


def variants() -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder().glob("*.Dockerfile"))


def arguments_of(variant: str) -> list[str]:
    """What a Dockerfile may be told, as it says itself."""
    text = (folder() / f"{variant}.Dockerfile").read_text(encoding="utf-8")
    return list(dict.fromkeys(re.findall(r"^ARG (\w+)", text, re.MULTILINE)))


def build(
    connection: Connection, recipe: Recipe, log: Path, told: Told, interrupt: Interrupt
) -> Built:
    """Blocks until the image is made. All that the build prints goes into the log file."""
    steps, image, last = Steps(), "", 0.0
    lines: deque[str] = deque(maxlen=LAST_LINES)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    told("sending the Dockerfile", None)
    with log.open("w", encoding="utf-8") as file, connection.open() as client:
        for record in _records(client, recipe, interrupt):
            for line in steps.take(record):
                file.write(line + "\n")
                if not line.startswith("=>"):
                    lines.append(line)
            if record.get("error"):
                raise _failed(str(record["error"]), steps, list(lines), log)
            image = _image_id(record) or image
            now = time.monotonic()
            if now - last >= QUIET:
                last = now
                file.flush()
                told(steps.sentence, steps.fraction)
        if interrupt.set:
            raise EngineError("The build was ended")
        if not image:
            image = str(client.inspect_image(recipe.name)["Id"])
    return Built(image, recipe.name)


def _records(client: Any, recipe: Recipe, interrupt: Interrupt) -> Iterator[dict[str, Any]]:
    docker: Any = importlib.import_module("docker")
    build_id = secrets.token_hex(12)
    response = client._post(
        client._url("/build"),
        params={
            "version": "2",
            "dockerfile": "Dockerfile",
            "t": recipe.name,
            "buildid": build_id,
            "buildargs": json.dumps(dict(recipe.arguments)),
            "rm": "1",
            "forcerm": "1",
        },
        data=_context(recipe.variant),
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=None,
    )
    client._raise_for_status(response)
    stream = docker.types.CancellableStream(client._stream_helper(response, decode=True), response)
    interrupt.closes(_both(stream.close, lambda: _cancel(client, build_id)))
    try:
        yield from stream
    except (OSError, ValueError, AttributeError):
        if not interrupt.set:
            raise
    finally:
        response.close()


def _both(*calls: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        for call in calls:
            call()

    return run


def _cancel(client: Any, build_id: str) -> None:
    """BuildKit works on when its listener has left; it has to be told."""
    client._post(client._url("/build/cancel"), params={"id": build_id})


def _context(variant: str) -> bytes:
    """The Dockerfile alone: nothing of this machine gets into an image by accident."""
    raw = (folder() / f"{variant}.Dockerfile").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        file = tarfile.TarInfo("Dockerfile")
        file.size = len(raw)
        tar.addfile(file, io.BytesIO(raw))
    return packed.getvalue()


def _image_id(record: Mapping[str, Any]) -> str:
    aux = record.get("aux")
    return str(aux.get("ID") or "") if isinstance(aux, dict) else ""


def _failed(error: str, steps: Steps, lines: list[str], log: Path) -> EngineError:
    known = refused(error)
    if known.what != "Docker refused":
        return known
    step = next((each.name for each in steps.steps.values() if each.error), "")
    said = "\n".join(lines) or untrusted(error, limit=600)
    hint = f"The whole log: {log}"
    if _OFFLINE.search(said):
        hint = f"The build needs the network, and a name or a server was not reached. {hint}"
    return EngineError(f"The build failed{f' at {step}' if step else ''}", why=said, hint=hint)
