"""The parts that model architectures are made of, as tensors with their true names and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.standins.gguf_writer import TensorSpec, Value
from tests.standins.quant_mix import Mix, tensor_type


@dataclass
class Layout:
    """Collects the metadata and tensors of one model, the type of each by the quantisation mix."""

    architecture: str
    mix: Mix
    blocks: int
    embedding: int
    vocabulary: int
    context: int
    tied: bool = False
    final_norm: str = "output_norm"
    metadata: dict[str, Value] = field(default_factory=dict)
    tensors: list[TensorSpec] = field(default_factory=list)
    shared_v: bool = False

    def __post_init__(self) -> None:
        self.set(
            context_length=self.context,
            embedding_length=self.embedding,
            block_count=self.blocks,
            vocab_size=self.vocabulary,
        )
        self.add("token_embd.weight", self.embedding, self.vocabulary)
        self.norm(self.final_norm)
        if not self.tied:
            self.add("output.weight", self.embedding, self.vocabulary)

    @property
    def has_experts(self) -> bool:
        return f"{self.architecture}.expert_count" in self.metadata

    def set(self, **values: Value) -> None:
        """Set keys of the architecture; a double underscore in a name stands for a dot."""
        for key, value in values.items():
            self.metadata[f"{self.architecture}.{key.replace('__', '.')}"] = value

    def add(self, name: str, *shape: int, block: int = 0, kind: str | None = None) -> None:
        chosen = kind or tensor_type(
            self.mix,
            name,
            shape,
            block=block,
            blocks=self.blocks,
            tied=self.tied,
            shared_v=self.shared_v,
        )
        self.tensors.append(TensorSpec(name, shape, chosen))

    def weight(self, block: int, part: str, *shape: int, bias: bool = False) -> None:
        """A matrix of a block, with its bias if it has one."""
        self.add(f"blk.{block}.{part}.weight", *shape, block=block)
        if bias:
            self.add(f"blk.{block}.{part}.bias", *shape[1:], block=block, kind="F32")

    def floats(self, block: int, part: str, *shape: int) -> None:
        """A small tensor of a block that no mix quantises; `part` includes the ending."""
        self.add(f"blk.{block}.{part}", *shape, block=block, kind="F32")

    def norm(self, part: str, size: int | None = None, *, block: int | None = None) -> None:
        prefix = "" if block is None else f"blk.{block}."
        self.add(f"{prefix}{part}.weight", size or self.embedding, kind="F32")

    def norms(self, block: int, *parts: str) -> None:
        for part in parts:
            self.norm(part, block=block)


@dataclass(frozen=True)
class Attention:
    """Grouped-query attention: separate projections, or one that is fused."""

    heads: int
    kv_heads: int
    head: int
    bias: bool = False
    output_bias: bool = False
    head_norms: bool = False
    gated: bool = False
    fused: bool = False
    sinks: bool = False
    # The norms of queries and keys span all heads instead of one.
    wide_norms: bool = False

    def describe(self, layout: Layout, *, rope: int | None = None, base: float = 1e6) -> None:
        layout.set(
            attention__head_count=self.heads,
            attention__head_count_kv=self.kv_heads,
            attention__key_length=self.head,
            attention__value_length=self.head,
            attention__layer_norm_rms_epsilon=1e-6,
            rope__dimension_count=rope or self.head,
            rope__freq_base=base,
        )
        layout.shared_v = layout.blocks == 80 and self.heads >= 8 * self.kv_heads

    def add(self, layout: Layout, block: int, *, shared_kv: bool = False) -> None:
        queries = self.heads * self.head
        keys = self.kv_heads * self.head
        n = layout.embedding
        if self.fused:
            layout.weight(block, "attn_qkv", n, queries + 2 * keys, bias=self.bias)
        else:
            layout.weight(block, "attn_q", n, queries * (2 if self.gated else 1), bias=self.bias)
            layout.weight(block, "attn_k", n, keys, bias=self.bias)
            if not shared_kv:
                layout.weight(block, "attn_v", n, keys, bias=self.bias)
        layout.weight(block, "attn_output", queries, n, bias=self.output_bias)
        if self.head_norms:
            layout.norm("attn_q_norm", queries if self.wide_norms else self.head, block=block)
            layout.norm("attn_k_norm", keys if self.wide_norms else self.head, block=block)
        if self.sinks:
            layout.floats(block, "attn_sinks.weight", self.heads)


@dataclass(frozen=True)
class LatentAttention:
    """Multi-head latent attention (MLA): keys and values compressed to one latent per token."""

    heads: int
    query_rank: int
    latent: int
    nope: int
    rope: int
    value: int

    def describe(self, layout: Layout, *, base: float) -> None:
        layout.set(
            attention__head_count=self.heads,
            attention__head_count_kv=1,
            **({"attention__q_lora_rank": self.query_rank} if self.query_rank else {}),
            attention__kv_lora_rank=self.latent,
            attention__key_length=self.latent + self.rope,
            attention__value_length=self.latent,
            attention__key_length_mla=self.nope + self.rope,
            attention__value_length_mla=self.value,
            attention__layer_norm_rms_epsilon=1e-5,
            rope__dimension_count=self.rope,
            rope__freq_base=base,
        )

    def add(self, layout: Layout, block: int) -> None:
        n = layout.embedding
        queries = self.heads * (self.nope + self.rope)
        if self.query_rank:
            layout.weight(block, "attn_q_a", n, self.query_rank)
            layout.norm("attn_q_a_norm", self.query_rank, block=block)
            layout.weight(block, "attn_q_b", self.query_rank, queries)
        else:
            layout.weight(block, "attn_q", n, queries)
        layout.weight(block, "attn_kv_a_mqa", n, self.latent + self.rope)
        layout.norm("attn_kv_a_norm", self.latent, block=block)
        layout.weight(block, "attn_k_b", self.nope, self.latent, self.heads)
        layout.weight(block, "attn_v_b", self.latent, self.value, self.heads)
        layout.weight(block, "attn_output", self.heads * self.value, n)


@dataclass(frozen=True)
class DeltaNet:
    """Linear attention (gated delta net), as in hybrid Qwen models: a state, no cache."""

    key_heads: int
    value_heads: int
    state: int = 128
    kernel: int = 4
    # One fused tensor for both small projections, or one each.
    fused_beta_alpha: bool = True

    def describe(self, layout: Layout, *, interval: int = 4) -> None:
        layout.set(
            ssm__conv_kernel=self.kernel,
            ssm__inner_size=self.value_heads * self.state,
            ssm__state_size=self.state,
            ssm__time_step_rank=self.value_heads,
            ssm__group_count=self.key_heads,
            full_attention_interval=interval,
        )

    def add(self, layout: Layout, block: int) -> None:
        n = layout.embedding
        keys, values = self.key_heads * self.state, self.value_heads * self.state
        layout.weight(block, "attn_qkv", n, 2 * keys + values)
        layout.weight(block, "attn_gate", n, values)
        layout.floats(block, "ssm_conv1d.weight", self.kernel, 2 * keys + values)
        layout.floats(block, "ssm_dt.bias", self.value_heads)
        layout.floats(block, "ssm_a", self.value_heads)
        if self.fused_beta_alpha:
            layout.weight(block, "ssm_ba", n, 2 * self.value_heads)
        else:
            layout.weight(block, "ssm_beta", n, self.value_heads)
            layout.weight(block, "ssm_alpha", n, self.value_heads)
        layout.norm("ssm_norm", self.state, block=block)
        layout.weight(block, "ssm_out", values, n)


@dataclass(frozen=True)
class Mamba2:
    """A state space layer, as in hybrid Nemotron, Granite and Falcon models."""

    inner: int
    heads: int
    groups: int
    state: int = 128
    kernel: int = 4

    def describe(self, layout: Layout) -> None:
        layout.set(
            ssm__conv_kernel=self.kernel,
            ssm__inner_size=self.inner,
            ssm__state_size=self.state,
            ssm__time_step_rank=self.heads,
            ssm__group_count=self.groups,
        )

    def add(self, layout: Layout, block: int) -> None:
        n = layout.embedding
        channels = self.inner + 2 * self.groups * self.state
        layout.weight(block, "ssm_in", n, self.inner + channels + self.heads)
        layout.floats(block, "ssm_conv1d.weight", self.kernel, channels)
        layout.floats(block, "ssm_conv1d.bias", channels)
        layout.floats(block, "ssm_dt.bias", self.heads)
        layout.floats(block, "ssm_a", 1, self.heads)
        layout.floats(block, "ssm_d", 1, self.heads)
        layout.floats(block, "ssm_norm.weight", self.inner // self.groups, self.groups)
        layout.weight(block, "ssm_out", self.inner, n)


@dataclass(frozen=True)
class Experts:
    """A sparse feed-forward part: a router, many experts, perhaps a shared one."""

    count: int
    used: int
    width: int
    shared: int = 0
    shared_gate: bool = False
    bias: bool = False
    selection_bias: bool = False
    gate: bool = True
    # Gate and up projection of all experts in one tensor.
    fused: bool = False

    def describe(self, layout: Layout, **more: Value) -> None:
        layout.set(
            expert_count=self.count,
            expert_used_count=self.used,
            expert_feed_forward_length=self.width,
            **more,
        )

    def add(self, layout: Layout, block: int) -> None:
        n = layout.embedding
        layout.weight(block, "ffn_gate_inp", n, self.count, bias=self.bias)
        parts = [("ffn_down_exps", self.width, n)]
        if self.fused:
            parts.append(("ffn_gate_up_exps", n, 2 * self.width))
        else:
            parts.append(("ffn_up_exps", n, self.width))
            if self.gate:
                parts.append(("ffn_gate_exps", n, self.width))
        for part, rows, columns in parts:
            layout.weight(block, part, rows, columns, self.count, bias=self.bias)
        if self.selection_bias:
            layout.floats(block, "exp_probs_b.bias", self.count)
        if self.shared:
            dense(layout, block, self.shared, suffix="_shexp", gate=self.gate)
        if self.shared_gate:
            layout.floats(block, "ffn_gate_inp_shexp.weight", n)


def dense(layout: Layout, block: int, width: int, *, suffix: str = "", gate: bool = True) -> None:
    """An ordinary feed-forward part."""
    if gate:
        layout.weight(block, f"ffn_gate{suffix}", layout.embedding, width)
    layout.weight(block, f"ffn_up{suffix}", layout.embedding, width)
    layout.weight(block, f"ffn_down{suffix}", width, layout.embedding)


def vocabulary_metadata(size: int, *, pre: str, specials: Sequence[str]) -> dict[str, Value]:
    """A generated byte-pair vocabulary of a given size: all bytes, filler, the special tokens."""
    ordinary = [*_byte_characters(), *(f"w{number}" for number in range(256, size))]
    tokens = [*ordinary[: size - len(specials)], *specials]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (size - len(specials)) + [3] * len(specials),
        "tokenizer.ggml.merges": ["w 1", "w 2"],
        "tokenizer.ggml.bos_token_id": size - 2,
        "tokenizer.ggml.eos_token_id": size - 1,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": (
            "{% for message in messages %}{{ message.content }}\n{% endfor %}"
        ),
    }


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte in such vocabularies."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(shifted)) for byte in range(256)]
