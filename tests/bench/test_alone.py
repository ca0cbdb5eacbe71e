from __future__ import annotations

from llm_studio.bench.alone import points_of, words_for

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
