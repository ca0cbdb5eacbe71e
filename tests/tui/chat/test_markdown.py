"""Markdown as rows: the same however it came, for any text, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from llm_studio.tui.panes.chat.markdown.blocks import Code, Span, Words
from llm_studio.tui.panes.chat.markdown.document import Document
from llm_studio.tui.panes.chat.markdown.rows import rows_of, wrapped

SAMPLE = """# Title

Some **bold** and *em* with `code`, a [link](http://x.y), $a_1 + b_2$ and \\(x_i\\), $5 and $6.

1. First
2. Second
   - nested **x**

     ```python
     def f(x: int) -> str:
         '''doc
         string'''
     ```
3. Third

- loose

- b with 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字

> quote
> more

| Name | Value |
|---|---:|
| a | 1 |
| [/INST] | some long text in a cell that has to be broken to fit |

```js
const x = 1; // c
\ttabbed

    deep
```
After it.
"""


def laid_out(document: Document, width: int = 60) -> list[tuple[bool, list[list[Span]]]]:
    return [(block.gap, [row.spans for row in rows_of(block, width)]) for block in document.blocks]


def text_of(document: Document, width: int = 60) -> str:
    return "\n".join(row.text for block in document.blocks for row in rows_of(block, width))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_pieces_of_any_size_make_the_same_document(sizes: list[int]) -> None:
    document, at, turn = Document(), 0, 0
    while at < len(SAMPLE):
        size = sizes[turn % len(sizes)]
        document.add(SAMPLE[at : at + size])
        laid_out(document)
        at, turn = at + size, turn + 1
    document.finish()
    assert laid_out(document) == laid_out(Document.of(SAMPLE))


def test_the_sample_as_people_read_it() -> None:
    text = text_of(Document.of(SAMPLE))
    assert "Some bold and em with code, a link (http://x.y), $a_1 +" in text
    assert "$5 and $6." in text
    assert "\\(x_i\\)" in text
    assert "   ◦ nested x" in text
    assert "▏ quote" in text
    assert "Name    │" in text
    assert " const x = 1; // c" in text
    assert "     tabbed" in text  # a tab stands for blanks


TEXT = st.text(
    st.one_of(st.sampled_from("*_`[]()#|-> \n\t$\\~!<1.漢é\u0301"), st.characters()), max_size=300
)


@given(TEXT, st.integers(8, 120))
def test_no_text_breaks_it_and_no_row_is_too_wide(text: str, width: int) -> None:
    live = Document()
    for at in range(0, len(text), 7):
        live.add(text[at : at + 7])
    for document in (live, Document.of(text)):
        for block in document.blocks:
            for row in rows_of(block, width):
                room = max(width, 8) + max(cell_len(part) for part, _ in [*block.rest, ("", "")])
                assert cell_len(row.text) <= max(room, 24)
                assert "\n" not in row.text


@given(st.text("ab 漢\n", max_size=200), st.integers(4, 40))
def test_wrapping_loses_nothing_but_blanks(text: str, width: int) -> None:
    rows = wrapped([(text, "")], width)
    told = "".join("".join(part for part, _ in row) for row in rows)
    assert told.replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert all(sum(cell_len(part) for part, _ in row) <= width for row in rows)


@pytest.mark.parametrize(
    "text",
    ["[" * 9000, "*a" * 4500, "`a" * 4500, "$a" * 4500, "\\(a" * 3000, ">" * 9000, "- " * 4500,
     "|a" * 4500 + "\n|-|", "_a_ " * 3000, "```\n" * 2500, "word " * 20_000, "a" * 60_000],
    ids=lambda text: repr(text[:4]),
)  # fmt: skip
def test_hostile_text_takes_no_more_than_its_length_deserves(text: str) -> None:
    began = time.process_time()
    document = Document.of(text)
    for block in document.blocks:
        rows_of(block, 80)
    assert time.process_time() - began < 5


def test_a_long_paragraph_is_one_paragraph() -> None:
    words = " ".join(f"word{number}" for number in range(3000))
    for document in (Document.of(words), Document()):
        for at in range(0, len(words) if not document.blocks else 0, 50):
            document.add(words[at : at + 50])
        document.finish()
        (block,) = document.blocks
        assert isinstance(block, Words)
        assert "".join(text for text, _ in block.spans) == words


def test_code_is_whole_while_it_comes() -> None:
    document = Document()
    for piece in ("```py", "thon\na =", " 1\nb", " = 2\n``", "`\nend"):
        document.add(piece)
    code, after = document.blocks
    assert isinstance(code, Code)
    assert (code.language, code.lines) == ("python", ["a = 1", "b = 2"])
    assert isinstance(after, Words)
