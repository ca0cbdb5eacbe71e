from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llm_studio.bench import alone
from llm_studio.bench.alone import Process, points_of, words_for
from llm_studio.errors import StudioError

pytestmark = pytest.mark.anyio

RECORD = (
    '{"build_commit": "x", "n_prompt": 512, "n_gen": 0, "n_depth": 2048, "avg_ts": 2.0, '
    '"samples_ts": [1.5, 2.5]}'
)


def test_the_placement_is_told_in_its_own_words() -> None:
    command = (
        "llama-server --model /m.gguf --gpu-layers 20 --cache-type-k q8_0 --tensor-split 3,1 "
        "--device CUDA0,CUDA1 --host 0.0.0.0 --flash-attn on --cpu-moe"
    )
    assert words_for(command.split()) == (
        "-m /m.gguf -ngl 20 -ctk q8_0 -ts 3/1 -dev CUDA0/CUDA1 -fa on -ncmoe 999".split()
    )
    assert words_for(["llama-server", "--gpu-layers", "all"]) == []


def test_records_are_read_by_name_and_noise_is_left_out() -> None:
    (point,) = points_of(["load_backend: …", RECORD, "{broken", '{"n_prompt": 1}'])
    assert (point.source, point.prompt, point.depth, point.cache) == (
        "llama-bench",
        512,
        2048,
        "none",
    )
    assert point.measures["prompt_speed"].values == [1.5, 2.5]


async def test_one_that_takes_too_long_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That holds its output open."""
    binary = tmp_path / "llama-bench"
    binary.write_text("#!/bin/sh\nsleep 600 &\nexec sleep 600\n")
    binary.chmod(0o700)
    monkeypatch.setattr(alone, "LIMIT", 0.2)
    async with asyncio.timeout(5):
        with pytest.raises(StudioError, match="took longer"):
            await Process(binary).run([])
