"""Where model files lie: the user's folders, and the caches of programs they already use."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_DEPTH = 8
MAX_MANIFEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """One GGUF file, under the name by which a profile refers to it."""

    name: str
    path: Path
    place: str
    """"folder", "huggingface", "llama.cpp", "lmstudio" or "ollama"."""
    repo: str = ""
    digest: str = ""
    """The SHA-256 of its content where its place knows it; equal files are shown once."""


def find_files(
    folders: Sequence[Path], caches: bool, environment: Mapping[str, str], home: Path
) -> Iterator[Found]:
    """Every GGUF file on this machine, the user's own folders first."""
    for folder in folders:
        for path in _gguf_files(folder):
            yield Found(path.relative_to(folder).as_posix(), path, "folder")
    if caches:
        yield from _huggingface(environment, home)
        yield from _llama_cpp(environment, home)
        yield from _lm_studio(home)
        yield from _ollama(environment, home)


def _gguf_files(folder: Path) -> Iterator[Path]:
    """GGUF files below a folder. Links to folders are followed, but no folder is entered twice."""
    seen: set[tuple[int, int]] = set()
    pending = [(folder, 0)]
    while pending:
        current, depth = pending.pop()
        try:
            status = current.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(current) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            try:
                if entry.is_dir():
                    if depth < MAX_DEPTH:
                        pending.append((path, depth + 1))
                elif entry.name.lower().endswith(".gguf") and entry.is_file():
                    yield path
            except OSError:
                continue


def _huggingface(environment: Mapping[str, str], home: Path) -> Iterator[Found]:
    cache = _place(environment, "XDG_CACHE_HOME", home / ".cache")
    hub = _place(
        environment, "HF_HUB_CACHE", _place(environment, "HF_HOME", cache / "huggingface") / "hub"
    )
    for repository in _folders(hub, "models--*--*"):
        repo = repository.name.removeprefix("models--").replace("--", "/", 1)
        for snapshot in _newest_first(repository / "snapshots"):
            for path in _gguf_files(snapshot):
                name = f"{repo}/{path.relative_to(snapshot).as_posix()}"
                blob = Path(os.path.realpath(path)).name
                digest = blob if re.fullmatch(r"[0-9a-f]{64}", blob) else ""
                yield Found(name, path, "huggingface", repo, digest)


def _llama_cpp(environment: Mapping[str, str], home: Path) -> Iterator[Found]:
    usual = _place(environment, "XDG_CACHE_HOME", home / ".cache") / "llama.cpp"
    if sys.platform == "darwin":
        usual = home / "Library/Caches/llama.cpp"
    folder = _place(environment, "LLAMA_CACHE", usual)
    for path in _gguf_files(folder):
        yield Found(path.relative_to(folder).as_posix(), path, "llama.cpp")


def _lm_studio(home: Path) -> Iterator[Found]:
    for folder in (home / ".lmstudio/models", home / ".cache/lm-studio/models"):
        for path in _gguf_files(folder):
            relative = path.relative_to(folder)
            repo = "/".join(relative.parts[:2]) if len(relative.parts) > 2 else ""
            yield Found(relative.as_posix(), path, "lmstudio", repo)


def _ollama(environment: Mapping[str, str], home: Path) -> Iterator[Found]:
    usual = home / ".ollama/models"
    chosen = _place(environment, "OLLAMA_MODELS", usual)
    for root in dict.fromkeys((chosen, usual, Path("/usr/share/ollama/.ollama/models"))):
        for manifest in _files(root / "manifests"):
            yield from _ollama_layers(root, manifest)


def _ollama_layers(root: Path, manifest: Path) -> Iterator[Found]:
    """Ollama keeps each model as blobs that a manifest names."""
    try:
        with manifest.open("rb") as file:
            layers = json.loads(file.read(MAX_MANIFEST))["layers"]
        parts = manifest.relative_to(root / "manifests").parts
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if len(parts) < 3 or not isinstance(layers, list):
        return
    owner = "/".join(part for part in parts[1:-2] if part != "library")
    name = f"{owner}/{parts[-2]}:{parts[-1]}" if owner else f"{parts[-2]}:{parts[-1]}"
    suffixes = {"model": "", "projector": ":projector"}
    for layer in layers:
        kind = str(layer.get("mediaType", "")) if isinstance(layer, dict) else ""
        match = re.fullmatch(r"sha256:([0-9a-f]{64})", str(layer.get("digest"))) if kind else None
        suffix = suffixes.get(kind.removeprefix("application/vnd.ollama.image."))
        if match and suffix is not None:
            blob = root / "blobs" / f"sha256-{match[1]}"
            if _is_file(blob):
                yield Found(name + suffix, blob, "ollama", "", match[1])


def _place(environment: Mapping[str, str], variable: str, usual: Path) -> Path:
    """A folder that a variable may move, with ~ as the shell knows it."""
    chosen = environment.get(variable)
    if not chosen:
        return usual
    try:
        return Path(chosen).expanduser()
    except RuntimeError:  # the home of nobody
        return usual


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that only another user may enter
        return False


def _folders(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in folder.glob(pattern) if path.is_dir())
    except OSError:
        return []


def _newest_first(folder: Path) -> list[Path]:
    try:
        return sorted(_folders(folder, "*"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob("**/*") if path.is_file())
    except OSError:
        return []
