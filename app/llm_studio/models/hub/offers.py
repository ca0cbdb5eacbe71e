"""What a repository offers: its GGUF files as models (shards together) by quantisation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from llm_studio.errors import NotFound, UsageError, did_you_mean
from llm_studio.text import untrusted_line

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)
_QUANT = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d|TQ\d|MXFP\d|NVFP\d)\w*|BF16|F16|F32)(?=[-./]|$)", re.IGNORECASE
)
_COMMON = ("Q4_K_M", "UD-Q4_K_XL", "MXFP4_MOE", "MXFP4", "Q4_K_S", "Q4_0")
"""What most people take where nothing else is said, the first first."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file in a repository."""

    path: str
    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model (or a projector) as it can be had: one quantisation, with all its files."""

    name: str
    """The quantisation; the file's name where that tells none."""
    files: tuple[RemoteFile, ...]
    projector: bool = False
    missing: int = 0
    """Shards that the repository itself lacks."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def offers_in(files: Iterable[RemoteFile]) -> list[Offer]:
    """From the smallest to the largest."""
    groups: dict[str, list[RemoteFile]] = {}
    for file in files:
        if file.path.lower().endswith(".gguf"):
            groups.setdefault(_SHARD.sub("", file.path), []).append(file)
    found = [_offer(name, group) for name, group in groups.items()]
    return sorted(found, key=lambda offer: (offer.projector, offer.size, offer.name))


def _offer(name: str, files: Sequence[RemoteFile]) -> Offer:
    files = sorted(files, key=lambda file: file.path)
    shards = [found for file in files if (found := _SHARD.search(file.path))]
    count = int(shards[0][2]) if shards else len(files)
    stem = PurePosixPath(name).name
    quants = _QUANT.findall(stem.removesuffix(".gguf")) or _QUANT.findall(name)
    label = quants[-1].upper() if quants else stem.removesuffix(".gguf")
    return Offer(label, tuple(files), "mmproj" in stem.lower(), max(count - len(files), 0))


def chosen(offers: Sequence[Offer], quantisation: str, repository: str) -> Offer:
    """The offer that is meant; without a word, the one that most people take."""
    models = [offer for offer in offers if not offer.projector]
    shown = untrusted_line(repository)
    if not models:
        raise NotFound(
            f"{shown} has no GGUF files",
            why="llama.cpp reads no other form.",
            hint="Look for a repository with -GGUF in its name.",
        )
    listed = ", ".join(dict.fromkeys(offer.name for offer in models))
    if quantisation:
        wanted = quantisation.upper().removesuffix(".GGUF")
        meant = [offer for offer in models if wanted == offer.name] or [
            offer for offer in models if any(wanted in file.path.upper() for file in offer.files)
        ]
        if not meant:
            names = [offer.name for offer in models]
            raise NotFound(
                f"{shown} has no {untrusted_line(quantisation)}",
                why=f"It has {listed}.",
                hint=did_you_mean(wanted, names),
            )
        return whole(meant[0], shown)
    if len(models) == 1:
        return whole(models[0], shown)
    for name in _COMMON:
        for offer in models:
            if offer.name == name:
                return whole(offer, shown)
    raise UsageError(f"Which one of {shown}?", hint=f"Say it after a colon: {listed}.")


def whole(offer: Offer, shown: str) -> Offer:
    if offer.missing:
        raise NotFound(f"{shown} itself lacks shards of {offer.name}: {offer.missing}")
    return offer
