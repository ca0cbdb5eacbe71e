"""Whether a model fits this machine, where its parts go, and how much context that leaves.

llama.cpp's own fitting gives up context before anything else: a model that is a little too big
ends with 4,096 tokens. So the context is chosen here and passed on, and llama.cpp then places the
weights around it, which this module foresees: one GPU if the model fits it, else a split by free
memory, then experts in host memory, then whole layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from llm_studio.models.memory import (
    HOST,
    Device,
    Estimate,
    Footprint,
    GiB,
    MiB,
    Placement,
    Serving,
    Usage,
)

DEFAULT_MARGIN = 1024 * MiB
"""What llama.cpp keeps free on each GPU unless told otherwise."""
HOST_RESERVE = 1 * GiB
"""What the rest of the machine keeps of host memory."""
CONTEXT_STEP = 256
LEAST_CONTEXT = 4096
USEFUL_CONTEXT = 32768
"""Worth giving up speed for: with less, a long conversation or an agent soon runs out."""


Chosen = dict[str, int | str | list[int]]
"""Settings that the plan adds, by their profile names."""


class Verdict(StrEnum):
    ONE_GPU = "one-gpu"
    SPLIT = "split"
    EXPERTS_ON_CPU = "experts-on-cpu"
    LAYERS_ON_CPU = "layers-on-cpu"
    CPU = "cpu"
    TOO_BIG = "too-big"


@dataclass(frozen=True, slots=True)
class Host:
    """This machine's own memory, in bytes."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Companion:
    """Something loaded beside the model: its projector (weights and buffers), a draft model."""

    projector: int = 0
    adapters: int = 0
    """Bytes of LoRA adapters, which lie beside the weights that they change."""
    draft: Footprint | None = None
    draft_serving: Serving = field(default_factory=Serving)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be served, and what of it the user has decided."""

    footprint: Footprint
    serving: Serving
    context: int | None = None
    """None: to be chosen."""
    placed: bool = False
    """The user placed the layers; nothing is moved to make the model fit."""
    spread: bool = False
    """The user wants all GPUs used, also where one would do."""
    margins: tuple[int, ...] = (DEFAULT_MARGIN,)
    companion: Companion = field(default_factory=Companion)
    op_offload: bool = True
    """Whether a GPU computes long prompts with weights that stay on the host; it copies them."""


@dataclass(frozen=True)
class Fit:
    """The answer: where everything goes, what it takes, and what was chosen."""

    verdict: Verdict
    estimate: Estimate
    devices: tuple[Device, ...]
    room: tuple[int, ...]
    """Bytes that the model may take on each device."""
    host: Host
    serving: Serving
    largest_context: int
    """The most that fits in the same way; 0 where nothing fits."""
    chosen: Chosen
    """Settings that the plan adds, by their profile names."""
    request: Request

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """What would make it fit better; worked out when it is asked for."""
        from llm_studio.models.advice import advise

        return tuple(advise(self.request, self))

    @property
    def fits(self) -> bool:
        return self.verdict is not Verdict.TOO_BIG

    @property
    def host_room(self) -> int:
        """Bytes of host memory that the model may take."""
        return max(self.host.total - HOST_RESERVE, 0)

    @property
    def badge(self) -> str:
        """The answer in a few words."""
        used = [i for i, usage in enumerate(self.estimate.devices) if usage.total]
        return {
            Verdict.ONE_GPU: self.devices[used[0]].name if used else "GPU",
            Verdict.SPLIT: f"{len(used)} GPUs",
            Verdict.EXPERTS_ON_CPU: "experts on CPU",
            Verdict.LAYERS_ON_CPU: "layers on CPU",
            Verdict.CPU: "CPU",
            Verdict.TOO_BIG: "too big",
        }[self.verdict]


WHOLE = (Verdict.ONE_GPU, Verdict.SPLIT)
"""Everything is on the GPUs."""

Placer = Callable[[Serving], Placement | None]
Way = tuple[Verdict, Placer, Chosen]
"""A way to place the model, and the settings that choose it."""


class Planner:
    """Plans one request on one machine."""

    def __init__(self, request: Request, devices: Sequence[Device], host: Host) -> None:
        self.request = request
        self.devices = tuple(devices)
        self.host = host
        margins = request.margins
        self.room = tuple(
            max(device.free - device.overhead - margins[min(index, len(margins) - 1)], 0)
            for index, device in enumerate(self.devices)
        )
        self._arch = request.footprint.architecture

    def plan(self) -> Fit:
        """The first way to serve the model that leaves it enough context."""
        wanted = self.request.context
        trained = self._arch.trained_context or USEFUL_CONTEXT
        ways = self._ways()
        best: tuple[Verdict, Placer, Chosen, int] | None = None
        for verdict, placer, chosen in ways:
            largest = self._largest_context(placer, max(trained, wanted or 0))
            enough = wanted or min(trained, USEFUL_CONTEXT)
            if largest >= enough:
                # With everything on the GPUs, context is free; else it costs speed.
                context = wanted or (largest if verdict in WHOLE else enough)
                return self._answer(verdict, placer, chosen, context, largest)
            if largest and (best is None or largest > best[3]):
                best = (verdict, placer, chosen, largest)
        if best and not wanted and best[3] >= min(trained, LEAST_CONTEXT):
            verdict, placer, chosen, largest = best
            return self._answer(verdict, placer, chosen, largest, largest)
        least = wanted or min(trained, LEAST_CONTEXT)
        return self._too_big(ways, least, best[3] if best else 0)

    def _ways(self) -> list[Way]:
        """Ways to place the model, the fastest first."""
        request, count = self.request, len(self.devices)
        as_asked: Placer = lambda serving: request.footprint.place(serving, self.devices)  # noqa: E731
        if not count or request.serving.gpu_layers == 0:
            return [(Verdict.CPU, as_asked, {})]
        if request.placed or request.serving.split_mode != "layer":
            return [(self._verdict_of(as_asked(request.serving)), as_asked, {})]
        ways: list[Way] = []
        alone = sorted(range(count), key=lambda i: -self.room[i])
        for index in () if request.spread and count > 1 else alone:
            chosen: Chosen = {}
            if count > 1:
                chosen = {"split_mode": "none", "main_gpu": index}
                if len(set(request.margins)) > 1:  # the engine sees one GPU, so one margin
                    margin = request.margins[min(index, len(request.margins) - 1)]
                    chosen["fit_target"] = [margin // MiB]
            ways.append((Verdict.ONE_GPU, self._only(index), chosen))
        if count > 1:
            ways.append((Verdict.SPLIT, as_asked, {}))
            ways.append((Verdict.SPLIT, self._filled, {}))
        if self._arch.expert_blocks:
            ways.append((Verdict.EXPERTS_ON_CPU, self._experts_on_host, {}))
        ways.append((Verdict.LAYERS_ON_CPU, self._partly, {}))
        return ways

    def _only(self, index: int) -> Placer:
        return lambda serving: self.request.footprint.place(
            replace(serving, split_mode="none", main_gpu=index), self.devices
        )

    def _filled(self, serving: Serving) -> Placement | None:
        """All layers on the GPUs, each filled from the back as far as it has room."""
        placement = self._back_to_front(serving, frozenset())
        return placement if placement and not placement.on_host else None

    def _partly(self, serving: Serving) -> Placement | None:
        """As many layers as fit; experts stay in host memory where there are any."""
        return self._back_to_front(serving, frozenset(self._arch.expert_blocks))

    def _back_to_front(self, serving: Serving, experts: frozenset[int]) -> Placement | None:
        blocks = [HOST] * self._arch.block_count
        output, end = HOST, self._arch.block_count
        for index in reversed(range(len(self.devices))):
            low, high = 0, end + (output == HOST)
            while low < high:  # the most layers that this device takes
                middle = (low + high + 1) // 2
                trial = self._with_layers(blocks, output, experts, index, end, middle)
                if self._fits_device(serving, trial, index):
                    low = middle
                else:
                    high = middle - 1
            placed = self._with_layers(blocks, output, experts, index, end, low)
            blocks, output = list(placed.blocks), placed.output
            end = next((b for b, where in enumerate(blocks) if where != HOST), end)
        if output == HOST:
            return None
        return Placement(tuple(blocks), output, _offloaded(blocks, experts))

    def _with_layers(
        self,
        blocks: list[int],
        output: int,
        experts: frozenset[int],
        index: int,
        end: int,
        layers: int,
    ) -> Placement:
        """The next `layers` layers before `end` on a device; the output is the very last layer."""
        placed = list(blocks)
        if layers and output == HOST:
            output, layers = index, layers - 1
        for block in range(max(end - layers, 0), end):
            placed[block] = index
        return Placement(tuple(placed), output, _offloaded(placed, experts))

    def _experts_on_host(self, serving: Serving) -> Placement | None:
        """Dense weights on the GPUs; experts where there is room, first GPU first."""
        expert_blocks = frozenset(self._arch.expert_blocks)
        placement = self._back_to_front(serving, expert_blocks)
        if placement is None or placement.on_host:
            return None
        blocks, on_host = list(placement.blocks), set(expert_blocks)
        position = 0
        for index in range(len(self.devices)):
            while position < len(blocks):
                trial = list(blocks)
                trial[position] = index
                kept = frozenset(on_host - {position})
                candidate = Placement(tuple(trial), placement.output, kept)
                if blocks[position] < index or not self._fits_device(serving, candidate, index):
                    break
                blocks, position = trial, position + 1
                on_host.discard(position - 1)
            if index + 1 < len(self.devices):
                position = max(position, self._first_after(blocks, index))
        return Placement(tuple(blocks), placement.output, frozenset(on_host))

    @staticmethod
    def _first_after(blocks: list[int], index: int) -> int:
        return next((b for b, where in enumerate(blocks) if where > index), len(blocks))

    def _fits_device(self, serving: Serving, placement: Placement, index: int) -> bool:
        return self._measure(serving, placement).devices[index].total <= self.room[index]

    def _verdict_of(self, placement: Placement | None) -> Verdict:
        assert placement is not None
        used = {where for where in (*placement.blocks, placement.output) if where != HOST}
        if not used:
            return Verdict.CPU
        if placement.on_host:
            return Verdict.LAYERS_ON_CPU
        if placement.experts_on_host:
            return Verdict.EXPERTS_ON_CPU
        return Verdict.ONE_GPU if len(used) == 1 else Verdict.SPLIT

    def _measure(self, serving: Serving, placement: Placement) -> Estimate:
        count = len(self.devices)
        estimate = self.request.footprint.measure(serving, placement, count)
        extras, host_extra = self._companion(serving, placement, count)
        devices = tuple(
            usage.plus(Usage(extras=extra))
            for usage, extra in zip(estimate.devices, extras, strict=True)
        )
        return replace(estimate, devices=devices, host=estimate.host.plus(Usage(extras=host_extra)))

    def _companion(
        self, serving: Serving, placement: Placement, count: int
    ) -> tuple[list[int], int]:
        companion, extras, host = self.request.companion, [0] * count, 0
        used = sorted({where for where in placement.blocks if where != HOST})
        if used:
            extras[used[0]] += companion.projector
            for device in used:  # roughly: in proportion to the blocks that they change
                share = placement.blocks.count(device) / len(placement.blocks)
                extras[device] += int(companion.adapters * share)
        else:
            host += companion.projector + companion.adapters
        if self.request.op_offload:
            copied = self.request.footprint.largest_on_host(placement)
            for device in used:
                extras[device] += copied
        if companion.draft:
            draft = replace(
                companion.draft_serving,
                context=serving.context,
                parallel=serving.parallel,
                kv_unified=serving.kv_unified,
                split_mode=serving.split_mode,
                main_gpu=serving.main_gpu,
            )
            if len(used) == 1:
                draft = replace(draft, split_mode="none", main_gpu=used[0])
            devices = self.devices if used else ()
            took = companion.draft.measure(draft, companion.draft.place(draft, devices), count)
            extras = [e + usage.total for e, usage in zip(extras, took.devices, strict=True)]
            host += took.host.total
        return extras, host

    def _fits(self, serving: Serving, placer: Placer) -> bool:
        placement = placer(serving)
        if placement is None:
            return False
        estimate = self._measure(serving, placement)
        return self._fits_devices(estimate) and estimate.host.total <= max(
            self.host.total - HOST_RESERVE, 0
        )

    def _fits_devices(self, estimate: Estimate) -> bool:
        pairs = zip(estimate.devices, self.room, strict=True)
        return all(usage.total <= room for usage, room in pairs)

    def _largest_context(self, placer: Placer, most: int) -> int:
        """The largest context, in steps, that fits; 0 where not even the least does."""

        def fits(context: int) -> bool:
            return self._fits(replace(self.request.serving, context=context), placer)

        if fits(most):
            return most
        low, high = 0, most // CONTEXT_STEP
        while low < high:
            middle = (low + high + 1) // 2
            if fits(middle * CONTEXT_STEP):
                low = middle
            else:
                high = middle - 1
        return low * CONTEXT_STEP

    def _answer(
        self,
        verdict: Verdict,
        placer: Placer,
        chosen: Chosen,
        context: int,
        largest: int,
    ) -> Fit:
        serving = replace(self.request.serving, context=context)
        placement = placer(serving)
        assert placement is not None
        verdict = self._verdict_of(placement)
        if self.request.context is None:
            chosen = {"context": context, **chosen}
        if "split_mode" in chosen:
            main = chosen["main_gpu"]
            assert isinstance(main, int)
            serving = replace(serving, split_mode="none", main_gpu=main)
        estimate = self._measure(serving, placement)
        return self._fit(verdict, estimate, serving, largest, chosen)

    def _fit(
        self, verdict: Verdict, estimate: Estimate, serving: Serving, largest: int, chosen: Chosen
    ) -> Fit:
        return Fit(
            verdict=verdict,
            estimate=estimate,
            devices=self.devices,
            room=self.room,
            host=self.host,
            serving=serving,
            largest_context=largest,
            chosen=chosen,
            request=self.request,
        )

    def _too_big(self, ways: Sequence[Way], context: int, largest: int) -> Fit:
        """What it would take, to show what is lacking: at best, only host memory."""
        serving = replace(self.request.serving, context=context)
        estimate = self._measure(serving, self.request.footprint.place(serving, self.devices))
        for _, placer, _ in ways:
            placement = placer(serving)
            if placement is not None:
                tried = self._measure(serving, placement)
                if self._fits_devices(tried):
                    estimate = tried
                    break
        return self._fit(Verdict.TOO_BIG, estimate, serving, largest, {})


def _offloaded(blocks: Sequence[int], experts: frozenset[int]) -> frozenset[int]:
    """Experts in host memory of blocks that are on a GPU; whole blocks on the host have no say."""
    return frozenset(block for block in experts if blocks[block] != HOST)


def plan_fit(request: Request, devices: Sequence[Device], host: Host) -> Fit:
    """Whether and how the request fits the machine."""
    return Planner(request, devices, host).plan()
