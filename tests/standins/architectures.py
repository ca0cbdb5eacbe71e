"""Headers of well-known models: true metadata, tensor names, shapes and types, and no weights.

Hyper-parameters are those that the models' authors publish. The data of each file is a hole, so a
model of 60 GB takes a few megabytes and an engine plans for it as for the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.standins.gguf_writer import write_gguf
from tests.standins.held_out import FAMILIES
from tests.standins.layout import (
    Attention,
    DeltaNet,
    Experts,
    LatentAttention,
    Layout,
    dense,
    vocabulary_metadata,
)
from tests.standins.quant_mix import Mix

_FILE_TYPES: dict[Mix, int] = {"Q4_K_M": 15, "Q8_0": 7, "MXFP4": 38}
_SPECIALS = ("<|start|>", "<|end|>")


def _llama(
    mix: Mix,
    *,
    blocks: int,
    embedding: int,
    width: int,
    heads: int,
    kv_heads: int = 8,
    vocabulary: int = 128256,
    rope_factors: bool = True,
) -> Layout:
    layout = Layout("llama", mix, blocks, embedding, vocabulary, 131072)
    attention = Attention(heads, kv_heads, 128)
    attention.describe(layout, base=500000.0)
    layout.set(feed_forward_length=width)
    if rope_factors:
        layout.add("rope_freqs.weight", 64, kind="F32")
    for block in range(blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        dense(layout, block, width)
    return layout


def _qwen3(*, blocks: int, embedding: int, width: int, heads: int) -> Layout:
    layout = Layout("qwen3", "Q4_K_M", blocks, embedding, 151936, 40960)
    attention = Attention(heads, 8, 128, head_norms=True)
    attention.describe(layout)
    layout.set(feed_forward_length=width)
    for block in range(blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        dense(layout, block, width)
    return layout


def _qwen3_moe(*, blocks: int, embedding: int, width: int, heads: int, expert: int) -> Layout:
    layout = Layout("qwen3moe", "Q4_K_M", blocks, embedding, 151936, 262144)
    attention = Attention(heads, 4, 128, head_norms=True)
    attention.describe(layout, base=1e7)
    layout.set(feed_forward_length=width)
    experts = Experts(128, 8, expert)
    experts.describe(layout)
    for block in range(blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        experts.add(layout, block)
    return layout


def _gpt_oss(*, blocks: int, count: int) -> Layout:
    layout = Layout("gpt-oss", "MXFP4", blocks, 2880, 201088, 131072)
    attention = Attention(64, 8, 64, bias=True, output_bias=True, sinks=True)
    attention.describe(layout, base=150000.0)
    layout.set(
        feed_forward_length=2880,
        attention__sliding_window=128,
        rope__scaling__type="yarn",
        rope__scaling__factor=32.0,
        rope__scaling__original_context_length=4096,
    )
    experts = Experts(count, 4, 2880, bias=True)
    experts.describe(layout)
    for block in range(blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        attention.add(layout, block)
        experts.add(layout, block)
    return layout


def _deepseek2(
    *,
    blocks: int,
    embedding: int,
    width: int,
    dense_blocks: int,
    attention: LatentAttention,
    experts: Experts,
    vocabulary: int,
    context: int,
) -> Layout:
    layout = Layout("deepseek2", "Q4_K_M", blocks, embedding, vocabulary, context)
    attention.describe(layout, base=1e6)
    layout.set(feed_forward_length=width, leading_dense_block_count=dense_blocks)
    experts.describe(
        layout,
        expert_shared_count=1,
        expert_weights_scale=1.8,
        expert_weights_norm=True,
        expert_gating_func=2,
    )
    for block in range(blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        if block < dense_blocks:
            dense(layout, block, width)
        else:
            experts.add(layout, block)
    return layout


def _qwen3_next() -> Layout:
    layout = Layout("qwen3next", "Q4_K_M", 48, 2048, 151936, 262144)
    attention = Attention(16, 2, 256, head_norms=True, gated=True)
    attention.describe(layout, rope=64, base=1e7)
    linear = DeltaNet(key_heads=16, value_heads=32)
    linear.describe(layout)
    experts = Experts(512, 10, 512, shared=512, shared_gate=True)
    experts.describe(layout, expert_shared_feed_forward_length=512)
    layout.set(feed_forward_length=5120)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        (attention if block % 4 == 3 else linear).add(layout, block)
        experts.add(layout, block)
    return layout


def _gemma3(
    *, blocks: int, embedding: int, width: int, heads: int, kv_heads: int, head: int
) -> Layout:
    layout = Layout("gemma3", "Q4_K_M", blocks, embedding, 262208, 131072, tied=True)
    attention = Attention(heads, kv_heads, head, head_norms=True)
    attention.describe(layout)
    layout.set(
        feed_forward_length=width,
        attention__sliding_window=1024,
        rope__scaling__type="linear",
        rope__scaling__factor=8.0,
    )
    for block in range(blocks):
        layout.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        attention.add(layout, block)
        dense(layout, block, width)
    return layout


MAIN: dict[str, Callable[[], Layout]] = {
    "llama-3.1-8b-q4km": lambda: _llama("Q4_K_M", blocks=32, embedding=4096, width=14336, heads=32),
    "llama-3.1-8b-q8": lambda: _llama("Q8_0", blocks=32, embedding=4096, width=14336, heads=32),
    "qwen3-32b-q4km": lambda: _qwen3(blocks=64, embedding=5120, width=25600, heads=64),
    "qwen3-30b-a3b-q4km": lambda: _qwen3_moe(
        blocks=48, embedding=2048, width=6144, heads=32, expert=768
    ),
    "gpt-oss-120b-mxfp4": lambda: _gpt_oss(blocks=36, count=128),
    "glm-4.7-flash-q4km": lambda: _deepseek2(
        blocks=47,
        embedding=2048,
        width=10240,
        dense_blocks=1,
        attention=LatentAttention(20, query_rank=768, latent=512, nope=192, rope=64, value=256),
        experts=Experts(64, 4, 1536, shared=1536, selection_bias=True),
        vocabulary=154880,
        context=202752,
    ),
    "qwen3-next-80b-a3b-q4km": _qwen3_next,
    "gemma-3-27b-q4km": lambda: _gemma3(
        blocks=62, embedding=5376, width=21504, heads=32, kv_heads=16, head=128
    ),
}
HELD_OUT: dict[str, Callable[[], Layout]] = {
    "gemma-3-12b-q4km": lambda: _gemma3(
        blocks=48, embedding=3840, width=15360, heads=16, kv_heads=8, head=256
    ),
    "gpt-oss-20b-mxfp4": lambda: _gpt_oss(blocks=24, count=32),
    "llama-3.3-70b-q4km": lambda: _llama(
        "Q4_K_M", blocks=80, embedding=8192, width=28672, heads=64
    ),
    "qwen3-235b-a22b-q4km": lambda: _qwen3_moe(
        blocks=94, embedding=4096, width=12288, heads=64, expert=1536
    ),
    "mistral-small-24b-q4km": lambda: _llama(
        "Q4_K_M",
        blocks=40,
        embedding=5120,
        width=32768,
        heads=32,
        vocabulary=131072,
        rope_factors=False,
    ),
    "deepseek-v3-q4km": lambda: _deepseek2(
        blocks=61,
        embedding=7168,
        width=18432,
        dense_blocks=3,
        attention=LatentAttention(128, query_rank=1536, latent=512, nope=128, rope=64, value=128),
        experts=Experts(256, 8, 2048, shared=2048, selection_bias=True),
        vocabulary=129280,
        context=163840,
    ),
    **FAMILIES,
}
ARCHITECTURES = MAIN | HELD_OUT


def write_architecture(key: str, folder: Path) -> Path:
    """Write the file of one model, unless it is there; return its path."""
    path = folder / f"{key}.gguf"
    if not path.exists():
        layout = ARCHITECTURES[key]()
        metadata = {
            "general.architecture": layout.architecture,
            "general.name": key,
            "general.file_type": _FILE_TYPES[layout.mix],
            **layout.metadata,
            **vocabulary_metadata(layout.vocabulary, pre="default", specials=_SPECIALS),
        }
        partial = path.with_suffix(".partial")
        write_gguf(partial, metadata, layout.tensors)
        partial.rename(path)
    return path
