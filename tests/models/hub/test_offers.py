"""What a repository offers, and which of it is meant."""

from __future__ import annotations

import pytest

from llm_studio.errors import NotFound, StudioError, UsageError
from llm_studio.models.hub.hub import reference_of
from llm_studio.models.hub.offers import Offer, RemoteFile, chosen, offers_in


def offers(*paths: str) -> list[Offer]:
    return offers_in(RemoteFile(path, 10 * (i + 1)) for i, path in enumerate(paths))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model.IQ2_XXS.gguf", "IQ2_XXS"),
        ("gpt-oss-120b-mxfp4.gguf", "MXFP4"),
        ("Mixtral-8x7B-q8_0.gguf", "Q8_0"),
        ("BF16/big-BF16-00001-of-00001.gguf", "BF16"),
        ("Q6_K/weights-00001-of-00001.gguf", "Q6_K"),
        ("something.gguf", "something"),
    ],
)
def test_a_quantisation_is_read_from_the_name(path: str, name: str) -> None:
    assert offers(path)[0].name == name


def test_shards_are_one_and_missing_ones_are_told() -> None:
    found = offers(
        "Q4_K_M/m-Q4_K_M-00001-of-00003.gguf",
        "Q4_K_M/m-Q4_K_M-00002-of-00003.gguf",
        "Q4_K_M/m-Q4_K_M-00003-of-00003.gguf",
        "m-Q2_K-00002-of-00002.gguf",
        "mmproj-F16.gguf",
        "README.md",
    )
    assert [(o.name, len(o.files), o.projector, o.missing) for o in found] == [
        ("Q2_K", 1, False, 1),
        ("Q4_K_M", 3, False, 0),
        ("F16", 1, True, 0),
    ]
    with pytest.raises(NotFound, match=r"lacks shards of .*: 1"):
        chosen(found, "Q2_K", "a/b")


@pytest.mark.parametrize(
    ("asked", "name"),
    [("q4_k_m", "Q4_K_M"), ("Q8_0", "Q8_0"), ("m-Q8_0.gguf", "Q8_0"), ("", "Q4_K_M")],
)
def test_the_one_that_is_meant(asked: str, name: str) -> None:
    found = offers("m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q2_K.gguf", "mmproj-F16.gguf")
    assert chosen(found, asked, "a/b").name == name


def test_what_is_not_there_is_told_with_what_is() -> None:
    found = offers("m-Q8_0.gguf", "m-Q4_K_M.gguf")
    with pytest.raises(NotFound, match="no Q4_K_N") as caught:
        chosen(found, "Q4_K_N", "a/b")
    assert "Q8_0" in caught.value.why
    assert "Q4_K_M" in caught.value.hint
    with pytest.raises(NotFound, match="no GGUF files"):
        chosen(offers("mmproj-F16.gguf"), "", "a/b")
    with pytest.raises(UsageError) as usage:
        chosen(offers("m-Q8_0.gguf", "m-Q2_K.gguf"), "", "a/b")
    assert "Q2_K, Q8_0" in usage.value.hint or "Q8_0, Q2_K" in usage.value.hint


def test_references() -> None:
    assert reference_of("a/b-GGUF") == ("a/b-GGUF", "")
    assert reference_of("a/b:Q4_K_M") == ("a/b", "Q4_K_M")
    assert reference_of("https://hub.example/a/b") == ("a/b", "")
    assert reference_of("https://hub.example/a/b/blob/main/m-Q8_0.gguf") == ("a/b", "m-Q8_0.gguf")
    for wrong in ("", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a b/c", "a/b\n"):
        with pytest.raises(StudioError):
            reference_of(wrong)
