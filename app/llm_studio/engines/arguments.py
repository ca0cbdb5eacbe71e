"""A profile as llama-server's arguments: a list, never a shell string, each with its origin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.field import Flag, flag_of
from llm_studio.profiles.lint import named_field
from llm_studio.profiles.plan import Plan, split_scale
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
            if value is None or value == [] or (name, value) in _LEFT_UNSET or name in _FILES:
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


def arguments_here(plan: Plan, state: Path) -> list[Argument]:
    """The arguments on this machine itself; a file that is not here goes by its name."""
    return server_arguments(
        plan.entry, files_here(plan, state), plan.fit.chosen if plan.fit else None
    )


def files_here(plan: Plan, state: Path) -> Files:
    """The files that the profile names, where they are on this machine."""
    profile = plan.entry.require()
    section, server = profile.model, profile.server

    def place(file: str | None) -> Path | None:
        found = plan.companion(file)
        return found.path if found else Path(file) if file else None

    adapters = (split_scale(adapter) for adapter in server.lora or ())
    template = server.chat_template_file
    return Files(
        plan.model.path if plan.model else Path(section.file or ""),
        place(section.mmproj),
        place(section.draft),
        tuple((place(file) or Path(file), scale) for file, scale in adapters),
        (plan.library.plain(template) or Path(template)) if template else None,
        state / "slots" / server.slot_save_path if server.slot_save_path else None,
    )


def server_environment(plan: Plan) -> dict[str, str]:
    """What the engine's environment must say, so that it counts GPUs as the plan does."""
    devices = plan.machine.devices
    if not any(device.uuid for device in devices):
        return {}
    environment = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    gpus = plan.entry.require().engine.gpus
    if gpus == "none":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif gpus not in (None, "all"):
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(d.uuid for d in plan.seen_devices)
    return environment


_LOG_FLAGS = {
    "-lv", "--verbosity", "--log-verbosity", "-v", "--verbose", "--log-verbose", "--log-disable",
}  # fmt: skip


def log_arguments(words: Sequence[str], level: int | None) -> list[str]:
    """Has the log tell what is allocated where, unless the profile says how much it tells."""
    set_already = {word.partition("=")[0].replace("_", "-") for word in words} & _LOG_FLAGS
    return [] if level is None or set_already else ["--log-verbosity", str(level)]


_PLANNED = {
    "context", "parallel", "kv_unified", "batch", "ubatch", "gpu_layers", "fit", "fit_target",
    "split_mode", "tensor_split", "main_gpu", "devices", "cpu_moe", "n_cpu_moe", "kv_offload",
    "override_tensor", "flash_attention", "cache_type_k", "cache_type_v", "swa_full",
}  # fmt: skip


def overruled_by_args(entry: Entry) -> list[str]:
    """Words of `args` that set what the plan is made of; they come last, so they win."""
    words = entry.require().server.args or []
    return [word for word in words if (named_field(word) or "").partition(".")[2] in _PLANNED]
