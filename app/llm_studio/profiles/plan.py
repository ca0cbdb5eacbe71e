"""A profile on this machine: its model file, whether it fits, and the settings that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from llm_studio.errors import StudioError
from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import DEFAULT_MARGIN, Companion, Fit, Host, Request, plan_fit
from llm_studio.models.library import Library, ModelFile
from llm_studio.models.memory import Device, Footprint, MiB, Serving
from llm_studio.models.projector import projector_memory
from llm_studio.profiles.catalogue import Entry
from llm_studio.profiles.profile import Profile
from llm_studio.profiles.server import ServerSettings


@dataclass(frozen=True, slots=True)
class Machine:
    """What profiles are planned for."""

    devices: tuple[Device, ...]
    host: Host
    notes: tuple[str, ...] = ()
    """What could not be found out about it, for the user to know."""


@dataclass(frozen=True)
class Plan:
    """A profile with everything that is known about serving it here."""

    entry: Entry
    machine: Machine
    library: Library

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

    @cached_property
    def fit(self) -> Fit | None:
        """How the model fits, where that can be told."""
        if self.profile is None or self.model is None or self.state != "available":
            return None
        draft = self.companion(self.profile.model.draft)
        projector = self.companion(self.profile.model.mmproj)
        request = fit_request(
            self.profile.server,
            Footprint(Architecture(self.model.require())),
            projector=projector_memory(projector.header) if projector and projector.header else 0,
            draft=Footprint(Architecture(draft.header)) if draft and draft.header else None,
        )
        return plan_fit(request, self.devices, self.machine.host)

    @property
    def devices(self) -> tuple[Device, ...]:
        """The GPUs that the profile may use."""
        assert self.profile is not None
        return chosen_devices(self.profile, self.machine.devices)


def chosen_devices(profile: Profile, devices: Sequence[Device]) -> tuple[Device, ...]:
    """The machine's GPUs, narrowed to those that the profile names."""
    gpus = profile.engine.gpus
    if gpus == "none" or profile.server.devices == ["none"]:
        return ()
    if gpus is None or gpus == "all":
        return tuple(devices)
    chosen = []
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
        chosen.extend(match)
    return tuple(chosen)


def fit_request(
    server: ServerSettings,
    footprint: Footprint,
    *,
    projector: int = 0,
    draft: Footprint | None = None,
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
    companion = Companion(
        projector if server.mmproj_offload is not False else 0,
        draft,
        Serving(
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
