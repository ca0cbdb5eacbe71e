"""A profile on this machine: its model file, whether it fits, and the settings that follow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from llm_studio.errors import StudioError
from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import DEFAULT_MARGIN, Companion, Fit, Host, Request, plan_fit
from llm_studio.models.library import Library, ModelFile
from llm_studio.models.memory import Device, Footprint, MiB, Serving
from llm_studio.models.projector import projector_memory
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.profile import Profile
from llm_studio.profiles.server import Sampling, ServerSettings


@dataclass(frozen=True, slots=True)
class Machine:
    """What profiles are planned for."""

    devices: tuple[Device, ...]
    host: Host
    notes: tuple[str, ...] = ()
    """What could not be found out about it, for the user to know."""

    def with_returned(self, returns: Mapping[str, int] | None) -> Machine:
        """As it will be when an engine has given back what it holds, by GPU; the host's is under
        "". With None, all is free."""

        def free(key: str, now: int, total: int) -> int:
            return total if returns is None else min(now + returns.get(key, 0), total)

        devices = tuple(
            replace(device, free=free(device.uuid or device.name, device.free, device.total))
            for device in self.devices
        )
        host = replace(self.host, available=free("", self.host.available, self.host.total))
        return Machine(devices, host, self.notes)


@dataclass(frozen=True)
class Plan:
    """A profile with everything that is known about serving it here."""

    entry: Entry
    machine: Machine
    library: Library
    card: Sampling | None = None
    """The samplers that the shipped profile of the same model has, after its model card."""

    @property
    def profile(self) -> Profile | None:
        return self.entry.profile

    @cached_property
    def model(self) -> ModelFile | None:
        section = self.profile.model if self.profile else None
        if section is None or section.file is None:
            return None
        return self.library.find(section.file, section.repo)

    def companion(self, file: str | None) -> ModelFile | None:
        return self.library.beside(file, self.model) if file else None

    @property
    def state(self) -> str:
        """ "broken", "template", "missing", "incomplete", "unusable" or "available"."""
        if self.profile is None:
            return "broken"
        if not self.profile.servable:
            return "template"
        if self.profile.engine.kind == "external":
            return "available"
        if self.model is None:
            return "missing"
        if self.model.missing:
            return "incomplete"
        return "available" if self.model.usable and self.model.kind == "model" else "unusable"

    @property
    def size(self) -> int:
        """Bytes of all files that are loaded."""
        section = self.entry.require().model
        files = (self.model, self.companion(section.mmproj), self.companion(section.draft))
        return sum(file.size for file in files if file) + self._adapters_size()

    @property
    def fit(self) -> Fit | None:
        """How the model fits, where that can be told; else `trouble` may say why not."""
        return self._planned[0]

    @property
    def trouble(self) -> StudioError | None:
        """What keeps the profile from being planned on this machine, like a GPU it lacks."""
        return self._planned[1]

    @cached_property
    def _planned(self) -> tuple[Fit | None, StudioError | None]:
        try:
            return self._plan(), None
        except StudioError as error:
            return None, error

    def _plan(self) -> Fit | None:
        if self.profile is None or self.model is None or self.state != "available":
            return None
        if self.profile.engine.kind == "external":
            return None
        draft = self.companion(self.profile.model.draft)
        server = self.profile.server
        architecture = Architecture(self.model.require())
        request = fit_request(
            server,
            Footprint(architecture, pinned_to_host(server)),
            beside=Companion(
                projector=self._projector_memory(),
                adapters=self._adapters_size(),
                draft=Footprint(Architecture(draft.header)) if draft and draft.header else None,
            ),
        )
        return plan_fit(request, self.devices, self.machine.host)

    def _projector_memory(self) -> int:
        profile = self.entry.require()
        projector = self.companion(profile.model.mmproj)
        if projector is None or projector.header is None or profile.server.mmproj_offload is False:
            return 0
        return projector_memory(projector.header)

    def _adapters_size(self) -> int:
        adapters = (split_scale(each)[0] for each in self.entry.require().server.lora or ())
        return sum(found.size for file in adapters if (found := self.companion(file)))

    @property
    def seen_devices(self) -> tuple[Device, ...]:
        """The GPUs that the engine is shown."""
        return visible_devices(self.entry.require(), self.machine.devices)

    @property
    def devices(self) -> tuple[Device, ...]:
        """The GPUs that the profile uses of those."""
        names = self.entry.require().server.devices
        if names == ["none"]:
            return ()
        return tuple(_as_listed(names, self.seen_devices)) if names else self.seen_devices


def visible_devices(profile: Profile, devices: Sequence[Device]) -> tuple[Device, ...]:
    """The machine's GPUs, narrowed to those that the profile names."""
    gpus = profile.engine.gpus
    if gpus == "none":
        return ()
    return tuple(devices if gpus is None or gpus == "all" else _named(gpus, devices))


