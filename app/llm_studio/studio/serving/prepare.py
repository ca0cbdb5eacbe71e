"""A profile made ready to start: checked, planned for this machine, with the engine to run it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from llm_studio.engines.arguments import Files, files_here, server_arguments
from llm_studio.engines.base import Engine, EngineError, Launch
from llm_studio.errors import NotReady, StudioError
from llm_studio.models.demo import file as demo
from llm_studio.models.fit import Verdict
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.models.memory import Device, MiB
from llm_studio.probes.machine import this_machine
from llm_studio.probes.overhead import keep_overhead
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.changed import Values, changed, told
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.server import seconds
from llm_studio.settings import Settings
from llm_studio.studio.serving.attendant import Away, Memory, Prepared

ROOM = 1 * MiB


class Preparation:
    """Prepares profiles from what is on disk now, so that an edit needs no restart."""

    def __init__(
        self,
        settings: Settings,
        engines: Mapping[str, Engine],
        trials: Mapping[str, Values] | None = None,
    ) -> None:
        """`trials` are the values with which profiles are tried for now, by profile."""
        self._settings = settings
        self._engines = engines
        self._trials = {} if trials is None else trials

    async def __call__(self, id_: str, *, returns: Memory | None) -> Prepared:
        _require_room(self._settings.paths.state)
        plan = await asyncio.to_thread(self._plan, id_, returns)
        if plan.entry.require().engine.kind == "external":
            return self._somebody_elses(plan)
        engine = await self._engine_for(plan)
        profile = plan.entry.require()
        launch = Launch(
            entry=plan.entry,
            files=files_here(plan, self._settings.paths.state),
            chosen=dict(plan.fit.chosen) if plan.fit else {},
            devices=plan.seen_devices,
            image=profile.engine.image or "",
            folder=self._settings.paths.state / "engines",
        )
        launch = await self._suited(launch, engine)
        names = (profile.server.alias or plan.entry.id).split(",")
        idle = profile.server.idle_unload
        return Prepared(
            launch,
            engine,
            tuple(name.strip() for name in names),
            seconds(idle) if idle else None,
            plan.size,
            note=f"on trial: {told(trial)}" if (trial := self._trials.get(id_)) else "",
            on_gpus=plan.fit is not None and plan.fit.verdict not in (Verdict.CPU, Verdict.TOO_BIG),
        )

    def _somebody_elses(self, plan: Plan) -> Prepared:
        """Nothing of it is ours to check before it is asked."""
        launch = Launch(plan.entry, Files(Path()), {}, ())
        return Prepared(launch, self._engines["external"], (), None)

    def _plan(self, id_: str, returns: Memory | None) -> Plan:
        catalogue = Catalogue.load(self._settings.paths.profiles)
        machine = this_machine(self._settings.paths.state).with_returned(returns)
        with Headers(self._settings.paths.cache) as headers:
            library = Library.scan(self._settings.models, headers, caches=self._settings.caches)
            entry = changed(catalogue.get(id_), self._trials.get(id_, {}), "on trial")
            plan = Plan(entry, machine, library)
            _servable(plan)
            if plan.model is not None and plan.model.path.name == demo.FILE:
                demo.write_demo(plan.model.path)
            return plan

    async def _engine_for(self, plan: Plan) -> Engine:
        section = plan.entry.require().engine
        wanted, image = section.kind or "auto", section.image or ""
        if wanted != "auto":
            engine = self._engines.get(wanted)
            if engine is None:
                raise NotReady(f"There is no engine of kind {wanted!r} here")
            found = await engine.availability(image)
            if not found.ready:
                raise Away(f"The engine {wanted!r} cannot be used", why=found.told, hint=found.hint)
            return engine
        why = []
        kinds = ("docker",) if section.network == "closed" else ("docker", "process")
        for kind in kinds:
            engine = self._engines.get(kind)
            if engine is None:
                continue
            found = await engine.availability(image)
            if found.ready:
                return engine
            why.append(f"{kind}: {found.told} {found.hint}".strip())
        raise Away("No engine can be used on this machine", why="\n".join(why))

    async def _suited(self, launch: Launch, engine: Engine) -> Launch:
        """The launch as this llama-server can do it; settings that it does not know are told
        before anything is stopped."""
        abilities = await engine.abilities(launch.image)
        if not abilities.flags:
            return launch
        for argument in server_arguments(launch.entry, launch.files, launch.chosen):
            flag = argument.words[0].split("=", 1)[0]
            if flag.startswith("-") and flag.replace("_", "-") not in abilities.flags:
                raise EngineError(
                    f"This llama-server ({abilities.version}) does not know {flag}",
                    why=f"It comes from {argument.key} ({argument.origin}).",
                    hint="Unset it, or use a newer llama-server.",
                )
        return replace(launch, log_level=abilities.log_level)


def _require_room(state: Path) -> None:
    """A start writes a key and a record, without which the engine could not be found again."""
    try:
        left = shutil.disk_usage(state).free
    except OSError:
        return  # what cannot be written there says so itself
    if left < ROOM:
        raise StudioError(
            "The disk is full",
            why=f"{state} has {left / MiB:.1f} MiB left, and a start needs {ROOM / MiB:.0f}.",
            hint="Free some space, then try again. What is served goes on.",
        )


def free_memory(state: Path) -> dict[str, int]:
    """Bytes that are free now, by GPU; the host's under ""."""
    machine = this_machine(state)
    return {_key(device): device.free for device in machine.devices} | {"": machine.host.available}


def measured_load(state: Path, launch: Launch, asked: Mapping[str, float], gone: Memory) -> None:
    """Keep what each GPU gave beyond what llama.cpp asked for, which later plans then know."""
    for index, device in enumerate(launch.devices):
        mib = asked.get(f"CUDA{index}")
        taken = gone.get(_key(device))
        if mib and taken and device.uuid:
            keep_overhead(state, device.uuid, taken, int(mib * MiB))


def _key(device: Device) -> str:
    return device.uuid or device.name


def _servable(plan: Plan) -> None:
    """Everything about the profile and its files that can be known before a start."""
    profile = plan.entry.require()
    if plan.trouble is not None:
        raise plan.trouble
    if plan.state == "template":
        raise NotReady(f"The profile {plan.entry.id!r} names no model, so it cannot be served")
    if plan.state == "missing":
        repo = profile.model.repo
        raise NotReady(
            f"The model file of {plan.entry.id!r} is not here",
            why=f"{profile.model.file} was not found in the models folders or caches.",
            hint=f"It comes from {repo}." if repo else "Put it into a models folder.",
        )
    if plan.model is not None:
        plan.model.require()
    fit = plan.fit
    if fit is not None and fit.verdict is Verdict.TOO_BIG:
        raise StudioError(
            f"{plan.entry.id!r} does not fit into memory",
            why=" ".join(fit.advice),
            hint=f"`llm-studio show {plan.entry.id}` shows where it goes.",
        )
