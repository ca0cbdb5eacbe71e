"""The one place where failures of Docker, and of the libraries below it, become ours.

EngineError       Docker refused, and said why
├── Unreachable   Docker did not answer: what it runs is unknown, not ended
├── ImageMissing  the image is not on this machine
└── ContainerGone nothing is left of the container
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llm_studio.engines.base import EngineError
from llm_studio.text import untrusted_line


class Unreachable(EngineError):
    """Docker did not answer."""


class ImageMissing(EngineError):
    """The image is not here."""


class ContainerGone(EngineError):
    """There is no such container any more."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Docker says in some words of its own, and what it means in ours."""

    said: re.Pattern[str]
    what: str
    hint: str = ""


def _refusal(said: str, what: str, hint: str = "") -> Refusal:
    return Refusal(re.compile(said, re.IGNORECASE), what, hint)


_TOOLKIT = (
    "Install the NVIDIA Container Toolkit, then:  sudo nvidia-ctk runtime configure "
    "--runtime=docker && sudo systemctl restart docker"
)
REFUSALS = (
    _refusal(
        r'could not select device driver "cdi"|unresolvable CDI devices',
        "This Docker cannot hand out GPUs by CDI",
        "It needs Docker 25 with CDI enabled, or the NVIDIA Container Toolkit.",
    ),
    _refusal(
        r"could not select device driver|unknown runtime specified nvidia"
        r"|nvidia-container-(cli|runtime)",
        "Containers cannot use the GPUs of this machine",
        _TOOLKIT,
    ),
    _refusal(
        r"port is already allocated",
        "Another container has the engine's port",
        "`docker ps` shows which; starting again takes another port.",
    ),
    _refusal(
        r"address already in use",
        "Another program has the engine's port",
        "Starting again takes another port.",
    ),
    _refusal(
        r"bind source path does not exist|error stat'ing .* no such file|statfs .* no such file",
        "Docker cannot see a file that the profile needs",
        "Where Docker runs in a virtual machine, share the models folder with it.",
    ),
    _refusal(
        r"mounts denied|not shared from the host",
        "Docker may not mount a file that the profile needs",
        "Share its folder in the settings of Docker Desktop.",
    ),
    _refusal(
        r"(exec|executable file|entrypoint|starting container process).*"
        r"(not found|no such file or directory|permission denied)",
        "The image has no llama-server that can be run",
        "Choose another image:  llm-studio image list",
    ),
    _refusal(
        r"minimum memory limit|range of CPUs",
        "Docker refuses the limits of the container",
        "Raise the memory limit, or ask for no more CPUs than there are.",
    ),
    _refusal(r"can't create 'AutoRemove' container", "Docker refuses the restart policy"),
    _refusal(r"is already in use by container", "Another container has this name"),
    _refusal(r"cannot remove a running container", "The container runs still", "Stop it first."),
    _refusal(r"is paused", "The container is paused", "Resume it:  docker unpause NAME"),
    _refusal(r"is not running", "The container has ended"),
    _refusal(r"does not support reading", "The logs of this container are off"),
    _refusal(
        r"no space left on device",
        "The disk of Docker is full",
        "`docker system df` shows what fills it.",
    ),
    _refusal(
        r"manifest (for \S+ )?(unknown|not found)|manifest unknown",
        "The registry has no such image",
        "Check its name and its tag.",
    ),
    _refusal(
        r"verification failed|invalid checksum|unexpected EOF|failed commit on ref"
        r"|error pulling image configuration: unexpected",
        "What came from the registry is broken",
        "Try again; if it stays so, the image itself is broken.",
    ),
    _refusal(
        r"toomanyrequests|too many requests|rate limit",
        "The registry wants fewer requests",
        "Wait for a while, or log in:  docker login",
    ),
    _refusal(
        r"unauthorized|authentication required|access.*denied|denied: ",
        "The registry does not let you have this image",
        "Check its name, or log in:  docker login",
    ),
    _refusal(
        r"connection refused|no such host|i/o timeout|network is unreachable|TLS handshake timeout",
        "The image registry cannot be reached",
        "Check the network of this machine, and the proxy that Docker uses.",
    ),
    _refusal(
        r"client version \S+ is too (new|old)",
        "This version of Docker does not fit",
        "Update Docker, or the package:  pip install --upgrade docker",
    ),
)
"""In this order, the first that fits; a text may fit several."""


