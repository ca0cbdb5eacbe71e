"""Headers of models of other families than the main ones, to see whether the memory plan holds."""

from __future__ import annotations

from collections.abc import Callable

from tests.standins.gguf_writer import Array
from tests.standins.layout import (
    Attention,
    DeltaNet,
    Experts,
    LatentAttention,
    Layout,
    Mamba2,
    dense,
)


def phi_4() -> Layout:
    layout = Layout("phi3", "Q4_K_M", 40, 5120, 100352, 16384)
    attention = Attention(40, 10, 128, fused=True)
    attention.describe(layout, base=250000.0)
    layout.set(feed_forward_length=17920)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        # Gate and up projection are one matrix here.
        layout.weight(block, "ffn_up", layout.embedding, 2 * 17920)
        layout.weight(block, "ffn_down", 17920, layout.embedding)
    return layout


def qwen2_5_coder_7b() -> Layout:
    layout = Layout("qwen2", "Q4_K_M", 28, 3584, 152064, 131072)
    attention = Attention(28, 4, 128, bias=True)
    attention.describe(layout)
    layout.set(feed_forward_length=18944)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        dense(layout, block, 18944)
    return layout


def gemma_2_9b() -> Layout:
    layout = Layout("gemma2", "Q4_K_M", 42, 3584, 256000, 8192, tied=True)
    attention = Attention(16, 8, 256)
    attention.describe(layout, base=10000.0)
    layout.set(
        feed_forward_length=14336,
        attention__sliding_window=4096,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    )
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        attention.add(layout, block)
        dense(layout, block, 14336)
    return layout


def command_r7b() -> Layout:
    layout = Layout("cohere2", "Q4_K_M", 32, 4096, 256000, 131072, tied=True)
    attention = Attention(32, 8, 128)
    attention.describe(layout, base=50000.0)
    layout.set(
        feed_forward_length=14336,
        attention__sliding_window=4096,
        attention__layer_norm_epsilon=1e-5,
        logit_scale=0.25,
    )
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm")
        attention.add(layout, block)
        dense(layout, block, 14336)
    return layout


