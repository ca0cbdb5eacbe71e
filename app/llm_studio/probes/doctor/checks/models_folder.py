"""Are the models folders there, readable, and is there something in them?"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    usable = []
    for number, folder in enumerate(system.settings.models):
        problem = _problem(system, folder)
        if problem is None:
            usable.append(folder)
        elif number or len(system.settings.models) > 1:
            yield problem
        else:
            yield problem
            return
    models = system.models()
    closed = [model for model in models if not system.may(model.path)]
    for model in closed[:3]:
        yield fault(
            f"you may not read {model.name}",
            "It cannot be loaded.",
            (f"sudo chmod a+r {shlex.quote(str(model.path))}",),
            part="file",
        )
    if closed or not usable:
        return
    places = ", ".join(_told(system, folder) for folder in usable)
    if models:
        size = sum(model.size for model in models) / (1 << 30)
        count = f"{len(models)} model file{'s' * (len(models) != 1)}"
        yield ok(f"{places}: {count}, {size:.1f} GiB")
    else:
        yield warning(
            f"{places}: no model file (GGUF) is there",
            "There is nothing to serve but what other programs have in their caches.",
            ("llm-studio files",),
            "Name the folder that holds yours: llm-studio config models /data/models",
        )


def _problem(system: System, folder: Path) -> Finding | None:
    path, told = shlex.quote(str(folder)), _told(system, folder)
    part = "folder"
    try:
        mode = system.mode(folder)
    except FileNotFoundError:
        if folder == system.settings.paths.models:
            return warning(
                f"{told}: there is no folder yet",
                "Model files are looked for there.",
                (f"mkdir -p {path}",),
                "Or name the folder that holds yours: llm-studio config models /data/models",
                part=part,
            )
        return fault(
            f"{told}: there is no such folder",
            "Profiles whose files should be there cannot be served.",
            ("findmnt", "llm-studio config models"),
            "If it is on another disk, mount that; else name the right folder: "
            "llm-studio config models /data/models",
            part=part,
        )
    except OSError as error:
        return fault(
            f"{told}: {error.strerror or error}",
            "A folder above it keeps you out, or its disk or server does not answer.",
            (f"namei -l {path}",) if system.platform == "linux" else (f"ls -ld {path}",),
            part=part,
        )
    if not stat.S_ISDIR(mode):
        return fault(
            f"{told} is a file, not a folder",
            "The setting `models` names folders.",
            (f"llm-studio config models {shlex.quote(str(folder.parent))}",),
            part=part,
        )
    if not system.may(folder):
        return fault(
            f"{told}: you may not look into it",
            "Its model files cannot be found, nor loaded.",
            (f"sudo chmod a+rX {path}",),
            part=part,
        )
    return None


def _told(system: System, folder: Path) -> str:
    text = str(folder)
    home = str(system.home)
    if text.startswith(home + "/"):
        text = "~" + text[len(home) :]
    return text


CHECK = Check("models.folder", "Models folder", Group.MODELS, 10, look)
