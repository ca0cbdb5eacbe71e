"""A profile as llama-server's arguments: a list, never a shell string, each with its origin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.field import Flag, flag_of
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.server import Sampling, ServerSettings


@dataclass(frozen=True, slots=True)
class Argument:
    """Some words of the command line, the setting they come from, and who set it."""

    words: tuple[str, ...]
    key: str
    origin: str


@dataclass(frozen=True, slots=True)
class Files:
    """Where the engine finds what the profile names; inside a container paths differ."""

    model: Path
    mmproj: Path | None = None
    draft: Path | None = None
    lora: tuple[tuple[Path, str], ...] = ()
    """Adapters, each with its scale or nothing."""
    chat_template: Path | None = None
    slots: Path | None = None


def server_arguments(
    entry: Entry, files: Files, chosen: Mapping[str, Any] | None = None
) -> list[Argument]:
    """What llama-server is started with: files, the plan's choices, settings, `args` last."""
    profile = entry.require()
    arguments = list(_file_arguments(entry, files))
    planned = dict(chosen or {})
    for section, settings in (("server", profile.server), ("sampling", profile.sampling)):
        for name, field in type(settings).model_fields.items():
            flag = flag_of(field)
            if flag is None or not flag.name.startswith("-"):
                continue
            if name in planned and section == "server":
                value, origin = planned[name], "fit"
            else:
                value = getattr(settings, name)
                origin = origin_of(entry, section, name)
            if value is None or (name, value) in _LEFT_UNSET or name in _FILES:
                continue
            for words in words_of(flag, value):
                arguments.append(Argument(words, f"{section}.{name}", origin))
    arguments.extend(_odd_arguments(entry, profile.server, profile.sampling))
    return arguments


_LEFT_UNSET = (("context", "auto"), ("gpu_layers", "auto"))
"""What llama-server does by itself when it is told nothing."""
_FILES = {"chat_template_file", "slot_save_path"}


def origin_of(entry: Entry, section: str, name: str) -> str:
    """Who set a value: this profile, one that it extends, or nobody (the default)."""
    setter = entry.origin(section, name)
    if setter is None:
        return "default"
    return "profile" if setter == entry.id else f"inherited from {setter}"


def words_of(flag: Flag, value: Any) -> Iterator[tuple[str, ...]]:
    """A value in its flag's form."""
    match flag.form:
        case "switch":
            yield (flag.name if value else flag.negative,)
        case "on-off":
            yield flag.name, "on" if value else "off"
        case "presence":
            if value:
                yield (flag.name,)
        case "list" | "repeated":
            yield flag.name, ",".join(_plain(each) for each in value)
        case "json":
            yield flag.name, json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case "value":
            yield flag.name, _plain(value)
        case "none":
            return


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _file_arguments(entry: Entry, files: Files) -> Iterator[Argument]:
    yield Argument(("--model", str(files.model)), "model.file", origin_of(entry, "model", "file"))
    for path, name, section, key in (
        (files.mmproj, "--mmproj", "model", "mmproj"),
        (files.draft, "--spec-draft-model", "model", "draft"),
        (files.chat_template, "--chat-template-file", "server", "chat_template_file"),
        (files.slots, "--slot-save-path", "server", "slot_save_path"),
    ):
        if path is not None:
            yield Argument((name, str(path)), f"{section}.{key}", origin_of(entry, section, key))
    # Each of the two may stand only once.
    whole = ",".join(str(path) for path, scale in files.lora if not scale)
    scaled = ",".join(f"{path}:{scale}" for path, scale in files.lora if scale)
    for name, value in (("--lora", whole), ("--lora-scaled", scaled)):
        if value:
            yield Argument((name, value), "server.lora", origin_of(entry, "server", "lora"))


def _odd_arguments(entry: Entry, server: ServerSettings, sampling: Sampling) -> Iterator[Argument]:
    if sampling.samplers:
        words = ("--samplers", ";".join(sampling.samplers))
        origin = origin_of(entry, "sampling", "samplers")
        yield Argument(words, "sampling.samplers", origin)
    if entry.require().server.alias is None:
        yield Argument(("--alias", entry.id), "server.alias", "default")
    if server.args:
        yield Argument(tuple(server.args), "server.args", origin_of(entry, "server", "args"))


def arguments_here(plan: Plan) -> list[Argument]:
    """The arguments on this machine itself; a file that is not here goes by its name."""
    return server_arguments(plan.entry, _files_here(plan), plan.fit.chosen if plan.fit else None)


def _files_here(plan: Plan) -> Files:
    profile = plan.entry.require()
    section, server = profile.model, profile.server

    def place(file: str | None) -> Path | None:
        found = plan.companion(file)
        return found.path if found else Path(file) if file else None

    lora = []
    for adapter in server.lora or ():
        file, scale = split_scale(adapter)
        lora.append((place(file) or Path(file), scale))
    return Files(
        plan.model.path if plan.model else Path(section.file or ""),
        place(section.mmproj),
        place(section.draft),
        tuple(lora),
        place(server.chat_template_file),
        Path(server.slot_save_path) if server.slot_save_path else None,
    )


def split_scale(adapter: str) -> tuple[str, str]:
    """`adapter.gguf:0.5` as its file and its scale."""
    file, colon, scale = adapter.rpartition(":")
    if colon and scale.replace(".", "", 1).isdigit():
        return file, scale
    return adapter, ""
