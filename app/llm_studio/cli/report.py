"""Write a bundle for a bug report: what the doctor finds, versions, settings, jobs, the last log.

It holds no secrets, no prompts and no environment; home folders are shortened, and the names of
user and machine replaced. Look into it before you send it: it is a tar archive of text files.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from llm_studio.cli.output import narrate, print_json, say, size
from llm_studio.errors import StudioError


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it")
    parser.add_argument("--json", action="store_true", help="print path and contents as JSON")


def run(arguments: argparse.Namespace) -> int:
    from llm_studio.cli.doctor_system import this_system
    from llm_studio.cli.report_parts import PARTS, Subject

    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(arguments.output or f"llm-studio-report-{stamp}.tar.gz").absolute()
    if not os.access(path.parent, os.W_OK):
        raise StudioError(
            f"Cannot write into {path.parent}", hint="Name a file elsewhere: --output FILE"
        )
    narrate("Looking at this machine …")
    with this_system() as system:
        subject = Subject(system)
        files = {part.name: part.written(subject) for part in PARTS}
    told = "".join(f"{part.name:<14} {part.what}\n" for part in PARTS)
    files["about.txt"] = f"A report of llm-studio, made to be sent with a bug report.\n\n{told}"
    _write(path, f"llm-studio-report-{stamp}", files)
    if arguments.json:
        sizes = {name: len(text.encode()) for name, text in files.items()}
        print_json({"path": str(path), "files": sizes})
        return 0
    say(str(path))
    for part in PARTS:
        say(f"  {part.name:<14} {size(len(files[part.name].encode())):>9}  {part.what}")
    narrate("Look into it before you send it: no program knows all that is private.")
    return 0


def _write(path: Path, folder: str, files: Mapping[str, str]) -> None:
    """All at once, for this user alone; a file that is there already is not written over."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            raw = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(raw), int(time.time()), 0o644
            archive.addfile(entry, io.BytesIO(raw))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed.getvalue())
    except OSError as error:
        raise StudioError(
            f"Cannot write {path}",
            why=error.strerror or str(error),
            hint="Name another file: --output FILE",
        ) from error
