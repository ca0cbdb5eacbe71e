"""A profile in one line, for every listing."""

from __future__ import annotations

from llm_studio.models.architecture import Architecture
from llm_studio.models.gguf import Header
from llm_studio.profiles.create import quantisation_of
from llm_studio.profiles.measured import Measured
from llm_studio.profiles.plan import Plan
from llm_studio.profiles.profile import Profile
from llm_studio.schema import ProfileSummary


def summarise(plan: Plan, measured: Measured | None = None) -> ProfileSummary:
    """What a listing shows; a profile that cannot be planned says why instead of hiding."""
    entry, profile = plan.entry, plan.profile
    problems = [str(problem) for problem in entry.problems]
    state, fit = plan.state, plan.fit
    if plan.trouble is not None:
        problems.append(plan.trouble.sentence)
    if plan.model is not None and plan.model.problem:
        problems.append(plan.model.problem)
    declared = profile.server.context if profile else None
    context = fit.estimate.context if fit else declared
    context = context if isinstance(context, int) and context else None
    header = plan.model.header if plan.model else None
    return ProfileSummary(
        id=entry.id,
        name=profile.name if profile else entry.id,
        state=state,
        context=context,
        fit=fit.verdict.value if fit else None,
        badge=fit.badge if fit else "",
        speed=measured.speed(entry) if measured else None,
        size=plan.model.size if plan.model else None,
        summary=profile.summary if profile else "",
        tags=profile.tags if profile else [],
        repo=profile.model.repo if profile else None,
        file=profile.model.file if profile else None,
        shipped=entry.shipped,
        path=str(entry.path),
        problems=problems,
        parameters=parameters_told(header) if header else None,
        quantisation=(quantisation_of(header) or None) if header else None,
        slots=profile.server.parallel if profile else None,
        slot_context=context // _parts(profile) if context and profile else None,
        tools=_tools(profile, header) if profile and header else None,
    )


def _parts(profile: Profile) -> int:
    """Into how many parts the context is divided: by default all slots share one."""
    server = profile.server
    return server.parallel if server.parallel and not server.kv_unified else 1


def _tools(profile: Profile, header: Header) -> bool | None:
    if profile.server.chat_template or profile.server.chat_template_file:
        return None
    template = header.metadata.get("tokenizer.chat_template")
    return isinstance(template, str) and "tools" in template


def parameters_told(header: Header) -> str:
    """The number of parameters as people say it, like "8.2B"."""
    count = float(Architecture(header).parameters)
    for unit in ("", "K", "M", "B"):
        if count < 1000:
            return f"{count:.0f}{unit}" if count >= 100 or not unit else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.1f}T"
