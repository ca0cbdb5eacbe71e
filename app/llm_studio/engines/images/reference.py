"""Names of images, as a registry and Docker read them. `latest` is never assumed: it moves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_studio.errors import UsageError
from llm_studio.text import untrusted_line

OFFICIAL = "ghcr.io/ggml-org/llama.cpp"
"""Where llama.cpp's own images are."""
OURS = "llm-studio/llama.cpp"
"""What images that are built here are called."""
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:\d)|\[[0-9a-f:]+\])"
_REFERENCE = re.compile(
    rf"(?P<repository>(?:{_HOST}(?::\d{{1,5}})?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_OFFICIAL_TAG = re.compile(r"(?:server|full)[\w.-]{0,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reference:
    """One image in a registry: by a tag, which may move, or by its digest, which is itself."""

    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """A whole name, or a bare tag of llama.cpp's own images (`server-cuda13`)."""
        if _OFFICIAL_TAG.fullmatch(text):
            return cls(OFFICIAL, text)
        match = _REFERENCE.fullmatch(text)
        if match is None or len(text) > 400:
            raise UsageError(
                f"{untrusted_line(text)!r} is no name of an image",
                hint=f"A name is like {OFFICIAL}:server-cuda13, or a bare tag like server-cuda13.",
            )
        found = cls(match["repository"], match["tag"] or "", match["digest"] or "")
        if not found.wanted:
            raise UsageError(
                f"Which {found.repository}?",
                why="A name without a tag would mean `latest`, which is another image every day.",
                hint=f"Name a tag:  {found.repository}:TAG",
            )
        return found

    @property
    def wanted(self) -> str:
        """What of the repository is meant; a digest says more than a tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def short(id_: str) -> str:
    """An image's id as Docker's own lists show it."""
    return id_.removeprefix("sha256:")[:12]
