"""The compute buffers: what llama.cpp reserves for the steps of one micro-batch.

The graph allocator reuses memory in ways that no short rule follows exactly. These terms
reproduce the engine's own figures within a few MiB; the docs hold the comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llm_studio.models.architecture import Architecture

PIPELINE_COPIES = 4
"""Copies of the inputs that the scheduler keeps when several devices work in a pipeline."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What the buffers depend on besides the model."""

    tokens: int
    """Of one micro-batch."""
    slots: int
    cells: int
    """Of the cache, for layers that see everything."""
    window_cells: int
    """Of the cache, for layers behind a window; 0 where there are none."""
    flash_attention: bool
    cache_on_device: bool
    largest_cache: int
    """Bytes of the largest layer's cache."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where blocks are: the devices in use in their order, and what stays on the host."""

    devices: Sequence[int]
    output: int
    blocks_on_host: bool
    dense_only: frozenset[int]
    """Devices all of whose blocks have their experts on the host."""
    experts_on_host: bool
    borrowed: Callable[[int], int]
    """Bytes of caches on other devices that blocks of a device read."""


class Compute:
    """The compute buffers of a model for one kind of batch."""

    def __init__(self, arch: Architecture, batch: Batch) -> None:
        self._batch = batch
        self._pictures = arch.number("n_deepstack_layers")
        tokens = batch.tokens
        self.mask = 2 * tokens * (batch.cells + batch.window_cells)
        self.row = 4 * tokens * arch.embedding
        self.layer_inputs = (
            4 * tokens * arch.number("embedding_length_per_layer_input") * arch.block_count
        )
        self.logits = 4 * arch.vocabulary * min(batch.slots, tokens)
        self.query = 4 * tokens * arch.heads * arch.key_length
        self.expert_rows = 4 * tokens * arch.experts_used * arch.expert_feed_forward
        self.expert_outputs = 4 * tokens * arch.experts_used * arch.embedding
        self.latent_query = 4 * tokens * arch.number("attention.q_lora_rank")
        beside = max(self._attention(arch), self._recurrent(arch), self._dense_blocks(arch))
        self.block = max(self._experts(), beside)
        self.without_experts = max(self.expert_outputs, beside)
        if not batch.flash_attention:
            self.block += 4 * arch.heads * tokens * batch.cells
            self.mask *= 2

    def _dense_blocks(self, arch: Architecture) -> int:
        """Blocks without experts: all of a dense model's, or those that lead the others."""
        if len(arch.expert_blocks) == arch.block_count:
            return 0
        return 3 * 4 * self._batch.tokens * arch.feed_forward

    def _experts(self) -> int:
        rows, outputs = self.expert_rows, self.expert_outputs
        return 3 * rows + (outputs if outputs > 2 * rows else 0)

    def _attention(self, arch: Architecture) -> int:
        if not arch.latent_attention:
            return 2 * self.query
        key, latent = arch.number("attention.key_length_mla"), arch.number("attention.kv_lora_rank")
        width = latent + arch.number("rope.dimension_count") + arch.key_length
        if key < arch.key_length:
            width += key
        return 4 * self._batch.tokens * arch.heads * width

    def _recurrent(self, arch: Architecture) -> int:
        """Blocks of the Mamba 2 kind; others stay below the feed-forward part."""
        rank, inner = arch.number("ssm.time_step_rank"), arch.number("ssm.inner_size")
        state = arch.number("ssm.state_size")
        if arch.name not in (
            "nemotron_h",
            "nemotron_h_moe",
            "granitehybrid",
            "falcon-h1",
            "mamba2",
        ):
            return 0
        tokens, slots = self._batch.tokens, self._batch.slots
        channels = inner + 2 * arch.number("ssm.group_count") * state
        projected = inner + channels + rank
        return (
            4 * tokens * (projected + channels + inner)
            + 4 * channels * (tokens + arch.kernel_reach * slots)
            + 4 * state * inner * slots
            + (3 * self.row if arch.name == "falcon-h1" else 0)
        )

    def _picture_rows(self, each: int, once: int = 0) -> int:
        """Further input rows where image features enter several layers (three, in Qwen3-VL)."""
        return (self._pictures * each + once) * self.row if self._pictures else 0

    def on_devices(self, layout: Layout, count: int) -> list[int]:
        """Bytes on each device."""
        sizes = [0] * count
        whole = not layout.blocks_on_host and not layout.experts_on_host
        pipeline = whole and len(layout.devices) > 1 and self._batch.cache_on_device
        for device in layout.devices:
            logits = self.logits if device == layout.output else 0
            if pipeline:
                first = device == layout.devices[0]
                sizes[device] = self._in_pipeline(first, logits, layout.borrowed(device))
            elif not self._batch.cache_on_device:
                cache_copy = self.mask + 2 * self.query + 4 * self.row + self._batch.largest_cache
                sizes[device] = max(cache_copy, logits + self.row)
            elif layout.blocks_on_host:
                steps = max(3 * self.row + 2 * self.query, 2 * self.row + self.block)
                steps += self.layer_inputs + layout.borrowed(device)
                sizes[device] = max(self.mask + steps, logits + self.row)
            elif device in layout.dense_only:
                sizes[device] = self.mask + 4 * self.row + max(self.without_experts, logits)
            else:
                inputs = 4 * self.row + self._picture_rows(2, 2) + 2 * self.layer_inputs
                sizes[device] = self.mask + inputs + max(self.block, logits)
        return sizes

    def _in_pipeline(self, first: bool, logits: int, borrowed: int) -> int:
        inputs = (14 if first else 9) * self.row
        if first:
            inputs += self._picture_rows(6, 1) + 5 * self.layer_inputs
        work = max(self.block + self.row + self.query + self.latent_query, logits)
        return PIPELINE_COPIES * (self.mask + borrowed) + inputs + work

    def on_host(self, layout: Layout) -> int:
        """Bytes on the host."""
        if not layout.devices:
            return self.mask + 5 * self.row + max(self.block, self.logits)
        if len(layout.devices) > 1 and not layout.blocks_on_host and not layout.experts_on_host:
            rows = 10 * self.row + self._picture_rows(8)
            return PIPELINE_COPIES * self.mask + rows + self.layer_inputs
        size = self.mask + 4 * self.row + self._picture_rows(2) + self.layer_inputs
        if layout.blocks_on_host:
            size += self.block + self.row
        if layout.experts_on_host:
            size += 3 * self.expert_rows
        return size
