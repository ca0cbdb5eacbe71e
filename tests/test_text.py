"""Nothing that passes the gate can steer a terminal."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio import text
from llm_studio.text import escaped, has_controls, untrusted, untrusted_line

ANY = st.text(st.characters(), max_size=200)  # lone surrogates too
HOSTILE = st.text(
    st.sampled_from("\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\x9d\u061c\u200b\u200d\u200f\u2028\u202a\u202e"
                    "\u2060\u2066\u2069\ufeff\ufffb\ud800\udfff\U000e0001\U000e007fab[]é漢"),
    max_size=40,
)  # fmt: skip


def harmful(letter: str) -> bool:
    kind = unicodedata.category(letter)
    if kind == "Cf":  # format characters that only shape letters are left alone
        return unicodedata.bidirectional(letter) in (
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        )  # fmt: skip
    return kind in ("Cc", "Cs", "Zl", "Zp")


@given(st.one_of(ANY, HOSTILE))
def test_no_control_passes(text: str) -> None:
    assert not any(harmful(letter) for letter in untrusted(text) if letter not in "\n\t")
    line = untrusted_line(text)
    assert not any(map(harmful, line))
    assert not has_controls(line)
    untrusted(text).encode()


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert untrusted_line(text, limit=10_000) == text
    assert not has_controls(text)


@given(st.one_of(ANY, HOSTILE))
def test_passing_twice_changes_nothing_more(text: str) -> None:
    assert untrusted(untrusted(text)) == untrusted(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x9b2J", "<U+009B>2J"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\r\nb", "a␍\nb"),
        ("\x7f", "␡"),
        ("\ud800", "\ufffd"),
        ("\U000e0041", "<U+E0041>"),
        ("tab\tnew\n", "tab\tnew\n"),
    ],
)
def test_a_control_is_shown_not_hidden(text: str, shown: str) -> None:
    assert untrusted(text) == shown


def test_a_line_stays_one() -> None:
    assert untrusted_line("a\nb\tc") == "a␊b c"


def test_long_text_is_cut_and_says_so() -> None:
    assert untrusted("x" * 11, limit=10) == "xxxxxxxxxx… (11 characters)"
    assert untrusted("x" * 10, limit=10) == "x" * 10


@given(st.one_of(ANY, HOSTILE))
def test_escaped_json_means_the_same_and_holds_no_control(text: str) -> None:
    written = escaped(json.dumps({"a": text}, ensure_ascii=False))
    assert not any(map(harmful, written))
    assert json.loads(written) == {"a": text}
    written.encode()


def test_what_is_let_through_unlooked_at_is_safe() -> None:
    """The short way asks whether all is printable; no character may be both."""
    unsafe = re.compile(text._UNSAFE)
    letters = map(chr, range(0x110000))
    assert not any(letter.isprintable() and unsafe.match(letter) for letter in letters)