def glm_4_5_air() -> Layout:
    layout = Layout("glm4moe", "Q4_K_M", 47, 4096, 151552, 131072)
    attention = Attention(96, 8, 128, bias=True)
    attention.describe(layout, rope=64)
    layout.set(
        feed_forward_length=10944,
        leading_dense_block_count=1,
        nextn_predict_layers=1,
    )
    experts = Experts(128, 8, 1408, shared=1408, selection_bias=True)
    experts.describe(layout, expert_shared_count=1, expert_gating_func=2)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        attention.add(layout, block)
        if block:
            experts.add(layout, block)
        else:
            dense(layout, block, 10944)
    last, n = layout.blocks - 1, layout.embedding
    layout.weight(last, "nextn.eh_proj", 2 * n, n)
    layout.weight(last, "nextn.embed_tokens", n, layout.vocabulary)
    layout.weight(last, "nextn.shared_head_head", n, layout.vocabulary)
    layout.norms(last, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")
    return layout


def nemotron_3_nano_30b() -> Layout:
    pattern = "MEMEM*" + 4 * "EMEMEM*" + "EMEMEMEM*" + "EMEMEMEME"
    layout = Layout("nemotron_h_moe", "Q4_K_M", len(pattern), 2688, 131072, 1048576)
    attention = Attention(32, 2, 128)
    attention.describe(layout, base=10000.0)
    mamba = Mamba2(inner=4096, heads=64, groups=8)
    mamba.describe(layout)
    experts = Experts(128, 6, 1856, shared=3712, selection_bias=True, gate=False)
    experts.describe(
        layout,
        expert_shared_count=1,
        expert_shared_feed_forward_length=3712,
        expert_weights_norm=True,
        expert_weights_scale=2.5,
    )
    layout.set(
        attention__layer_norm_epsilon=1e-5,
        attention__head_count_kv=[2 if kind == "*" else 0 for kind in pattern],
        feed_forward_length=[1856 if kind == "E" else 0 for kind in pattern],
    )
    add = {"M": mamba.add, "*": attention.add, "E": experts.add}
    for block, kind in enumerate(pattern):
        layout.norms(block, "attn_norm")
        add[kind](layout, block)
    return layout


def granite_4_small() -> Layout:
    layout = Layout("granitehybrid", "Q4_K_M", 40, 4096, 100352, 131072, tied=True)
    attentive = (5, 15, 25, 35)
    attention = Attention(32, 8, 128)
    attention.describe(layout, base=10000.0)
    mamba = Mamba2(inner=8192, heads=128, groups=1)
    mamba.describe(layout)
    experts = Experts(72, 10, 768, shared=1536)
    experts.describe(layout, expert_shared_feed_forward_length=1536)
    layout.set(
        attention__head_count_kv=[8 if b in attentive else 0 for b in range(layout.blocks)],
        feed_forward_length=768,
        attention__scale=0.0078125,
        embedding_scale=12.0,
        residual_scale=0.22,
        logit_scale=16.0,
        rope__scaling__finetuned=False,
    )
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        (attention if block in attentive else mamba).add(layout, block)
        experts.add(layout, block)
    return layout


def falcon_h1_34b() -> Layout:
    layout = Layout("falcon-h1", "Q4_K_M", 72, 5120, 261120, 262144)
    attention = Attention(20, 4, 128)
    attention.describe(layout, base=1e11)
    mamba = Mamba2(inner=10240, heads=160, groups=2, state=256)
    mamba.describe(layout)
    layout.set(feed_forward_length=21504)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm")
        layout.floats(block, "ffn_norm", layout.embedding)
        mamba.add(layout, block)
        attention.add(layout, block)
        dense(layout, block, 21504)
    return layout


def qwen3_5_35b() -> Layout:
    layout = Layout("qwen35moe", "Q4_K_M", 40, 2048, 248320, 262144)
    attention = Attention(16, 2, 256, head_norms=True, gated=True)
    attention.describe(layout, rope=64, base=1e7)
    linear = DeltaNet(key_heads=16, value_heads=32, fused_beta_alpha=False)
    linear.describe(layout)
    experts = Experts(256, 8, 512, shared=512, shared_gate=True)
    experts.describe(layout, expert_shared_feed_forward_length=512)
    layout.set(feed_forward_length=512, rope__dimension_sections=[11, 11, 10, 0])
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        (attention if block % 4 == 3 else linear).add(layout, block)
        experts.add(layout, block)
    return layout


def qwen3_5_27b() -> Layout:
    layout = Layout("qwen35", "Q4_K_M", 64, 5120, 248320, 262144)
    attention = Attention(24, 4, 256, head_norms=True, gated=True)
    attention.describe(layout, rope=64, base=1e7)
    linear = DeltaNet(key_heads=16, value_heads=48, fused_beta_alpha=False)
    linear.describe(layout)
    layout.set(feed_forward_length=17408, rope__dimension_sections=[11, 11, 10, 0])
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        (attention if block % 4 == 3 else linear).add(layout, block)
        dense(layout, block, 17408)
    return layout


def minimax_m2() -> Layout:
    layout = Layout("minimax-m2", "Q4_K_M", 62, 3072, 200064, 196608)
    attention = Attention(48, 8, 128, head_norms=True, wide_norms=True)
    attention.describe(layout, rope=64, base=5e6)
    experts = Experts(256, 8, 1536, selection_bias=True)
    experts.describe(layout, expert_gating_func=2)
    layout.set(feed_forward_length=1536)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        experts.add(layout, block)
    return layout


def qwen3_vl_30b() -> Layout:
    layout = Layout("qwen3vlmoe", "Q4_K_M", 48, 2048, 151936, 262144)
    attention = Attention(32, 4, 128, head_norms=True)
    attention.describe(layout, base=5e6)
    experts = Experts(128, 8, 768)
    experts.describe(layout)
    layout.set(
        feed_forward_length=6144,
        n_deepstack_layers=3,
        rope__dimension_sections=[24, 20, 20, 0],
    )
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        experts.add(layout, block)
    return layout


def gemma_4_31b() -> Layout:
    layout = Layout("gemma4", "Q4_K_M", 60, 5376, 262144, 262144, tied=True)
    local = Attention(32, 16, 256, head_norms=True)
    whole = Attention(32, 4, 512, head_norms=True)
    _describe_gemma4(layout, local, whole)
    layout.set(feed_forward_length=21504)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        # Layers that see everything have one projection for both keys and values.
        if block % 6 == 5:
            whole.add(layout, block, shared_kv=True)
        else:
            local.add(layout, block)
        layout.floats(block, "layer_output_scale.weight", 1)
        dense(layout, block, 21504)
    return layout


def gemma_4_26b() -> Layout:
    layout = Layout("gemma4", "Q4_K_M", 30, 2816, 262144, 262144, tied=True)
    local = Attention(16, 8, 256, head_norms=True)
    whole = Attention(16, 2, 512, head_norms=True)
    _describe_gemma4(layout, local, whole)
    layout.set(feed_forward_length=2112)
    experts = Experts(128, 8, 704, fused=True)
    experts.describe(layout)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        layout.norms(block, "pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2")
        if block % 6 == 5:
            whole.add(layout, block, shared_kv=True)
        else:
            local.add(layout, block)
        layout.floats(block, "layer_output_scale.weight", 1)
        layout.floats(block, "ffn_gate_inp.scale", layout.embedding)
        layout.floats(block, "ffn_down_exps.scale", 128)
        dense(layout, block, 2112)
        experts.add(layout, block)
    return layout


def gemma_4_e4b() -> Layout:
    layout = Layout("gemma4", "Q4_K_M", 42, 2560, 262144, 131072, tied=True)
    local = Attention(8, 2, 256, head_norms=True)
    whole = Attention(8, 2, 512, head_norms=True)
    _describe_gemma4(layout, local, whole)
    # Each layer has embeddings of its own, and the last ones use the cache of earlier ones.
    width, n = 256, layout.embedding
    layout.set(
        feed_forward_length=10240,
        attention__sliding_window=512,
        attention__shared_kv_layers=18,
        embedding_length_per_layer_input=width,
    )
    layout.add("per_layer_token_embd.weight", width * layout.blocks, layout.vocabulary)
    layout.add("per_layer_model_proj.weight", n, width * layout.blocks, kind="BF16")
    layout.norm("per_layer_proj_norm", width)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        layout.norms(block, "post_norm")
        (whole if block % 6 == 5 else local).add(layout, block)
        layout.floats(block, "layer_output_scale.weight", 1)
        layout.weight(block, "inp_gate", n, width)
        layout.weight(block, "proj", width, n)
        dense(layout, block, 10240)
    return layout


def _describe_gemma4(layout: Layout, local: Attention, whole: Attention) -> None:
    whole.describe(layout)
    through_window = [block % 6 != 5 for block in range(layout.blocks)]
    layout.set(
        attention__head_count_kv=[
            local.kv_heads if near else whole.kv_heads for near in through_window
        ],
        attention__key_length_swa=local.head,
        attention__value_length_swa=local.head,
        attention__sliding_window=1024,
        attention__sliding_window_pattern=through_window,
        attention__shared_kv_layers=0,
        embedding_length_per_layer_input=0,
        rope__dimension_count_swa=local.head,
        rope__freq_base_swa=10000.0,
        final_logit_softcapping=30.0,
    )
    layout.add("rope_freqs.weight", whole.head // 2, kind="F32")


def devstral_small_2() -> Layout:
    layout = Layout("mistral3", "Q4_K_M", 40, 5120, 131072, 393216)
    attention = Attention(32, 8, 128)
    attention.describe(layout, base=1e8)
    layout.set(feed_forward_length=32768)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        dense(layout, block, 32768)
    return layout


def seed_oss_36b() -> Layout:
    layout = Layout("seed_oss", "Q4_K_M", 64, 5120, 155136, 524288)
    attention = Attention(80, 8, 128, bias=True)
    attention.describe(layout, base=1e7)
    layout.set(feed_forward_length=27648)
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "post_attention_norm")
        attention.add(layout, block)
        dense(layout, block, 27648)
    return layout


def llama_4_scout() -> Layout:
    layout = Layout("llama4", "Q4_K_M", 48, 5120, 202048, 10485760)
    attention = Attention(40, 8, 128)
    attention.describe(layout, base=500000.0)
    layout.set(feed_forward_length=16384, interleave_moe_layer_step=1)
    experts = Experts(16, 1, 8192, shared=8192)
    experts.describe(layout)
    layout.add("rope_freqs.weight", 64, kind="F32")
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        attention.add(layout, block)
        experts.add(layout, block)
    return layout


def lfm2_8b() -> Layout:
    layout = Layout(
        "lfm2moe", "Q4_K_M", 24, 2048, 65536, 128000, tied=True, final_norm="token_embd_norm"
    )
    attentive = (2, 6, 10, 14, 18, 21)
    attention = Attention(32, 8, 64, head_norms=True)
    attention.describe(layout)
    experts = Experts(32, 4, 1792, selection_bias=True)
    experts.describe(layout, expert_gating_func=2)
    layout.set(
        attention__head_count_kv=[8 if b in attentive else 0 for b in range(layout.blocks)],
        feed_forward_length=7168,
        leading_dense_block_count=2,
        shortconv__l_cache=3,
    )
    n = layout.embedding
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        if block in attentive:
            attention.add(layout, block)
        else:
            layout.floats(block, "shortconv.conv.weight", 3, n)
            layout.weight(block, "shortconv.in_proj", n, 3 * n)
            layout.weight(block, "shortconv.out_proj", n, n)
        if block < 2:
            dense(layout, block, 7168)
        else:
            experts.add(layout, block)
    return layout


def kimi_linear_48b() -> Layout:
    layout = Layout("kimi-linear", "Q4_K_M", 27, 2304, 163840, 1048576)
    heads, head = 32, 128
    latent = LatentAttention(heads, query_rank=0, latent=512, nope=128, rope=64, value=128)
    latent.describe(layout, base=10000.0)
    attentive = (3, 7, 11, 15, 19, 23, 26)
    experts = Experts(256, 8, 1024, shared=1024, selection_bias=True)
    experts.describe(
        layout,
        expert_shared_count=1,
        expert_gating_func=2,
        expert_weights_scale=2.446,
        expert_weights_norm=True,
    )
    layout.set(
        attention__head_count_kv=Array(
            "i32", [1 if b in attentive else 0 for b in range(layout.blocks)]
        ),
        feed_forward_length=9216,
        leading_dense_block_count=1,
        ssm__conv_kernel=4,
        kda__head_dim=head,
    )
    n, wide = layout.embedding, heads * head
    for block in range(layout.blocks):
        layout.norms(block, "attn_norm", "ffn_norm")
        if block in attentive:
            latent.add(layout, block)
        else:
            for part in "qkv":
                layout.floats(block, f"ssm_conv1d_{part}.weight", 4, 1, wide)
                layout.weight(block, f"attn_{part}", n, wide)
            for part in "fg":
                layout.weight(block, f"ssm_{part}_a", n, head)
                layout.weight(block, f"ssm_{part}_b", head, wide)
            layout.weight(block, "ssm_beta", n, heads)
            layout.floats(block, "ssm_a", 1, heads)
            layout.floats(block, "ssm_dt.bias", wide)
            layout.norm("ssm_norm", head, block=block)
            layout.weight(block, "attn_output", wide, n)
        if block:
            experts.add(layout, block)
        else:
            dense(layout, block, 9216)
    return layout


FAMILIES: dict[str, Callable[[], Layout]] = {
    "phi-4-q4km": phi_4,
    "qwen2.5-coder-7b-q4km": qwen2_5_coder_7b,
    "gemma-2-9b-q4km": gemma_2_9b,
    "command-r7b-q4km": command_r7b,
    "glm-4.5-air-q4km": glm_4_5_air,
    "nemotron-3-nano-30b-q4km": nemotron_3_nano_30b,
    "granite-4.0-h-small-q4km": granite_4_small,
    "falcon-h1-34b-q4km": falcon_h1_34b,
    "qwen3.5-35b-a3b-q4km": qwen3_5_35b,
    "qwen3.5-27b-q4km": qwen3_5_27b,
    "minimax-m2-q4km": minimax_m2,
    "qwen3-vl-30b-a3b-q4km": qwen3_vl_30b,
    "gemma-4-31b-q4km": gemma_4_31b,
    "gemma-4-26b-a4b-q4km": gemma_4_26b,
    "gemma-4-e4b-q4km": gemma_4_e4b,
    "devstral-small-2-q4km": devstral_small_2,
    "seed-oss-36b-q4km": seed_oss_36b,
    "llama-4-scout-q4km": llama_4_scout,
    "lfm2-8b-a1b-q4km": lfm2_8b,
    "kimi-linear-48b-a3b-q4km": kimi_linear_48b,
}
