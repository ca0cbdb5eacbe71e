"""The hub itself, through its own library: what a repository holds, where a file is, who may."""

from __future__ import annotations

import importlib
import os
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from llm_studio.errors import NotFound, NotReady, StudioError, UsageError
from llm_studio.models.hub.offers import RemoteFile
from llm_studio.text import untrusted_line

PATIENCE = 20.0
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")


def reference_of(text: str) -> tuple[str, str]:
    """`OWNER/NAME`, `OWNER/NAME:QUANT` or the address of a page: repository and quantisation."""
    if "://" in text:
        parts = [part for part in urlsplit(text).path.split("/") if part]
        quantisation = parts[-1] if len(parts) > 2 and parts[-1].endswith(".gguf") else ""
        text = "/".join(parts[:2]) + (f":{quantisation}" if quantisation else "")
    repository, _, quantisation = text.partition(":")
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise UsageError(
            f"{untrusted_line(text)!r} names no repository",
            hint="It looks like unsloth/Qwen3-8B-GGUF, or unsloth/Qwen3-8B-GGUF:Q4_K_M.",
        )
    return repository, quantisation


class Hub:
    """Asks; every method blocks."""

    def __init__(self, endpoint: str | None = None) -> None:
        told = endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        self.endpoint = told.rstrip("/")

    @property
    def token(self) -> str | None:
        """The user's own, where the hub's library finds it."""
        library: Any = importlib.import_module("huggingface_hub")
        token: str | None = library.get_token()
        return token

    def files(self, repository: str) -> list[RemoteFile]:
        library: Any = importlib.import_module("huggingface_hub")
        api = library.HfApi(endpoint=self.endpoint)
        try:
            info = api.model_info(repository, files_metadata=True, timeout=PATIENCE)
        except Exception as error:
            raise self._told(error, repository) from error
        return [_file(each) for each in info.siblings or () if _safe(each.rfilename)]

    def search(self, words: str, limit: int) -> list[tuple[str, int]]:
        """Repositories with GGUF files, the most fetched first: a name and how often.

        By hand, since the library tries a hub that does not answer for half a minute.
        """
        asked = {"search": words, "filter": "gguf", "sort": "downloads", "limit": str(limit)}
        token = self.token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = httpx.get(
                f"{self.endpoint}/api/models", params=asked, headers=headers, timeout=PATIENCE
            )
            answer.raise_for_status()
            found = answer.json()
            return [(untrusted_line(each["id"]), int(each.get("downloads") or 0)) for each in found]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._told(error, words) from error

    def address(self, repository: str, path: str) -> str:
        library: Any = importlib.import_module("huggingface_hub")
        return str(library.hf_hub_url(repository, path, endpoint=self.endpoint))

    def _told(self, error: Exception, asked: str) -> StudioError:
        """What the library's failures mean to the user."""
        errors: Any = importlib.import_module("huggingface_hub.errors")
        status = getattr(getattr(error, "response", None), "status_code", None)
        shown = untrusted_line(asked)
        if isinstance(error, errors.GatedRepoError):
            return gated(self.endpoint, shown, bool(self.token))
        if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
            return NotFound(
                f"There is no repository {shown}",
                why="The hub knows none of that name, or it is private.",
                hint=f"Search at {self.endpoint}/models; for a private one: `hf auth login`.",
            )
        if status is not None:
            return StudioError(f"The hub answers {status}", why=untrusted_line(str(error)))
        return NotReady(
            f"The hub at {self.endpoint} cannot be reached",
            why=untrusted_line(str(error)) or type(error).__name__,
            hint="Check the network; HTTPS_PROXY names a proxy, HF_ENDPOINT a mirror.",
        )


def gated(endpoint: str, repository: str, known: bool) -> StudioError:
    """Some makers want to be asked first."""
    hint = f"Accept its terms at {endpoint}/{repository}"
    if not known:
        hint += f", make a token at {endpoint}/settings/tokens, and log in: `hf auth login`"
    return NotReady(
        f"{repository} is gated", why="Its makers want you to accept their terms.", hint=f"{hint}."
    )


def _safe(path: str) -> bool:
    """Whether a name from outside stays inside the folder where it is to go."""
    parts = path.split("/")
    return bool(path) and not any(part in ("", ".", "..") or "\\" in part for part in parts)


def _file(sibling: Any) -> RemoteFile:
    lfs = sibling.lfs
    digest = getattr(lfs, "sha256", None) or (lfs.get("sha256") if isinstance(lfs, dict) else "")
    size = sibling.size if sibling.size is not None else getattr(lfs, "size", 0)
    return RemoteFile(sibling.rfilename, int(size or 0), str(digest or ""))
