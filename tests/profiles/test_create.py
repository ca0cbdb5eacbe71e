"""A first profile from what a model file says about itself, however strange that is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Home
from tests.profiles.planning import library_of, model_in, write_model
from tests.standins.gguf_writer import Array, TensorSpec, Typed, Value, write_gguf

from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.create import id_for, name_of, recommended_sampling, values_for
from llm_studio.profiles.save import check, compose


def values(home: Home, name: str = "m.gguf", /, **metadata: Value) -> dict[str, Any]:
    home.model(name, metadata={key.replace("__", "."): each for key, each in metadata.items()})
    return values_for(model_in(home.models, name))


def test_what_the_file_tells_becomes_the_profile(home: Home) -> None:
    made = values(
        home,
        "Org/Nice-Q4_K_M.gguf",
        general__name="Nice Model",
        general__size_label="8B",
        general__sampling__temp=0.6,
        general__sampling__top_k=20,
        general__sampling__penalty_repeat=1.05,
        tokenizer__chat_template="{% if tools %}<think>{% endif %}",
    )
    assert made == {
        "name": "Nice Model 8B Q4_K_M",
        "tags": ["chat", "reasoning", "tools"],
        "model.file": "Org/Nice-Q4_K_M.gguf",
        "model.repo": None,
        "server.parallel": 1,
        "sampling.temperature": 0.6,
        "sampling.top_k": 20,
        "sampling.repeat_penalty": 1.05,
    }


@pytest.mark.parametrize(
    ("metadata", "file", "name"),
    [
        ({}, "Qwen3-8B-Q5_K_M-00001-of-00001.gguf", "Qwen3-8B-Q5_K_M"),
        ({"general.name": "  "}, "a.gguf", "a Q4_K_M"),
        ({"general.name": "Llama Q4_K_M"}, "a.gguf", "Llama Q4_K_M"),
        ({"general.name": 5}, "a.gguf", "a Q4_K_M"),
        ({"general.name": "Llama 8b", "general.size_label": "8B"}, "a.gguf", "Llama 8b Q4_K_M"),
        ({"general.name": "\x1b[2Jevil\n\u202e"}, "a.gguf", "␛[2Jevil␊<U+202E> Q4_K_M"),
        ({"general.name": "x" * 500}, "a.gguf", None),
    ],
)
def test_the_name(home: Home, metadata: Mapping[str, Value], file: str, name: str | None) -> None:
    home.model(file, metadata={"general.file_type": 17 if "Q5" in file else 15, **metadata})
    model = library_of(home.models).find(file)
    assert model is not None
    told = name_of(model.require(), model.name)
    assert told == name if name else len(told) <= 120


def test_a_quantisation_that_the_file_does_not_tell_is_that_of_most_bytes(tmp_path: Path) -> None:
    write_model(tmp_path, "llama-3.1-8b-q8")
    model = model_in(tmp_path)
    assert name_of(model.require(), "m.gguf") == "m Q8_0"


def test_the_projector_beside_it_comes_along(home: Home) -> None:
    home.model("Vision/mmproj-F16.gguf", metadata={"general.architecture": "clip"})
    assert values(home, "Vision/model.gguf")["model.mmproj"] == "Vision/mmproj-F16.gguf"
    assert "model.mmproj" not in values(home, "Text/model.gguf")


@pytest.mark.parametrize(
    "metadata",
    [
        {"general__architecture": "nomic-bert", "nomic-bert__block_count": 2},
        {"llama__pooling_type": 3},
    ],
)
def test_a_model_for_embeddings_serves_them(home: Home, metadata: dict[str, Value]) -> None:
    made = values(home, "m.gguf", **metadata)
    assert made["server.embeddings"] is True
    assert "server.parallel" not in made


def test_gpt_oss_gets_its_levels_of_reasoning(tmp_path: Path) -> None:
    write_model(tmp_path, "gpt-oss-20b-mxfp4")
    made = values_for(model_in(tmp_path))
    assert made["client.reasoning_levels"] == ["low", "medium", "high"]
    assert made["client.reasoning_prompt"] == "Reasoning: {level}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temp", float("nan")), ("temp", float("inf")), ("temp", -1.0), ("temp", "hot"),
        ("top_k", Typed("i32", -1)), ("top_k", True), ("top_k", 40.5), ("top_p", 7.0),
        ("min_p", Array("f32", [0.1])), ("mirostat", 9), ("penalty_repeat", 0.0),
    ],
)  # fmt: skip
def test_a_recommendation_that_cannot_be_set_is_left_out(
    home: Home, key: str, value: Value
) -> None:
    home.model(metadata={"general.sampling.min_p": 0.05, f"general.sampling.{key}": value})
    header = model_in(home.models, "tiny.gguf").require()
    expected = {} if key == "min_p" else {"min_p": 0.05}
    assert recommended_sampling(header) == expected


_SCALARS = st.one_of(
    st.text(max_size=80),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.floats(width=32),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["general.name", "general.size_label", "general.file_type", "general.sampling.temp",
             "general.sampling.top_k", "general.sampling.top_p", "tokenizer.chat_template",
             "general.type", "llama.pooling_type", "general.sampling.xtc_threshold"]
        ),
        _SCALARS,
    )
)  # fmt: skip
def test_any_metadata_makes_a_sound_profile(tmp_path: Path, metadata: dict[str, Value]) -> None:
    described: dict[str, Value] = {
        "general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 64,
        "llama.embedding_length": 4, **metadata,
    }  # fmt: skip
    write_gguf(tmp_path / "m.gguf", described, [TensorSpec("blk.0.ffn_up.weight", (4, 4))])
    (tmp_path / "cache" / "headers.sqlite3").unlink(missing_ok=True)
    model = model_in(tmp_path)
    if metadata.get("general.type") in ("adapter", "mmproj"):
        return
    assert model.kind == "model"
    text = compose(values_for(model))
    entry = check(id_for(model), Path("m.toml"), text, Catalogue([]))
    assert entry.problems == ()
    assert "\x1b" not in tomllib.loads(text)["name"]


@pytest.mark.parametrize(
    ("file", "id_"),
    [
        ("GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M.gguf", "glm-4.7-flash-q4_k_m"),
        ("Big-UD-Q5_K_XL-00001-of-00003.gguf", "big-ud-q5_k_xl"),
        ("a b (c)!.GGUF", "a-b-c"),
        ("模型.gguf", "model"),
        ("llama3.2:latest", "llama3.2-latest"),
        ("x" * 200 + ".gguf", "x" * 64),
        ("..-_.gguf", "model"),
    ],
)
def test_an_id_after_the_file(home: Home, file: str, id_: str) -> None:
    (home.models / "any.gguf").parent.mkdir(parents=True)
    home.model("any.gguf", metadata={})
    assert id_for(replace(model_in(home.models, "any.gguf"), name=file)) == id_
