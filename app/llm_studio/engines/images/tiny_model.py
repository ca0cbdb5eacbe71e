"""Writes a llama of half a megabyte with random weights: any engine loads it at once and babbles.

It stands in for a real model where only the engine is tested. Its words are the 256 bytes, so it
takes any prompt; and its chat template knows tools, so that a call can be forced out of it.
"""

from __future__ import annotations

import os
import random
import struct
from array import array
from collections.abc import Iterator
from math import prod
from pathlib import Path

CONTEXT = 32768
EMBEDDING, FEED_FORWARD, HEADS, BLOCKS = 64, 160, 4, 2
_SPECIAL = ("<unk>", "<s>", "</s>")
CALL = "<tool_call>\n"
"""A token of its own, so that a request can ask for it with a bias; the grammar does the rest."""
_TOKENS = (*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), CALL)
CALL_TOKEN = _TOKENS.index(CALL)
_KINDS = (2, 3, 3, *([6] * 256), 4)
"""Unknown, control, control, bytes, user-defined."""
_ALIGNMENT = 32
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
    metadata = b"".join(_metadata())
    tensors = list(_tensors())
    infos, data = b"", b""
    for name, shape, values in tensors:
        infos += _text(name) + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, len(data))
        data += _padded(values.tobytes())
    count = sum(1 for _ in _metadata())
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), count) + metadata + infos
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.write_bytes(_padded(head) + data)
    written.chmod(0o644)  # the engine runs as somebody else
    written.replace(path)
    return path


def _metadata() -> Iterator[bytes]:
    yield _entry("general.architecture", "llama")
    yield _entry("general.name", "Tiny random llama")
    yield _entry("llama.context_length", CONTEXT)
    yield _entry("llama.embedding_length", EMBEDDING)
    yield _entry("llama.block_count", BLOCKS)
    yield _entry("llama.feed_forward_length", FEED_FORWARD)
    yield _entry("llama.attention.head_count", HEADS)
    yield _entry("llama.attention.head_count_kv", HEADS)
    yield _entry("llama.attention.layer_norm_rms_epsilon", 1e-5)
    yield _entry("llama.rope.dimension_count", EMBEDDING // HEADS)
    yield _entry("tokenizer.ggml.model", "llama")
    yield _array("tokenizer.ggml.tokens", 8, map(_text, _TOKENS))
    yield _array("tokenizer.ggml.scores", 6, (struct.pack("<f", 0.0) for _ in _TOKENS))
    yield _array("tokenizer.ggml.token_type", 5, (struct.pack("<i", kind) for kind in _KINDS))
    yield _entry("tokenizer.ggml.bos_token_id", 1)
    yield _entry("tokenizer.ggml.eos_token_id", 2)
    yield _entry("tokenizer.ggml.unknown_token_id", 0)
    yield _text("tokenizer.ggml.add_space_prefix") + struct.pack("<I?", 7, False)
    yield _entry("tokenizer.chat_template", TEMPLATE)


def _tensors() -> Iterator[tuple[str, tuple[int, ...], array[float]]]:
    source = random.Random(7)
    wide, inner, words = EMBEDDING, FEED_FORWARD, len(_TOKENS)

    def weights(*shape: int) -> tuple[tuple[int, ...], array[float]]:
        return shape, array("f", (source.uniform(-0.1, 0.1) for _ in range(prod(shape))))

    ones = (wide,), array("f", [1.0] * wide)
    yield ("token_embd.weight", *weights(wide, words))
    yield ("output_norm.weight", *ones)
    yield ("output.weight", (wide, words), _output(source))
    for block in range(BLOCKS):
        for name in ("attn_norm", "ffn_norm"):
            yield (f"blk.{block}.{name}.weight", *ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield (f"blk.{block}.{name}.weight", *weights(wide, wide))
        yield (f"blk.{block}.ffn_gate.weight", *weights(wide, inner))
        yield (f"blk.{block}.ffn_up.weight", *weights(wide, inner))
        yield (f"blk.{block}.ffn_down.weight", *weights(inner, wide))


def _output(source: random.Random) -> array[float]:
    """Printable characters alone get scores above nothing, so that answers are text."""
    rows = array("f")
    for token in range(len(_TOKENS)):
        printable = 0x20 <= token - len(_SPECIAL) < 0x7F
        rows.extend(source.uniform(-1, 1) if printable else 0.0 for _ in range(EMBEDDING))
    return rows


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _entry(key: str, value: str | int | float) -> bytes:
    if isinstance(value, str):
        return _text(key) + struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return _text(key) + struct.pack("<II", 4, value)
    return _text(key) + struct.pack("<If", 6, value)


def _array(key: str, kind: int, values: Iterator[bytes]) -> bytes:
    raw = list(values)
    return _text(key) + struct.pack("<IIQ", 9, kind, len(raw)) + b"".join(raw)


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % _ALIGNMENT)
