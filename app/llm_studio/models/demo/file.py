"""The demo model as a file: it is written when it is to be served, and listed before."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from llm_studio.models.demo.script import distance, template
from llm_studio.models.demo.weights import (
    BLOCKS,
    EMBEDDING,
    END,
    EPSILON,
    FEED_FORWARD,
    HEAD,
    KINDS,
    ROPE_BASE,
    TOKENS,
    tensors,
)
from llm_studio.models.gguf import Header, parse_header
from llm_studio.models.gguf_writing import Entry, Numbers, Strings, head, size_of, whole
from llm_studio.storage import write_atomically

FILE = "llm-studio-demo.gguf"
CONTEXT = 32768


def write_demo(path: Path) -> None:
    """The file, as this release makes it. One that is so already is left alone."""
    made = whole(_metadata(), [*tensors(distance())])
    with contextlib.suppress(OSError):
        if path.read_bytes() == made:
            return
    write_atomically(path, made)


@cache
def header_to_be() -> tuple[Header, int]:
    """Header and size of the file before it is written."""
    parts = _metadata(), [*tensors(distance())]
    size = size_of(*parts)
    return parse_header(head(*parts), size, Path(FILE)), size


def _metadata() -> Mapping[str, Entry]:
    return {
        "general.architecture": "llama",
        "general.name": "Demo (no real model)",
        "general.description": "A script, read out by one attention head written by hand.",
        "general.file_type": 1,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": EMBEDDING,
        "llama.block_count": BLOCKS,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": 1,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "llama.rope.dimension_count": HEAD,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.vocab_size": len(TOKENS),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": Strings(TOKENS),
        "tokenizer.ggml.scores": Numbers("f", [0.0] * len(TOKENS)),
        "tokenizer.ggml.token_type": Numbers("i", KINDS),
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": END,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": template(),
    }
