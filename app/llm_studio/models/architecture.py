"""What a model file's header says about the model's shape, as numbers that memory depends on.

Nothing is inferred from names of files: every figure comes from metadata or from the tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from llm_studio.models.gguf import ArraySize, Header, Tensor, Value

KNOWN = frozenset(
    """
    llama llama4 qwen2 qwen3 qwen3moe qwen3next qwen35 qwen35moe qwen3vlmoe gemma2 gemma3 gemma4
    gpt-oss deepseek2 glm4moe phi3 mistral3 cohere2 falcon-h1 granitehybrid nemotron_h_moe
    minimax-m2 seed_oss lfm2moe kimi-linear
    """.split()
)
"""Architectures whose estimates were compared with what llama.cpp asks for."""

WINDOW_PATTERNS: Mapping[str, int] = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "cohere2": 4,
    "exaone4": 4,
    "olmo2": 4,
    "llama4": 4,
    "smallthinker": 4,
}
"""Of so many layers in a row, all but the last look through a sliding window. The rule is in
llama.cpp's code for these architectures; newer files carry it as metadata."""

MAX_BLOCKS = 1024
"""Twice what llama.cpp accepts."""

MAX_COUNT = 1 << 32

_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
_EXPERTS = re.compile(r"ffn_(up|down|gate|gate_up)_(ch)?exps\b")


@dataclass(frozen=True, slots=True)
class Recurrent:
    """The state of a recurrent block, in elements per sequence."""

    convolution: int
    state: int


