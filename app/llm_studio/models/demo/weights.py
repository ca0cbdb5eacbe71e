"""Weights that read out what stands a fixed number of tokens back: made by hand, not trained.

A token is a byte. Its embedding is a one and the byte's bits as plus and minus one. The first
layer's head turns its query by the distance, as RoPE would: its score is highest for the key that
far back. What it finds there it adds as the bits to say, and the output layer compares these with
those of every byte. The other layers are zero: they pass all on, and take a model's time.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from llm_studio.models.gguf_writing import F16, F32, Made

EMBEDDING, HEAD, FEED_FORWARD, BLOCKS = 32, 32, 32, 32
ROPE_BASE = 500.0
EPSILON = 1e-6
SPECIAL = ("<unk>", "<s>", "</s>")
END = SPECIAL.index("</s>")
# The tokenizer writes spaces as this sign before it looks for tokens.
TOKENS = (*SPECIAL, *("▁" if byte == 0x20 else f"<0x{byte:02X}>" for byte in range(256)))
END_SIGN = "\x03"
"""Where this stands, the answer ends."""
KINDS = (2, 3, 3, *(1 if byte == 0x20 else 6 for byte in range(256)))
"""Unknown, control, control, bytes; and the space, a normal one."""

_END_SIGN = f"<0x{ord(END_SIGN):02X}>"
_BITS = 9
_ONE = 0
_OWN = 1
_SAID = _OWN + _BITS
"""Where an embedding holds its one, its own bits, and those that the head found."""
_SHARPNESS = 20.0
"""So much the score falls for each unit of agreement lost: a neighbour gets e⁻¹⁵ of the weight."""
_GAIN = 6.0
"""So strongly bits speak: the next likely byte is e⁻²² as likely, whatever the temperature."""

_Matrix = Mapping[tuple[int, int], float]


def tensors(distance: int) -> Iterator[Made]:
    """All of the model; it says what stood `distance` tokens before the token that it is at."""
    words = len(TOKENS)
    yield _matrix("token_embd", words, EMBEDDING, _embeddings)
    yield _ones("output_norm")
    yield _matrix("output", words, EMBEDDING, _output)
    for block in range(BLOCKS):
        at_work = block == 0
        name = f"blk.{block}.".__add__
        query: Callable[[], _Matrix] = partial(_query, distance) if at_work else _zero
        yield _ones(name("attn_norm"))
        yield _matrix(name("attn_q"), HEAD, EMBEDDING, query)
        yield _matrix(name("attn_k"), HEAD, EMBEDDING, _key if at_work else _zero)
        yield _matrix(name("attn_v"), HEAD, EMBEDDING, _value if at_work else _zero)
        yield _matrix(name("attn_output"), EMBEDDING, HEAD, _found if at_work else _zero)
        yield _ones(name("ffn_norm"))
        yield _matrix(name("ffn_gate"), FEED_FORWARD, EMBEDDING, _zero)
        yield _matrix(name("ffn_up"), FEED_FORWARD, EMBEDDING, _zero)
        yield _matrix(name("ffn_down"), EMBEDDING, FEED_FORWARD, _zero)


def _bits(token: int) -> list[float]:
    """The last tells bytes from special tokens. The sign of the end is read as the end itself."""
    if TOKENS[token] == _END_SIGN:
        token = END
    number, special = (token, True) if token < len(SPECIAL) else (token - len(SPECIAL), False)
    return [1.0 if number >> bit & 1 else -1.0 for bit in range(8)] + [-1.0 if special else 1.0]


def _embeddings() -> _Matrix:
    bits = {
        (token, _OWN + place): bit
        for token in range(len(TOKENS))
        for place, bit in enumerate(_bits(token))
    }
    return bits | {(token, _ONE): 1.0 for token in range(len(TOKENS))}


_NORM = math.sqrt((1 + _BITS) / EMBEDDING)
"""What an embedding is divided by before the head sees it: the same for every token."""
_LOUDNESS = _NORM * math.sqrt(_SHARPNESS * math.sqrt(HEAD))


def _query(distance: int) -> _Matrix:
    turned = {}
    for pair in range(HEAD // 2):
        angle = -distance * ROPE_BASE ** (-2 * pair / HEAD)
        turned[2 * pair, _ONE] = _LOUDNESS * math.cos(angle)
        turned[2 * pair + 1, _ONE] = _LOUDNESS * math.sin(angle)
    return turned


def _key() -> _Matrix:
    return {(2 * pair, _ONE): _LOUDNESS for pair in range(HEAD // 2)}


def _value() -> _Matrix:
    return {(place, _OWN + place): _NORM for place in range(_BITS)}


def _found() -> _Matrix:
    return {(_SAID + place, place): 1.0 for place in range(_BITS)}


def _output() -> _Matrix:
    return {
        (token, _SAID + place): bit * _GAIN
        for token in range(len(TOKENS))
        for place, bit in enumerate(_bits(token))
        if TOKENS[token] != _END_SIGN
    }


def _zero() -> _Matrix:
    return {}


def _matrix(name: str, rows: int, columns: int, made: Callable[[], _Matrix]) -> Made:
    def data() -> bytes:
        raw = bytearray(2 * rows * columns)
        for (row, column), value in made().items():
            struct.pack_into("<e", raw, 2 * (row * columns + column), value)
        return bytes(raw)

    return Made(f"{name}.weight", (columns, rows), F16, data)


def _ones(name: str) -> Made:
    return Made(f"{name}.weight", (EMBEDDING,), F32, lambda: struct.pack("<f", 1.0) * EMBEDDING)