def _named(gpus: Sequence[str | int], devices: Sequence[Device]) -> list[Device]:
    """The GPUs of these indexes or UUIDs."""
    chosen: list[Device] = []
    for wanted in gpus:
        match = [
            device
            for index, device in enumerate(devices)
            if wanted == index or str(wanted) in (device.uuid, str(index))
        ]
        if not match:
            raise StudioError(
                f"There is no GPU {wanted} on this machine",
                why=f"It has {len(devices)}." if devices else "No GPU was found.",
                hint='Mend `gpus` under [engine], or use "all".',
            )
        chosen.extend(device for device in match if device not in chosen)
    return chosen


_LISTED = re.compile(r"(?:CUDA|ROCm|Vulkan|SYCL)(\d+)")


def _as_listed(names: Sequence[str], devices: Sequence[Device]) -> list[Device]:
    """The GPUs that llama-server lists under these names, which count those it sees."""
    chosen = []
    for name in names:
        match = _LISTED.fullmatch(name)
        if not match or int(match[1]) >= len(devices):
            raise StudioError(
                f"There is no device {name} to plan for",
                why=f"{len(devices)} GPUs were found." if devices else "No GPU was found.",
                hint="Mend `devices` under [server], or leave it unset.",
            )
        chosen.append(devices[int(match[1])])
    return chosen


def pinned_to_host(server: ServerSettings) -> tuple[re.Pattern[str], ...]:
    """The tensors that overrides keep in host memory."""
    patterns = []
    for override in server.override_tensor or ():
        pattern, equals, buffer = override.rpartition("=")
        if equals and buffer == "CPU":
            try:
                patterns.append(re.compile(pattern))
            except re.error as error:
                raise StudioError(
                    f"override_tensor: {pattern!r} is no regular expression", why=str(error)
                ) from error
    return tuple(patterns)


def split_scale(adapter: str) -> tuple[str, str]:
    """`adapter.gguf:0.5` as its file and its scale."""
    file, colon, scale = adapter.rpartition(":")
    if colon and _NUMBER.fullmatch(scale):
        return file, scale
    return adapter, ""


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def fit_request(
    server: ServerSettings,
    footprint: Footprint,
    beside: Companion | None = None,
) -> Request:
    """A profile's [server] in the planner's terms."""
    trained = footprint.architecture.trained_context
    layers = server.gpu_layers if isinstance(server.gpu_layers, int) else None
    fitting = server.fit is not False
    margins = tuple(each * MiB for each in server.fit_target or ()) or (DEFAULT_MARGIN,)
    # Where llama.cpp does not fit, it loads what it was told, margin or not.
    if not fitting:
        margins = (0,)
    context = server.context
    ubatch = server.ubatch or 512
    serving = Serving(
        parallel=server.parallel,
        kv_unified=server.kv_unified,
        gpu_layers=layers,
        cpu_moe=bool(server.cpu_moe),
        n_cpu_moe=server.n_cpu_moe or 0,
        tensor_split=tuple(server.tensor_split or ()),
        split_mode=server.split_mode or "layer",
        main_gpu=server.main_gpu or 0,
        batch=server.batch or 2048,
        ubatch=ubatch,
        cache_type_k=server.cache_type_k or "f16",
        cache_type_v=server.cache_type_v or "f16",
        flash_attention=server.flash_attention != "off",
        kv_offload=server.kv_offload is not False,
        swa_full=bool(server.swa_full),
    )
    draft_layers = server.draft_gpu_layers
    companion = replace(
        beside or Companion(),
        draft_serving=Serving(
            gpu_layers=draft_layers if isinstance(draft_layers, int) else None,
            cache_type_k=server.draft_cache_type_k or "f16",
            cache_type_v=server.draft_cache_type_v or "f16",
            ubatch=ubatch,
        ),
    )
    return Request(
        footprint,
        serving,
        context=None if context in (None, "auto") else int(context or trained),
        placed=places_by_hand(server),
        spread=server.split_mode == "layer",
        margins=margins,
        companion=companion,
        op_offload=server.op_offload is not False,
    )


def places_by_hand(server: ServerSettings) -> bool:
    """Whether the user decided where layers go; llama.cpp's fitting then leaves them there."""
    return (
        server.fit is False
        or server.gpu_layers not in (None, "auto")
        or bool(server.tensor_split)
        or bool(server.cpu_moe)
        or bool(server.n_cpu_moe)
        or bool(server.override_tensor)
    )
