"""Writes a llama of half a megabyte with random weights: any engine loads it at once and babbles.

It stands in for a real model where only the engine is tested. Its words are the 256 bytes, so it
takes any prompt; and its chat template knows tools, so that a call can be forced out of it.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from math import prod
from pathlib import Path

from llm_studio.models.gguf_writing import F32, Entry, Made, Numbers, Strings, whole
from llm_studio.storage import write_atomically

CONTEXT = 32768
EMBEDDING, FEED_FORWARD, HEADS, BLOCKS = 64, 160, 4, 2
_SPECIAL = ("<unk>", "<s>", "</s>")
CALL = "<tool_call>\n"
"""A token of its own, so that a request can ask for it with a bias; the grammar does the rest."""
_TOKENS = (*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), CALL)
CALL_TOKEN = _TOKENS.index(CALL)
_KINDS = (2, 3, 3, *([6] * 256), 4)
"""Unknown, control, control, bytes, user-defined."""
TEMPLATE = """\
{%- if tools %}<|im_start|>system
# Tools
<tools>
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
</tools>
For each call, answer with JSON within <tool_call></tool_call> tags:
<tool_call>
{"name": <name>, "arguments": <arguments>}
</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{{- '\\n' + message.content if message.content }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def write_tiny_model(path: Path) -> Path:
    """The file, written once: it is always the same."""
    write_atomically(path, whole(_metadata(), [*_tensors()]))
    return path


def _metadata() -> dict[str, Entry]:
    return {
        "general.architecture": "llama",
        "general.name": "Tiny random llama",
        "llama.context_length": CONTEXT,
        "llama.embedding_length": EMBEDDING,
        "llama.block_count": BLOCKS,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": EMBEDDING // HEADS,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": Strings(_TOKENS),
        "tokenizer.ggml.scores": Numbers("f", [0.0] * len(_TOKENS)),
        "tokenizer.ggml.token_type": Numbers("i", _KINDS),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def _tensors() -> Iterator[Made]:
    source = random.Random(7)
    wide, inner, words = EMBEDDING, FEED_FORWARD, len(_TOKENS)

    def made(name: str, shape: tuple[int, ...], values: array[float]) -> Made:
        return Made(f"{name}.weight", shape, F32, values.tobytes)

    def weights(name: str, *shape: int) -> Made:
        values = array("f", (source.uniform(-0.1, 0.1) for _ in range(prod(shape))))
        return made(name, shape, values)

    def ones(name: str) -> Made:
        return made(name, (wide,), array("f", [1.0] * wide))

    yield weights("token_embd", wide, words)
    yield ones("output_norm")
    yield made("output", (wide, words), _output(source))
    for block in range(BLOCKS):
        for name in ("attn_norm", "ffn_norm"):
            yield ones(f"blk.{block}.{name}")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield weights(f"blk.{block}.{name}", wide, wide)
        yield weights(f"blk.{block}.ffn_gate", wide, inner)
        yield weights(f"blk.{block}.ffn_up", wide, inner)
        yield weights(f"blk.{block}.ffn_down", inner, wide)


def _output(source: random.Random) -> array[float]:
    """Printable characters alone get scores above nothing, so that answers are text."""
    rows = array("f")
    for token in range(len(_TOKENS)):
        printable = 0x20 <= token - len(_SPECIAL) < 0x7F
        rows.extend(source.uniform(-1, 1) if printable else 0.0 for _ in range(EMBEDDING))
    return rows
