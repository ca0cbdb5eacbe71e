"""One profile in full: its values with origins, the memory it takes, the command it becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_studio.engines.arguments import (
    arguments_here,
    origin_of,
    overruled_by_args,
    server_environment,
)
from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import Fit
from llm_studio.models.memory import Usage
from llm_studio.profiles.lint import lint
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.profile import SECTIONS
from llm_studio.profiles.summary import summarise
from llm_studio.schema import (
    DeviceMemory,
    ProfileDetail,
    ProfileFinding,
    ShownArgument,
    ShownValue,
)


def detail_of(plan: Plan, state: Path) -> ProfileDetail:
    """What is known of it; a broken profile has its problems and nothing else."""
    entry, fit = plan.entry, plan.fit
    profile = plan.profile
    arch = _architecture(plan)
    server = profile.server if profile else None
    commanded = profile is not None and profile.model.file and profile.engine.kind != "external"
    return ProfileDetail(
        summary=summarise(plan),
        own=not entry.shipped,
        facts=_facts(plan, arch),
        values=_values(plan),
        devices=_devices(fit) if fit else [],
        largest_context=fit.largest_context if fit else None,
        trained_context=(arch.trained_context or None) if arch else None,
        cache_type_k=(server.cache_type_k if server else None) or "f16",
        cache_type_v=(server.cache_type_v if server else None) or "f16",
        advice=list(fit.advice) if fit else [],
        findings=_findings(plan),
        command=[
            ShownArgument(words=list(each.words), key=each.key, origin=each.origin)
            for each in (arguments_here(plan, state) if commanded else ())
        ],
        environment=server_environment(plan) if commanded else {},
    )


def _architecture(plan: Plan) -> Architecture | None:
    header = plan.model.header if plan.model else None
    return Architecture(header) if header else None


def _facts(plan: Plan, arch: Architecture | None) -> list[tuple[str, str]]:
    """What the model file says of itself."""
    facts: list[tuple[str, str]] = []
    if plan.model is not None:
        facts.append(("file", str(plan.model.path)))
    if arch is not None:
        facts.append(("architecture", arch.name if arch.known else f"{arch.name} (not known)"))
        facts.append(("layers", f"{arch.block_count}"))
        if arch.trained_context:
            facts.append(("trained for", f"{arch.trained_context:,} tokens"))
        if arch.experts:
            facts.append(("experts", f"{arch.experts}, {arch.experts_used} used per token"))
    if plan.profile and plan.profile.model.repo:
        facts.append(("from", plan.profile.model.repo))
    return facts


def _values(plan: Plan) -> list[ShownValue]:
    if plan.profile is None:
        return []
    values = [
        ShownValue(key=f"{name}.{key}", value=_told(value), origin=origin_of(plan.entry, name, key))
        for name in SECTIONS
        for key, value in getattr(plan.profile, name).model_dump(exclude_none=True).items()
    ]
    for key, value in (plan.fit.chosen if plan.fit else {}).items():
        values.append(ShownValue(key=f"server.{key}", value=_told(value), origin="fit"))
    return values


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _devices(fit: Fit) -> list[DeviceMemory]:
    gpus = [
        _memory(device.name, usage, room, device.free, device.total)
        for device, usage, room in zip(fit.devices, fit.estimate.devices, fit.room, strict=True)
    ]
    host = fit.host
    return [*gpus, _memory("host", fit.estimate.host, fit.host_room, host.available, host.total)]


def _memory(name: str, usage: Usage, room: int, free: int, total: int) -> DeviceMemory:
    return DeviceMemory(
        name=name,
        weights=usage.weights,
        context=usage.context,
        compute=usage.compute,
        other=usage.extras,
        room=room,
        free=free,
        total=total,
    )


def _findings(plan: Plan) -> list[ProfileFinding]:
    if plan.profile is None:
        return [
            ProfileFinding(level="error", key=problem.key, what=problem.what, why=problem.hint)
            for problem in plan.entry.problems
        ]
    findings = [
        ProfileFinding(level=each.level, key=each.key, what=each.what, why=each.why)
        for each in lint(plan)
    ]
    for word in overruled_by_args(plan.entry):
        what = f"`args` sets {word} itself, which the plan does not know of."
        findings.append(ProfileFinding(level="note", key="server.args", what=what, why=""))
    return findings
