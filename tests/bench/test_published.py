"""Published scores beside one's own: of the same model alone, and with what may differ."""

from __future__ import annotations

import re

import pytest
from tests.bench.runs import coding_run

from llm_studio.bench.coding import published as module
from llm_studio.bench.coding.published import published
from llm_studio.bench.record import Run
from llm_studio.bench.report import report


def run_of(file: str, **settings: str | int) -> Run:
    run = coding_run("a-1", {"a": True})
    stamp = run.stamp.model_copy(update={"model_file": file})
    return run.model_copy(update={"stamp": stamp, "settings": {"tasks": 164, **settings}})


@pytest.mark.parametrize(
    ("file", "model"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Llama-3.1-8B-Instruct"),
        ("mixtral-8x22b-instruct-v0.1.Q5_K_M-00001-of-00003.gguf", "Mixtral-8x22B-Instruct-v0.1"),
        ("Llama-3.1-8B-Instruct-UD-Q6_K_XL.gguf", "Llama-3.1-8B-Instruct"),
        ("DeepSeek-R1-Distill-Llama-3.1-8B-Instruct-Q4_K_M.gguf", None),
        ("Llama-3.1-8B-Instruct-abliterated-Q4_K_M.gguf", None),
        ("Llama-3.1-8B-Q8_0.gguf", None),
        ("", None),
    ],
)
def test_only_the_same_model_counts(file: str, model: str | None) -> None:
    assert [each.model for each in published(run_of(file))] == ([model] if model else [])


def test_what_may_differ_is_told() -> None:
    (found,) = published(run_of("Llama-3.1-8B-Instruct-Q4_K_M.gguf", tasks=10, temperature=1))
    assert found.scores == {"pass@1 base": 0.695, "pass@1 plus": 0.628}
    assert found.match == "near"
    told = "; ".join(found.differs)
    for why in ("not quantised", "version of HumanEval+ is not stated", "10 tasks", "greedy"):
        assert why in told
    (whole,) = published(run_of("Llama-3.1-8B-Instruct-BF16.gguf"))
    assert "quantised" not in "; ".join(whole.differs)
    text = report([run_of("Llama-3.1-8B-Instruct-Q4_K_M.gguf")])
    assert "published for Llama-3.1-8B-Instruct" in text
    assert found.url in text


def test_every_score_can_be_looked_up() -> None:
    data = module._data()
    for score in data["score"]:
        source = data["source"][score["source"]]
        assert source["url"].startswith("https://")
        assert source["date"]
        for suite in ("humaneval", "mbpp"):
            base, plus = score[suite]["base"], score[suite]["plus"]
            assert 0 < plus <= base < 100, score
        assert re.fullmatch(module._pattern(score["model"]), module._plain(score["model"]))
