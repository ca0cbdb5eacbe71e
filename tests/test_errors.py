from __future__ import annotations

import pytest

from llm_studio.errors import NotFound, NotReady, StudioError, UsageError, did_you_mean


@pytest.mark.parametrize(
    ("kind", "code"), [(StudioError, 1), (UsageError, 2), (NotReady, 3), (NotFound, 4)]
)
def test_each_kind_has_its_exit_code(kind: type[StudioError], code: int) -> None:
    error = kind("what", why="why", hint="hint")
    assert (error.exit_code, str(error), error.why, error.hint) == (code, "what", "why", "hint")


@pytest.mark.parametrize(
    ("word", "among", "told"),
    [
        ("contxt", 1, "Did you mean 'context'?"),
        ("context", 2, "Did you mean 'context' or 'contexts'?"),
        ("zzz", 1, ""),
        ("", 1, ""),
    ],
)
def test_the_nearest_known_word(word: str, among: int, told: str) -> None:
    assert did_you_mean(word, ["context", "contexts", "parallel"], among=among) == told


def test_a_sentence_ends_once() -> None:
    assert StudioError("It failed", why="Why.").sentence == "It failed. Why."
    assert StudioError("It was told.", hint="Do.").sentence == "It was told. Do."
