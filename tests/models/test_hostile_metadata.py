"""Numbers in a header that no model has: never a traceback, a hang or an absurd plan."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.standins.gguf_writer import Array, TensorSpec, Typed, Value, write_gguf

from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import Host, Request, plan_fit
from llm_studio.models.gguf import read_header
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.models.memory import Device, Footprint, GiB, Serving

SOUND: dict[str, Value] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 8192,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.feed_forward_length": 128,
}
KEYS = [
    "block_count", "context_length", "embedding_length", "feed_forward_length",
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.value_length", "attention.key_length_mla", "attention.kv_lora_rank",
    "attention.sliding_window", "attention.sliding_window_pattern",
    "attention.shared_kv_layers", "nextn_predict_layers", "expert_count", "expert_used_count",
    "ssm.inner_size", "ssm.state_size", "ssm.conv_kernel", "n_deepstack_layers",
    "embedding_length_per_layer_input", "rope.dimension_count",
]  # fmt: skip
VALUES: dict[str, Value] = {
    "not a number": Typed("f32", math.nan),
    "infinite": Typed("f64", math.inf),
    "negative": Typed("i32", -(2**31)),
    "most negative": Typed("i64", -(2**63)),
    "huge": Typed("u64", 2**64 - 1),
    "a text": "12",
    "an empty list": Array("i32", []),
    "a list of oddities": Array("f32", [math.nan, -1.0, math.inf]),
    "true": True,
}
TENSORS = [
    TensorSpec(f"blk.{block}.{name}.weight", (64, 64))
    for block in range(2)
    for name in ("attn_k", "attn_q", "ffn_up", "ffn_up_exps", "ssm_conv1d")
]
DEVICES = [Device(f"GPU {number}", 8 * GiB, 8 * GiB) for number in range(2)]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("key", KEYS)
def test_any_number_is_planned_or_refused(tmp_path: Path, key: str, value: str) -> None:
    metadata = {**SOUND, f"llama.{key}": VALUES[value]}
    write_gguf(tmp_path / "m.gguf", metadata, [*TENSORS, TensorSpec("token_embd.weight", (64, 9))])
    with Headers(tmp_path / "cache") as headers:
        (model,) = Library.scan([tmp_path], headers, caches=False, environment={}, home=tmp_path)
    architecture = Architecture(read_header(model.path))
    if not architecture.sound:
        assert model.kind == "unknown"
        return
    request = Request(Footprint(architecture), Serving())
    fit = plan_fit(request, DEVICES, Host(64 * GiB, 60 * GiB))
    assert fit.estimate.context > 0
    assert all(usage.total >= 0 for usage in fit.estimate.devices)
    assert list(fit.advice) == [each for each in fit.advice if each]
