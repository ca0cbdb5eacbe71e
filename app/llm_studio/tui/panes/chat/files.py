"""Files that go along with a message, and files that come out of one. All of it blocks."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.text import untrusted_line
from llm_studio.tui.panes.chat.markdown.blocks import Code

LARGEST = 20 << 20
_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif",
    b"BM": "image/bmp",
}  # fmt: skip
_ENDINGS = {
    "python": "py", "javascript": "js", "typescript": "ts", "bash": "sh", "shell": "sh",
    "rust": "rs", "ruby": "rb", "markdown": "md", "c++": "cpp", "csharp": "cs", "kotlin": "kt",
    "yaml": "yml", "dockerfile": "dockerfile", "": "txt", "text": "txt", "console": "sh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attached:
    """What will go along: its name, what is sent, and how large it is."""

    name: str
    body: dict[str, Any]
    told: str

    @property
    def picture(self) -> bool:
        return "image" in self.body


def attached_text(name: str, text: str, told: str = "") -> Attached:
    return Attached(name, {"name": name, "text": text}, told or f"{len(text):,} characters")


def read_file(typed: str) -> Attached:
    """A file of the user's: a picture by its first bytes, else a text."""
    path = Path(os.path.expanduser(typed))
    try:
        if path.stat().st_size > LARGEST:
            raise StudioError(f"{typed} is too large", why=f"At most {LARGEST >> 20} MiB go along.")
        data = path.read_bytes()
    except OSError as error:
        raise StudioError(f"Cannot read {typed}", why=error.strerror or str(error)) from error
    name = untrusted_line(path.name)
    media = next((kind for start, kind in _PICTURES.items() if data.startswith(start)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        media = "image/webp"
    if media:
        body = {"name": name, "image": base64.b64encode(data).decode(), "media": media}
        return Attached(name, body, f"picture, {len(data):,} bytes")
    if b"\0" in data[:8192]:
        raise StudioError(f"{name} is neither text nor a picture that is known")
    return attached_text(name, data.decode(errors="replace"))


def save_code(folder: str, blocks: Sequence[Code]) -> list[Path]:
    """Each block into a file of its own; none that is there is overwritten."""
    place = Path(os.path.expanduser(folder))
    written = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number, block in enumerate(blocks, 1):
            ending = _ENDINGS.get(block.language.lower(), block.language.lower())
            if not re.fullmatch(r"[a-z0-9]{1,12}", ending):
                ending = "txt"
            path = _free(place, f"code-{number}", ending)
            with path.open("x", encoding="utf-8", errors="replace") as file:
                file.write(block.text + "\n")
            written.append(path)
    except OSError as error:
        raise StudioError(
            f"Cannot write into {folder}", why=error.strerror or str(error)
        ) from error
    return written


def _free(folder: Path, stem: str, ending: str) -> Path:
    path, number = folder / f"{stem}.{ending}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.{ending}", number + 1
    return path


def write_new(typed: str, text: str) -> Path:
    path = Path(os.path.expanduser(typed))
    try:
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise StudioError(
            f"Cannot write {typed}",
            why=error.strerror or str(error),
            hint="Choose another file." if isinstance(error, FileExistsError) else "",
        ) from error
    return path