class Architecture:
    """A model's shape, read from its header."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.name = header.architecture
        self.blocks: dict[int, list[Tensor]] = {}
        self.other: list[Tensor] = []
        for tensor in header.tensors:
            match = _BLOCK.match(tensor.name)
            if match:
                self.blocks.setdefault(int(match[1]), []).append(tensor)
            else:
                self.other.append(tensor)

    def _value(self, key: str) -> Value | None:
        return self.header.metadata.get(f"{self.name}.{key}")

    def number(self, key: str, default: int = 0) -> int:
        """A metadata number of this architecture; the largest where there is one per layer."""
        value = self._value(key)
        if isinstance(value, tuple):
            return max((_count(each, default) for each in value), default=default)
        return _count(value, default)

    def per_block(self, key: str, default: int = 0) -> list[int]:
        """A metadata number for each block; a single one holds for all."""
        value = self._value(key)
        if isinstance(value, tuple):
            numbers = [_count(each, default) for each in value]
            return (numbers + [numbers[-1] if numbers else default] * self.block_count)[
                : self.block_count
            ]
        return [_count(value, default)] * self.block_count

    @property
    def known(self) -> bool:
        return self.name in KNOWN

    @cached_property
    def block_count(self) -> int:
        """Blocks that are computed; those that only predict further tokens are left out."""
        count = self.number("block_count", len(self.blocks))
        # A header may claim any number; more blocks than tensors there cannot be.
        count = min(count, max(self.blocks, default=-1) + 1, MAX_BLOCKS)
        return max(count - self.predicting_blocks, 0)

    @property
    def predicting_blocks(self) -> int:
        """Blocks at the end that only predict further tokens; they are not loaded, but counted."""
        return self.number("nextn_predict_layers")

    @property
    def trained_context(self) -> int:
        return self.number("context_length")

    @cached_property
    def embedding(self) -> int:
        return self.number("embedding_length")

    @cached_property
    def vocabulary(self) -> int:
        for tensor in self.other:
            if tensor.name in ("token_embd.weight", "output.weight") and len(tensor.shape) > 1:
                return tensor.shape[1]
        tokens = self.header.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, ArraySize):
            return tokens.count
        return len(tokens) if isinstance(tokens, tuple) else 0

    @property
    def tied_output(self) -> bool:
        return not any(tensor.name == "output.weight" for tensor in self.other)

    @property
    def heads(self) -> int:
        return self.number("attention.head_count", 1) or 1

    @cached_property
    def kv_heads(self) -> list[int]:
        declared = self._value("attention.head_count_kv")
        if declared is None:
            return self.per_block("attention.head_count", 1)
        return self.per_block("attention.head_count_kv")

    @cached_property
    def key_length(self) -> int:
        return self.number("attention.key_length") or self.embedding // self.heads

    @cached_property
    def value_length(self) -> int:
        return self.number("attention.value_length") or self.embedding // self.heads

    @cached_property
    def window_lengths(self) -> tuple[int, int]:
        """Key and value length of a head behind a sliding window, where they may differ."""
        return (
            self.number("attention.key_length_swa") or self.key_length,
            self.number("attention.value_length_swa") or self.value_length,
        )

    def head_lengths(self, block: int) -> tuple[int, int]:
        """Key and value length of a head."""
        return self.window_lengths if self.windowed[block] else (self.key_length, self.value_length)

    @cached_property
    def latent_attention(self) -> bool:
        """Multi-head latent attention (MLA): keys and values share one compressed row."""
        return self.number("attention.key_length_mla") > 0

    @cached_property
    def latent_row(self) -> int:
        return self.number("attention.kv_lora_rank") + self.number("rope.dimension_count")

    @cached_property
    def window(self) -> int:
        if self.name == "llama4":  # looks through chunks, which are kept like windows
            return self.number("attention.chunk_size") or 8192
        return self.number("attention.sliding_window")

    @cached_property
    def windowed(self) -> list[bool]:
        """For each block, whether it attends through the sliding window only."""
        if not self.window:
            return [False] * self.block_count
        pattern = self._value("attention.sliding_window_pattern")
        if isinstance(pattern, tuple):
            flags = [bool(each) for each in pattern]
            return (flags + [False] * self.block_count)[: self.block_count]
        period = _count(pattern, WINDOW_PATTERNS.get(self.name, 0))
        if period < 1:
            return [False] * self.block_count
        return [block % period < period - 1 for block in range(self.block_count)]

    @cached_property
    def recurrent(self) -> list[Recurrent | None]:
        """For each block, the recurrent state that it keeps, if it keeps one."""
        return [self._recurrent_state(block) for block in range(self.block_count)]

    @property
    def kernel_reach(self) -> int:
        """Earlier inputs that a recurrent block's convolution looks back on."""
        return max(self.number("ssm.conv_kernel") - 1, 0)

    def _recurrent_state(self, block: int) -> Recurrent | None:
        names = {tensor.name.split(".", 2)[2] for tensor in self.blocks.get(block, ())}
        if "shortconv.conv.weight" in names:
            return Recurrent(max(self.number("shortconv.l_cache") - 1, 0) * self.embedding, 0)
        head = self.number("kda.head_dim")
        if head and not self.kv_heads[block]:
            kept = self.heads * 3 * self.kernel_reach * head
            return Recurrent(kept, self.heads * head * head)
        if "ssm_conv1d.weight" not in names:
            return None
        inner, state = self.number("ssm.inner_size"), self.number("ssm.state_size")
        channels = inner + 2 * self.number("ssm.group_count") * state
        return Recurrent(self.kernel_reach * channels, inner * state)

    @cached_property
    def first_sharing_block(self) -> int:
        """From this block on, blocks read the cache of an earlier one instead of their own."""
        return max(self.block_count - self.number("attention.shared_kv_layers"), 0)

    def shared_source(self, block: int) -> int | None:
        """The block whose cache a sharing block reads: the last of its kind before them all."""
        if block < self.first_sharing_block:
            return None
        earlier = range(self.first_sharing_block - 1, -1, -1)
        return next((b for b in earlier if self.windowed[b] == self.windowed[block]), None)

    @cached_property
    def attending(self) -> list[bool]:
        """For each block, whether it keeps keys and values of its own."""
        return [self._attends(block) for block in range(self.block_count)]

    def _attends(self, block: int) -> bool:
        if block >= self.first_sharing_block or self.kv_heads[block] == 0:
            return False
        if self.recurrent[block] is None:
            return True
        return any(".attn_k." in tensor.name for tensor in self.blocks.get(block, ()))

    @property
    def feed_forward(self) -> int:
        return self.number("feed_forward_length")

    @property
    def experts(self) -> int:
        return self.number("expert_count")

    @property
    def experts_used(self) -> int:
        return self.number("expert_used_count")

    @property
    def expert_feed_forward(self) -> int:
        return self.number("expert_feed_forward_length") or self.feed_forward

    @cached_property
    def expert_blocks(self) -> list[int]:
        return [
            block
            for block in range(self.block_count)
            if any(is_expert(tensor) for tensor in self.blocks.get(block, ()))
        ]

    @property
    def sound(self) -> bool:
        """Whether the header says what any model must say of itself."""
        return min(self.block_count, self.embedding, self.trained_context) > 0

    @property
    def size(self) -> int:
        return sum(tensor.size for tensor in self.header.tensors)

    @property
    def parameters(self) -> int:
        total = 0
        for tensor in self.header.tensors:
            elements = 1
            for extent in tensor.shape:
                elements *= extent
            total += elements
        return total


def _count(value: object, default: int) -> int:
    """A number that counts something. Headers are hostile: no negative, endless or absurd one."""
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else None
    if not isinstance(value, int):
        return default
    return min(max(value, 0), MAX_COUNT)


def is_expert(tensor: Tensor) -> bool:
    """Whether the tensor holds one of many experts' weights, which may stay in host memory."""
    return _EXPERTS.search(tensor.name) is not None