@contextlib.contextmanager
def seam(where: str, *, image: str = "") -> Iterator[None]:
    """Calls of Docker stand inside this; `where` says which daemon, for the user."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        told = meaning(error, where, image=image)
        if told is None:
            raise
        for inner in _cause(error)[1:]:
            # A connection that failed keeps its socket open for as long as this is remembered.
            traceback.clear_frames(inner.__traceback__)
        raise told from error


def meaning(error: BaseException, where: str, *, image: str = "") -> EngineError | None:
    """What a failure means to the user; nothing, if it is a fault of ours."""
    docker: Any = importlib.import_module("docker.errors")
    requests: Any = importlib.import_module("requests.exceptions")
    urllib3: Any = importlib.import_module("urllib3.exceptions")
    known = (docker.DockerException, requests.RequestException, urllib3.HTTPError, OSError)
    if not isinstance(error, known):
        return None
    if isinstance(error, docker.ImageNotFound):
        return image_missing(image or "the image")
    if isinstance(error, docker.NotFound) and _said(error).lower().startswith("no such container"):
        return ContainerGone("The container is gone", why="Somebody has removed it.")
    if isinstance(error, docker.APIError):
        return refused(_said(error) or str(error))
    cause = _cause(error)
    timeouts = (requests.Timeout, urllib3.TimeoutError, TimeoutError)
    if any(isinstance(each, timeouts) or "timed out" in str(each) for each in cause):
        return Unreachable(
            "Docker answers slowly", why=f"It did not answer in time at {where}.",
            hint="If this stays so, restart it:  sudo systemctl restart docker",
        )  # fmt: skip
    by_number = _by_number(next((each for each in map(_errno, cause) if each), 0), where)
    if by_number is not None:
        return by_number
    lost = (requests.ConnectionError, requests.ChunkedEncodingError, urllib3.HTTPError, OSError)
    if isinstance(error, lost) and not isinstance(
        error, (requests.InvalidURL, docker.TLSParameterError)
    ):
        return Unreachable(
            "The connection to Docker was lost", why=f"{where}: {untrusted_line(str(error))}"
        )
    return EngineError(
        "Docker cannot be used", why=f"{where}: {untrusted_line(str(error), limit=400)}",
        hint="`docker version` shows whether it works without llm-studio.",
    )  # fmt: skip


def image_missing(image: str) -> ImageMissing:
    return ImageMissing(
        f"There is no image {untrusted_line(image)} on this machine",
        hint="Get one:  llm-studio image pull  or  llm-studio image build",
    )


def refused(said: str) -> EngineError:
    """What Docker's words mean; it also says them inside streams that are no errors to the SDK."""
    for refusal in REFUSALS:
        if refusal.said.search(said):
            return EngineError(refusal.what, why=untrusted_line(said, limit=400), hint=refusal.hint)
    return EngineError("Docker refused", why=untrusted_line(said, limit=400))


def _said(error: Any) -> str:
    said = error.explanation or ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _by_number(number: int, where: str) -> EngineError | None:
    if number in (errno.ENOENT, errno.ENOTSOCK):
        return Unreachable(
            "Docker is not running", why=f"There is nothing at {where}.",
            hint="Start it (sudo systemctl start docker), or use the engine `process`.",
        )  # fmt: skip
    if number == errno.ECONNREFUSED:
        return Unreachable(
            "Docker has stopped", why=f"Nobody answers at {where}.",
            hint="Start it:  sudo systemctl start docker",
        )  # fmt: skip
    if number in (errno.EACCES, errno.EPERM):
        return Unreachable(
            "You may not use Docker", why=f"Access to {where} is denied.",
            hint="Set up rootless Docker; or join the group `docker`, which makes you as mighty "
            "as root, and log in again.",
        )  # fmt: skip
    return None


def _cause(error: BaseException) -> list[BaseException]:
    """The error and all that it was made of, which libraries keep in three different places."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None)]
            waiting += each.args
    return found


def _errno(error: BaseException) -> int:
    return error.errno or 0 if isinstance(error, OSError) else 0
