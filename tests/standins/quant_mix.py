"""Which ggml type each tensor gets in the quantisation mixes that people download."""

from __future__ import annotations

from typing import Literal

from tests.standins.gguf_writer import TENSOR_TYPES

Mix = Literal["Q4_K_M", "Q8_0", "MXFP4"]

# Routers, convolutions and what has one dimension are small and sensitive: they stay floats.
_NEVER_QUANTISED = (
    "ffn_gate_inp.",
    "ssm_conv1d",
    "rope_freqs",
    "ffn_gate_inp_shexp",
    "shortconv.conv",
)
_NARROW_ROWS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "MXFP4": "Q8_0"}


def tensor_type(
    mix: Mix,
    name: str,
    shape: tuple[int, ...],
    *,
    block: int,
    blocks: int,
    tied: bool,
    shared_v: bool,
) -> str:
    """The type of one tensor; `shared_v` says that many query heads share each value head."""
    if len(shape) == 1 or any(part in name for part in _NEVER_QUANTISED):
        return "F32"
    if mix == "Q8_0":
        wanted = "Q8_0"
    elif mix == "MXFP4":
        wanted = "MXFP4" if "_exps." in name else "Q8_0"
    else:
        wanted = _k_quant_medium(name, block, blocks, tied=tied, shared_v=shared_v)
    if shape[0] % TENSOR_TYPES[wanted].block_elements:
        wanted = _NARROW_ROWS[wanted]
    return wanted


def _k_quant_medium(name: str, block: int, blocks: int, *, tied: bool, shared_v: bool) -> str:
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "Q6_K"
    if "attn_qkv." in name:
        return "Q5_K"
    if "attn_v." in name or "ffn_down" in name:
        if _deserves_more(block, blocks):
            return "Q6_K"
        if shared_v and "attn_v." in name:
            return "Q5_K"
    return "Q4_K"


def _deserves_more(block: int, blocks: int) -> bool:
    """The first and last eighth of the blocks, and every third in between."""
    eighth = blocks // 8
    return block < eighth or block >= 7 * blocks // 8 or (block - eighth) % 3 == 2
