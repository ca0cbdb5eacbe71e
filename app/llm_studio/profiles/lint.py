"""Known traps in a profile that is valid: each says what, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import Verdict
from llm_studio.models.library import shards_told
from llm_studio.models.memory import Footprint, MiB
from llm_studio.profiles.create import recommended_sampling
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.plan import Plan, fit_request
from llm_studio.profiles.server import Sampling, ServerSettings, spelled

Level = Literal["error", "warning", "note"]
WHOLE_PRECISION = ("f16", "bf16", "f32")


@dataclass(frozen=True, slots=True)
class Finding:
    """One trap that a profile is in."""

    level: Level
    key: str
    what: str
    why: str


Rule = Callable[[Plan], Iterator[Finding]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


def lint(plan: Plan) -> list[Finding]:
    """Everything that the rules find in a valid profile."""
    if plan.trouble is not None:
        why = " ".join(filter(None, (plan.trouble.why, plan.trouble.hint)))
        return [Finding("error", "", f"{plan.trouble.what}.", why)]
    return [finding for each in RULES for finding in each(plan)]


def _server(plan: Plan) -> ServerSettings:
    return plan.entry.require().server


def _architecture(plan: Plan) -> Architecture | None:
    header = plan.model.header if plan.model else None
    return Architecture(header) if header else None


@rule
def model_file(plan: Plan) -> Iterator[Finding]:
    section, model = plan.entry.require().model, plan.model
    if section.file is None:
        return
    if model is None:
        why = f"Get it from {section.repo}." if section.repo else "Put it into a models folder."
        yield Finding("note", "model.file", f"{section.file} is not on this machine.", why)
        return
    if section.file not in (model.name, *model.also) and not model.repo:
        what = f"found as {model.name}, by its file's name alone."
        yield Finding("note", "model.file", what, "Name it so, lest another of that name is taken.")
    if model.missing:
        what = f"{shards_told(model.missing, model.shard_count)} missing."
        yield Finding("error", "model.file", what, "llama.cpp loads all shards or none.")
    elif model.problem:
        yield Finding("error", "model.file", model.problem, "It cannot be loaded.")
    elif model.kind != "model":
        what = f"{section.file} is no language model but {model.nature}."
        yield Finding("error", "model.file", what, "It belongs beside a model.")


@rule
def companions(plan: Plan) -> Iterator[Finding]:
    section = plan.entry.require().model
    if plan.model is None:
        return
    for key, file in (("mmproj", section.mmproj), ("draft", section.draft)):
        if file and plan.companion(file) is None:
            what = f"{file} is not on this machine."
            yield Finding(
                "warning", f"model.{key}", what, "llama-server will not start without it."
            )
    draft, arch = plan.companion(section.draft), _architecture(plan)
    if draft and draft.header and arch:
        ours, theirs = arch.vocabulary, Architecture(draft.header).vocabulary
        if abs(ours - theirs) > 128:
            what = f"its vocabulary has {theirs:,} tokens, the model's {ours:,}."
            why = "A draft model must share the model's vocabulary, or its guesses are lost."
            yield Finding("error", "model.draft", what, why)


@rule
def fit_disabled(plan: Plan) -> Iterator[Finding]:
    server = _server(plan)
    if server.fit is False:
        return
    by_hand = {
        "gpu_layers": server.gpu_layers not in (None, "auto"),
        "tensor_split": bool(server.tensor_split),
        "override_tensor": bool(server.override_tensor),
        "cpu_moe": bool(server.cpu_moe),
        "n_cpu_moe": bool(server.n_cpu_moe),
    }
    for key in (key for key, is_set in by_hand.items() if is_set):
        why = "llama.cpp fits only what is left unset; if memory is short, it fails to load."
        what = "placing by hand turns fitting off."
        yield Finding("warning", f"server.{key}", what, f"{why} Unset it, or set fit = false.")


@rule
def large_micro_batch(plan: Plan) -> Iterator[Finding]:
    server, arch = _server(plan), _architecture(plan)
    # What is embedded or ranked has to go through in one piece.
    if not server.ubatch or server.ubatch <= 512 or server.embeddings or server.reranking:
        return
    cost = ""
    if arch and plan.devices:
        request = fit_request(server, Footprint(arch))
        asked = replace(request.serving, context=request.context or arch.trained_context)
        both = [
            request.footprint.estimate(replace(asked, ubatch=size), plan.devices)
            for size in (server.ubatch, 512)
        ]
        gained = max(
            large.compute - small.compute
            for large, small in zip(both[0].devices, both[1].devices, strict=True)
        )
        cost = f" Here that is {gained / MiB:,.0f} MiB more on a GPU than with 512."
    why = "The compute buffer grows with it, and so prompts are read somewhat faster."
    what = f"a micro-batch of {server.ubatch} takes much GPU memory."
    yield Finding("warning", "server.ubatch", what, why + cost)


@rule
def quantised_cache(plan: Plan) -> Iterator[Finding]:
    server = _server(plan)
    types = {
        "cache_type_k": server.cache_type_k or "f16",
        "cache_type_v": server.cache_type_v or "f16",
    }
    for key, kind in types.items():
        if kind in WHOLE_PRECISION:
            continue
        if server.split_mode == "tensor":
            what = f'{kind} does not work with split_mode = "tensor".'
            why = "Split by tensors, llama.cpp needs a cache of full precision: use f16."
            yield Finding("error", f"server.{key}", what, why)
        if kind in ("q4_0", "q4_1", "iq4_nl"):
            what = f"{kind} is a coarse cache."
            why = "Long contexts and tool calls suffer noticeably from 4 bits; q8_0 hardly does."
            yield Finding("warning", f"server.{key}", what, why)
    if types["cache_type_v"] not in WHOLE_PRECISION and server.flash_attention == "off":
        what = f"{types['cache_type_v']} needs flash attention."
        why = "Without it llama.cpp refuses to start: unset flash_attention, or use f16."
        yield Finding("error", "server.cache_type_v", what, why)


@rule
def context_beyond_training(plan: Plan) -> Iterator[Finding]:
    server, arch = _server(plan), _architecture(plan)
    if not arch or not isinstance(server.context, int) or not arch.trained_context:
        return
    slots = server.parallel or 1
    each = server.context // (1 if server.kv_unified else slots)
    stretched = server.rope_scaling or server.rope_scale or server.rope_freq_scale
    if each > arch.trained_context and not stretched:
        what = f"{each:,} tokens, but the model was trained for {arch.trained_context:,}."
        why = "Beyond that its answers fall apart, unless positions are stretched (rope_scaling)."
        yield Finding("warning", "server.context", what, why)


@rule
def memory(plan: Plan) -> Iterator[Finding]:
    fit = plan.fit
    if fit is None:
        return
    if fit.verdict is Verdict.TOO_BIG:
        why = " ".join(fit.advice) or "Choose a smaller quantisation."
        yield Finding("warning", "model.file", "it does not fit this machine as set.", why)
        return
    needed = fit.estimate.host.total
    if needed > fit.host_room:
        what = f"it needs {needed / MiB:,.0f} MiB of host memory."
        why = f"This machine can give {fit.host_room / MiB:,.0f} MiB; it would swap and crawl."
        yield Finding("warning", "model.file", what, why)


@rule
def slots_unset(plan: Plan) -> Iterator[Finding]:
    server, arch, fit = _server(plan), _architecture(plan), plan.fit
    if server.parallel or arch is None or fit is None or server.embeddings:
        return
    request = fit_request(server, Footprint(arch))
    asked = replace(request.serving, context=fit.estimate.context)
    both = [
        request.footprint.estimate(replace(asked, parallel=slots), plan.devices)
        for slots in (None, 1)
    ]
    saved = sum(u.total for u in both[0].devices) - sum(u.total for u in both[1].devices)
    if saved >= 64 * MiB:
        what = "unset, llama-server keeps four slots."
        why = f"parallel = 1 saves {saved / MiB:,.0f} MiB of GPU memory if one client is enough."
        yield Finding("note", "server.parallel", what, why)


@rule
def no_experts(plan: Plan) -> Iterator[Finding]:
    server, arch = _server(plan), _architecture(plan)
    if arch and not arch.expert_blocks:
        for key in ("cpu_moe", "n_cpu_moe"):
            if getattr(server, key):
                what = "the model has no experts."
                yield Finding("warning", f"server.{key}", what, "It does nothing: remove it.")


@rule
def shifting_recurrent(plan: Plan) -> Iterator[Finding]:
    arch = _architecture(plan)
    if _server(plan).context_shift and arch and any(arch.recurrent):
        what = "the model has recurrent layers, whose state cannot be shifted."
        yield Finding("warning", "server.context_shift", what, "Set it to false.")


@rule
def deprecated(plan: Plan) -> Iterator[Finding]:
    if _server(plan).split_mode == "row":
        why = 'llama.cpp is giving it up: use "layer".'
        yield Finding("warning", "server.split_mode", '"row" is deprecated.', why)


@rule
def named_in_args(plan: Plan) -> Iterator[Finding]:
    """A setting that goes round its named key is invisible to planning and checking."""
    for word in _server(plan).args or ():
        name = word.split("=", 1)[0]
        field = named_field(name)
        if field:
            what = f"{name} has a key of its own, {field}."
            why = "Set there, it is checked, planned with and shown with its origin."
            yield Finding("warning", "server.args", what, why)


def named_field(word: str) -> str | None:
    """The key that stands for a llama-server argument."""
    if not word.startswith("-"):
        return None
    word = spelled(word)
    for section, owner in (("server", ServerSettings), ("sampling", Sampling)):
        for key, info in owner.model_fields.items():
            flag = flag_of(info)
            if flag and word in (flag.name, flag.negative, *flag.renamed_from):
                return f"{section}.{key}"
    return None


_FAR = {"temperature": 0.31, "top_p": 0.101, "min_p": 0.041, "repeat_penalty": 0.11}


@rule
def far_from_recommended(plan: Plan) -> Iterator[Finding]:
    """Samplers against the model card's: as the file has them, or a shipped profile of it."""
    header = plan.model.header if plan.model else None
    card = plan.card.model_dump(exclude_none=True) if plan.card else {}
    card |= recommended_sampling(header) if header else {}
    sampling = plan.entry.require().sampling
    for key, recommended in card.items():
        value = getattr(sampling, key)
        if value is None:
            continue
        far = (
            abs(value - recommended) >= _FAR[key]
            if key in _FAR
            else key == "top_k" and not _near_count(value, recommended)
        )
        if far:
            what = f"{value} is far from {recommended}, which the model's makers recommend."
            why = "Models repeat themselves or ramble with samplers they were not made for."
            yield Finding("warning", f"sampling.{key}", what, why)


def _near_count(value: int, recommended: int) -> bool:
    if not value or not recommended:
        return value == recommended
    return 0.5 <= value / recommended <= 2


def shared_aliases(plans: Iterable[Plan]) -> Iterator[tuple[str, Finding]]:
    """API names that more than one profile claims; the first keeps it."""
    owners: dict[str, str] = {}
    every = [plan for plan in plans if plan.profile is not None and plan.profile.servable]
    for plan in every:
        owners[plan.entry.id] = plan.entry.id
    for plan in every:
        for alias in (_server(plan).alias or "").split(","):
            name = alias.strip()
            owner = owners.setdefault(name, plan.entry.id) if name else plan.entry.id
            if owner != plan.entry.id:
                what = f"{name!r} is already the name of the profile {owner!r}."
                why = "A request for that name could mean either."
                yield plan.entry.id, Finding("error", "server.alias", what, why)
