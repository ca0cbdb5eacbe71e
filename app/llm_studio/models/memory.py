"""How much memory llama-server will ask for, on every device and on the host, before it is started.

The terms follow what llama.cpp allocates: weights by their true sizes, the key/value cache by
layer, and the compute buffer, whose formulas reproduce the engine's own figures (the docs hold
the comparison). What a GPU needs for itself (context, workspaces) is `Device.overhead`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llm_studio.models.architecture import Architecture, is_expert
from llm_studio.models.compute import Batch, Compute, Layout
from llm_studio.models.gguf import TENSOR_TYPES, Header, Tensor

MiB = 1 << 20
GiB = 1 << 30
HOST = -1
DEFAULT_SLOTS = 4
"""Slots of a llama-server that was told no number; they share one cache."""

CACHE_TYPES = {
    kind.name.lower(): kind
    for kind in TENSOR_TYPES.values()
    if kind.name in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "IQ4_NL", "Q5_0", "Q5_1")
}


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU to plan for, in bytes."""

    name: str
    total: int
    free: int
    uuid: str = ""
    model: str = ""
    """What the maker calls it."""
    overhead: int = 0
    """What the driver and the libraries take on it besides what llama.cpp asks for."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What llama-server is asked to do with a model, as far as memory depends on it."""

    context: int = 0
    """Tokens of all slots together; 0 is what the model was trained for."""
    parallel: int | None = None
    kv_unified: bool | None = None
    gpu_layers: int | None = None
    """None: all."""
    cpu_moe: bool = False
    n_cpu_moe: int = 0
    tensor_split: tuple[float, ...] = ()
    split_mode: str = "layer"
    main_gpu: int = 0
    batch: int = 2048
    ubatch: int = 512
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attention: bool = True
    kv_offload: bool = True
    swa_full: bool = False

    @property
    def slots(self) -> int:
        return self.parallel if self.parallel and self.parallel > 0 else DEFAULT_SLOTS

    @property
    def unified(self) -> bool:
        if self.kv_unified is not None:
            return self.kv_unified
        return self.parallel is None or self.parallel < 1

    @property
    def streams(self) -> int:
        return 1 if self.unified else self.slots

    @property
    def micro_batch(self) -> int:
        return min(self.batch, self.ubatch)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on one device, or on the host."""

    weights: int = 0
    context: int = 0
    compute: int = 0
    extras: int = 0
    """Projector, draft model, and copies of weights that stay on the host."""

    @property
    def total(self) -> int:
        return self.weights + self.context + self.compute + self.extras

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.weights + other.weights,
            self.context + other.context,
            self.compute + other.compute,
            self.extras + other.extras,
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """Where each block and the output go: a device's index, or the host."""

    blocks: tuple[int, ...]
    output: int
    experts_on_host: frozenset[int] = frozenset()

    @property
    def on_host(self) -> int:
        return self.blocks.count(HOST)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes, device by device."""

    devices: tuple[Usage, ...]
    host: Usage
    placement: Placement
    context: int


@dataclass(slots=True)
class _Tally:
    weights: list[int]
    context: list[int]
    compute: list[int]
    host: list[int] = field(default_factory=lambda: [0, 0, 0])


def estimate(header: Header, serving: Serving, devices: Sequence[Device]) -> Estimate:
    """What llama-server will allocate for the model, served so on these devices."""
    return Footprint(Architecture(header)).estimate(serving, devices)


class Footprint:
    """A model's memory under any settings; sizes are added up once, so that searching is cheap."""

    def __init__(self, architecture: Architecture, pinned: Sequence[re.Pattern[str]] = ()) -> None:
        """`pinned` matches the names of tensors that stay in host memory whatever the placement."""
        self.architecture = architecture
        arch = architecture
        self._pinned = 0
        self._pinned_experts: set[int] = set()
        self._dense = [0] * arch.block_count
        self._experts = [0] * arch.block_count
        self._largest = [0] * arch.block_count
        self._largest_expert = [0] * arch.block_count
        for block in range(arch.block_count):
            for tensor in arch.blocks.get(block, ()):
                if any(pattern.search(tensor.name) for pattern in pinned):
                    self._pinned += tensor.size
                    if is_expert(tensor):
                        self._pinned_experts.add(block)
                    continue
                self._largest[block] = max(self._largest[block], tensor.size)
                if is_expert(tensor):
                    self._experts[block] += tensor.size
                    self._largest_expert[block] = max(self._largest_expert[block], tensor.size)
                else:
                    self._dense[block] += tensor.size
        self._input = self._output = self._everywhere = self._tied = 0
        for tensor in arch.other:
            self._sort(tensor)
        if arch.tied_output:
            self._tied = sum(t.size for t in arch.other if t.name == "token_embd.weight")

    def _sort(self, tensor: Tensor) -> None:
        if tensor.name.startswith("rope_"):
            self._everywhere += tensor.size
        elif tensor.name.startswith(
            ("token_embd", "token_types", "position_embd", "per_layer_token")
        ):
            self._input += tensor.size
        elif tensor.name.startswith("per_layer_") and self._dense:
            self._dense[0] += tensor.size
        else:
            self._output += tensor.size

    def estimate(self, serving: Serving, devices: Sequence[Device]) -> Estimate:
        return self.measure(serving, self.place(serving, devices), len(devices))

    def place(self, serving: Serving, devices: Sequence[Device]) -> Placement:
        """Blocks onto devices as llama.cpp does it: in order, by each device's share."""
        count = self.architecture.block_count
        host_experts = range(count) if serving.cpu_moe else range(min(serving.n_cpu_moe, count))
        experts = frozenset(b for b in host_experts if self._experts[b]) | self._pinned_experts
        if not devices or serving.gpu_layers == 0:
            return Placement((HOST,) * count, HOST, frozenset())
        layers = count + self.architecture.predicting_blocks + 1
        offloaded = layers if serving.gpu_layers is None else min(serving.gpu_layers, layers)
        start = layers - offloaded
        if serving.split_mode == "none":
            main = min(max(serving.main_gpu, 0), len(devices) - 1)
            blocks = tuple(HOST if b < start else main for b in range(count))
            return Placement(blocks, main, experts)
        shares = list(serving.tensor_split[: len(devices)])
        shares += [0.0] * (len(devices) - len(shares))
        if not sum(shares):
            shares = [float(device.free) for device in devices]
        whole = sum(shares) or 1.0
        bounds, reached = [], 0.0
        for share in shares:
            reached += share
            bounds.append(reached / whole)

        def device_of(layer: int) -> int:
            position = (layer - start) / offloaded
            return next((i for i, bound in enumerate(bounds) if bound > position), len(bounds) - 1)

        blocks = tuple(HOST if b < start else device_of(b) for b in range(count))
        return Placement(blocks, device_of(layers - 1), experts)

    def measure(self, serving: Serving, placement: Placement, device_count: int) -> Estimate:
        """The bytes of one placement."""
        context = serving.context or self.architecture.trained_context
        serving = replace(serving, context=context)
        tally = _Tally([0] * device_count, [0] * device_count, [0] * device_count)
        self._add_weights(tally, placement)
        self._add_context(tally, serving, placement)
        self._add_compute(tally, serving, placement)
        devices = tuple(
            Usage(*usage) for usage in zip(tally.weights, tally.context, tally.compute, strict=True)
        )
        return Estimate(devices, Usage(*tally.host), placement, context)

    def largest_on_host(self, placement: Placement) -> int:
        """The largest weight that a GPU would copy from the host to compute a long prompt."""
        largest = 0
        for block, where in enumerate(placement.blocks):
            if where == HOST:
                largest = max(largest, self._largest[block])
            elif block in placement.experts_on_host:
                largest = max(largest, self._largest_expert[block])
        return largest

    def _add_weights(self, tally: _Tally, placement: Placement) -> None:
        tally.host[0] += self._input + self._pinned
        for block, where in enumerate(placement.blocks):
            experts_at = HOST if block in placement.experts_on_host else where
            _add(tally.weights, tally.host, 0, where, self._dense[block])
            _add(tally.weights, tally.host, 0, experts_at, self._experts[block])
        _add(tally.weights, tally.host, 0, placement.output, self._output)
        if placement.output != HOST:  # embeddings that serve as output too are there twice
            _add(tally.weights, tally.host, 0, placement.output, self._tied)
        for where in {*placement.blocks, placement.output}:
            _add(tally.weights, tally.host, 0, where, self._everywhere)

    def _add_context(self, tally: _Tally, serving: Serving, placement: Placement) -> None:
        arch = self.architecture
        for block, where in enumerate(placement.blocks):
            at = where if serving.kv_offload else HOST
            if arch.attending[block]:
                _add(tally.context, tally.host, 1, at, self._cache_of(block, serving))
            state = arch.recurrent[block]
            if state is not None:
                size = 4 * (state.convolution + state.state) * serving.slots
                _add(tally.context, tally.host, 1, at, size)

    def _cache_of(self, block: int, serving: Serving) -> int:
        arch = self.architecture
        cells = self._cells(serving, windowed=arch.windowed[block])
        if arch.latent_attention:
            return serving.streams * cells * _row(arch.latent_row, serving.cache_type_k)
        heads = arch.kv_heads[block]
        key_length, value_length = arch.head_lengths(block)
        return (serving.streams * cells) * (
            _row(heads * key_length, serving.cache_type_k)
            + _row(heads * value_length, serving.cache_type_v)
        )

    def _cells(self, serving: Serving, *, windowed: bool) -> int:
        cells = _round_up(-(-serving.context // serving.streams), 256)
        if not windowed or serving.swa_full:
            return cells
        sequences = serving.slots if serving.unified else 1
        return min(
            cells,
            _round_up(self.architecture.window * sequences + serving.micro_batch, 256),
        )

    def _add_compute(self, tally: _Tally, serving: Serving, placement: Placement) -> None:
        arch = self.architecture
        window = self._cells(serving, windowed=True) if any(arch.windowed) else 0
        cells = self._cells(serving, windowed=False)
        batch = Batch(
            tokens=min(serving.micro_batch, _round_up(serving.context, 256)),
            slots=serving.slots,
            cells=cells,
            window_cells=window,
            flash_attention=serving.flash_attention,
            cache_on_device=serving.kv_offload,
            largest_cache=max(
                (self._cache_of(b, serving) for b in range(arch.block_count) if arch.attending[b]),
                default=0,
            ),
        )
        used = sorted({*placement.blocks, placement.output} - {HOST})
        layout = Layout(
            devices=used,
            output=placement.output,
            blocks_on_host=placement.on_host > 0,
            dense_only=frozenset(d for d in used if self._dense_only(placement, d)),
            experts_on_host=bool(placement.experts_on_host),
            borrowed=lambda device: self._borrowed_cache(serving, placement, device),
        )
        compute = Compute(arch, batch)
        tally.compute[:] = compute.on_devices(layout, len(tally.compute))
        tally.host[2] += compute.on_host(layout)

    def _dense_only(self, placement: Placement, device: int) -> bool:
        with_experts = [
            block
            for block, where in enumerate(placement.blocks)
            if where == device and (self._experts[block] or block in self._pinned_experts)
        ]
        return bool(with_experts) and placement.experts_on_host.issuperset(with_experts)

    def _borrowed_cache(self, serving: Serving, placement: Placement, device: int) -> int:
        """Caches on other devices that blocks here read, of which the scheduler keeps copies."""
        borrowed = 0
        for block in range(self.architecture.first_sharing_block, self.architecture.block_count):
            source = self.architecture.shared_source(block)
            if source is None or placement.blocks[block] != device:
                continue
            if placement.blocks[source] != device:
                borrowed += self._cache_of(source, serving)
        return borrowed


def _add(on_devices: list[int], on_host: list[int], part: int, where: int, size: int) -> None:
    if where == HOST:
        on_host[part] += size
    else:
        on_devices[where] += size


def _row(elements: int, cache_type: str) -> int:
    kind = CACHE_TYPES[cache_type]
    return elements * kind.size // kind.elements


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
