"""The memory of a projector, which turns images or sound into tokens beside the model."""

from __future__ import annotations

from llm_studio.models.gguf import Header


def projector_memory(header: Header) -> int:
    """Its weights exactly, and its buffers roughly: activations of one image at full size."""
    weights = sum(tensor.size for tensor in header.tensors)
    return weights + _buffers(header)


def _buffers(header: Header) -> int:
    def number(key: str) -> int:
        value = header.metadata.get(f"clip.vision.{key}")
        return value if isinstance(value, int) else 0

    patch, image = number("patch_size"), number("image_size")
    if not patch or not image:
        return 0
    positions = (image // patch) ** 2
    widest = max(3 * number("embedding_length"), number("feed_forward_length"))
    heads = number("attention.head_count")
    return 4 * positions * (2 * widest + heads * min(positions, 4096))
