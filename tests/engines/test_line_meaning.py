"""What single lines mean, and where loads and requests begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.engines.line_meaning import FAR, Seeker, meaning_of

KNOWN = [
    ("srv load_model: loading model '/m.gguf'", "stage", "stage 3 of 5: loading model"),
    ("main: model loaded", "stage", "stage 5 of 5: ready"),
    ("load_tensors: offloaded 10/33 layers to GPU", "warning", "10 of 33 layers"),
    ("load_tensors: offloaded 33/33 layers to GPU", "fact", "All 33 layers"),
    ("llama_kv_cache: CUDA0 KV buffer size = 512.00 MiB", "memory", "512 MiB on CUDA0"),
    ("slot launch_slot_: id  0 | task 12 | processing task", "request", "Request 12 in slot 0"),
    ("CUDA error: out of memory", "problem", "too little free memory"),
    ("error: something that nobody foresaw", "problem", "knows no cause"),
]


@pytest.mark.parametrize(("line", "kind", "what"), KNOWN)
def test_a_known_line_is_explained(line: str, kind: str, what: str) -> None:
    meaning = meaning_of(line)
    assert meaning is not None
    assert meaning.kind == kind
    assert what in meaning.what


def test_a_line_that_says_nothing_is_not_explained() -> None:
    assert meaning_of("hello") is None
    assert meaning_of("") is None


@given(st.text())
def test_no_line_raises(line: str) -> None:
    meaning_of(line)


LOAD = ["main: init", "srv load_model: loading model '/m'", "common: warming up the model"]


def _sought(what: str, lines: list[str], page: int = 1) -> int | None:
    seeker = Seeker(what)  # type: ignore[arg-type]
    numbered = list(enumerate(lines, 1))[::-1]
    for at in range(0, len(numbered), page):
        found = seeker.take(numbered[at : at + page])
        if found is not None:
            return found
    return seeker.rest


@pytest.mark.parametrize("page", [1, 3, 100])
def test_the_last_load_is_found_where_it_begins(page: int) -> None:
    served = [*LOAD, "main: model loaded", "chatter"]
    assert _sought("load", served + served, page) == 7
    assert _sought("load", served, page) == 2
    assert _sought("load", [*LOAD[:2], "error: it failed", *LOAD[2:], *LOAD], page) == 6
    assert _sought("load", ["chatter"], page) is None


def test_a_load_ends_where_nothing_of_it_follows() -> None:
    assert _sought("load", [LOAD[1], *["chatter"] * (FAR + 1), LOAD[2]], 1000) == FAR + 3


def test_the_last_request_is_found() -> None:
    begins = "slot launch_slot_: id  0 | task 12 | processing task"
    assert _sought("request", [begins, "x", begins, "y"]) == 3
