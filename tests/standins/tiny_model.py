"""A llama of half a megabyte with random weights: real engines load it at once and babble."""

from __future__ import annotations

import random
import struct
from array import array
from pathlib import Path

from tests.standins.gguf_writer import Array, TensorSpec, Value, write_gguf

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write_tiny_llama(
    path: Path,
    *,
    context: int = 131072,
    name: str = "Tiny random llama",
    blocks: int = 2,
    embedding: int = 64,
    heads: int = 4,
    feed_forward: int = 160,
    chat_template: str = CHAT_TEMPLATE,
    shards: int = 1,
    seed: int = 7,
    answer: str = "",
) -> Path:
    """Write the model with a vocabulary of bytes; return the file to hand to an engine.

    With an `answer` (of characters that are all different) it says that and no more.
    """
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [_UNKNOWN, _CONTROL, _CONTROL, *([_BYTE] * 256)]
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": name,
        "general.file_type": 0,
        "llama.context_length": context,
        "llama.embedding_length": embedding,
        "llama.block_count": blocks,
        "llama.feed_forward_length": feed_forward,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": embedding // heads,
        "llama.rope.freq_base": 10000.0,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": Array("f32", [0.0] * len(tokens)),
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": chat_template,
    }
    tensors = [
        TensorSpec("token_embd.weight", (embedding, len(tokens))),
        _ones("output_norm.weight", embedding),
        _output(embedding, len(tokens), seed),
    ]
    if answer:
        tensors[0], tensors[2] = _scripted(embedding, len(tokens), f">{answer}")
    for block in range(blocks):
        prefix = f"blk.{block}."
        tensors += [
            _ones(f"{prefix}attn_norm.weight", embedding),
            _ones(f"{prefix}ffn_norm.weight", embedding),
            *(
                TensorSpec(f"{prefix}{part}.weight", (embedding, embedding))
                for part in ("attn_q", "attn_k", "attn_v")
            ),
            _part(f"{prefix}attn_output.weight", (embedding, embedding), zero=bool(answer)),
            TensorSpec(f"{prefix}ffn_gate.weight", (embedding, feed_forward)),
            TensorSpec(f"{prefix}ffn_up.weight", (embedding, feed_forward)),
            _part(f"{prefix}ffn_down.weight", (feed_forward, embedding), zero=bool(answer)),
        ]
    return write_gguf(path, metadata, tensors, data="random", shards=shards, seed=seed)[0]


def _part(name: str, shape: tuple[int, int], *, zero: bool) -> TensorSpec:
    return TensorSpec(name, shape, data=bytes(4 * shape[0] * shape[1]) if zero else None)


def _scripted(embedding: int, vocabulary: int, chain: str) -> tuple[TensorSpec, TensorSpec]:
    """Embeddings and outputs where each character of the chain leads to the next, all else to the
    end; with blocks that add nothing, the next token depends on the present one alone."""
    end, other = 2, len(chain)
    states = {byte + 3: at for at, byte in enumerate(chain.encode())}
    after = {**dict(enumerate([*list(states)[1:], end])), other: end}
    embeddings = array("f", bytes(4 * embedding * vocabulary))
    outputs = array("f", bytes(4 * embedding * vocabulary))
    for token in range(vocabulary):
        embeddings[token * embedding + states.get(token, other)] = 1.0
    for state, token in after.items():
        outputs[token * embedding + state] = 10.0
    shape = (embedding, vocabulary)
    return (
        TensorSpec("token_embd.weight", shape, data=embeddings.tobytes()),
        TensorSpec("output.weight", shape, data=outputs.tobytes()),
    )


def _ones(name: str, size: int) -> TensorSpec:
    return TensorSpec(name, (size,), data=struct.pack(f"<{size}f", *([1.0] * size)))


def _output(embedding: int, vocabulary: int, seed: int) -> TensorSpec:
    """The output matrix, with equal rows for what is no printable character.

    Their score is then far below the best printable one, so that replies are plain ASCII text.
    """
    source = random.Random(seed)
    values = array("f")
    for token in range(vocabulary):
        byte = token - 3
        printable = 0x20 <= byte < 0x7F
        values.extend(source.uniform(-1, 1) if printable else 0.0 for _ in range(embedding))
    return TensorSpec("output.weight", (embedding, vocabulary), data=values.tobytes())
