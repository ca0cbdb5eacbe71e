"""How fast headers are read, against the `gguf` package on files of the same kind in the same run.

Fifty files, each with a vocabulary of 150,000 tokens and as many merges, none like another. The
package takes seconds for a file, so it reads a few of them; both are given per file.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from tests.standins.gguf_writer import Array, TensorSpec, Typed, Value, write_gguf

from benchmarks.row import Row, shown
from llm_studio.models.gguf import read_header

FILES = 50
TOKENS = 150_000
GOAL = 1.0
REFERENCE_FILES = 2


def write_file(path: Path, seed: int) -> None:
    source = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    text = "".join(source.choices(letters, k=4 * TOKENS))

    def words(mean: float) -> list[str]:
        found, at = [], 0
        for _ in range(TOKENS):
            length = max(1, min(100, int(source.gauss(mean, 3))))
            at = (at + length) % (len(text) - 100)
            found.append(text[at : at + length])
        return found

    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.block_count": 32,
        "tokenizer.ggml.tokens": Array("str", words(6.5)),
        "tokenizer.ggml.token_type": Array("i32", [1] * TOKENS),
        "tokenizer.ggml.merges": Array("str", words(7.5)),
        "tokenizer.ggml.eos_token_id": Typed("u32", seed),
    }
    write_gguf(path, metadata, [TensorSpec(f"blk.{n}.weight", (256,)) for n in range(300)])


def measure() -> Iterator[Row]:
    print(f"Headers: {FILES} files with {TOKENS:,} tokens and {TOKENS:,} merges each")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.gguf" for number in range(FILES)]
        for seed, path in enumerate(paths):
            write_file(path, seed)
        start = time.perf_counter()
        for path in paths:
            read_header(path)
        ours = time.perf_counter() - start
        theirs = _reference_seconds(paths[:REFERENCE_FILES]) / REFERENCE_FILES * FILES
        yield Row(
            f"headers of {FILES} model files",
            f"{ours:.2f} s",
            f"gguf package: {theirs:.0f} s (from {REFERENCE_FILES} files)",
            ours / theirs,
            f"{GOAL:g} s",
            ours <= GOAL,
        )
        tracemalloc.start()
        for path in paths:
            read_header(path)
        print(f"  at most {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB of memory")
        tracemalloc.stop()


def _reference_seconds(paths: list[Path]) -> float:
    import gguf

    start = time.perf_counter()
    for path in paths:
        gguf.GGUFReader(path)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(shown(measure()))
