"""The table of figures: rows become one table, and what is promised is measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks import __main__ as bench
from benchmarks import row as rows
from benchmarks import startup
from benchmarks.row import HEAD, Row, as_markdown, as_text, shown

ROWS = [
    Row("start", "14.5 ms", "Python: 17.1 ms", 14.5 / 17.1, "×1.6"),
    Row("key", "61 ms", goal="40 ms", reached=False),
    Row("headers", "0.7 s", "gguf: 327 s", 0.7 / 327),
]


def test_a_missed_goal_is_told_and_makes_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(ROWS) == 1
    assert shown([ROWS[0], ROWS[2]]) == 0
    said = capsys.readouterr().out
    assert "goal ×1.6: reached" in said
    assert "goal 40 ms: MISSED" in said


def test_the_table_has_every_row_with_its_ratio() -> None:
    text = as_text(ROWS).splitlines()
    assert len(text) == len(ROWS) + 1
    assert "×0.85" in text[1]
    assert text[2].endswith("MISSED")
    assert "×0.0021" in text[3]
    page = as_markdown(ROWS).splitlines()
    assert {line.count("|") for line in page} == {len(HEAD) + 1}


def test_a_suite_that_breaks_is_a_missed_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Iterator[Row]:
        yield ROWS[0]
        raise RuntimeError("no engine")

    monkeypatch.setattr(startup, "measure", breaks)
    found = list(bench._whatever_happens(startup))
    assert found[0] is ROWS[0]
    assert (found[1].what, found[1].reached) == ("startup", False)


def test_the_readme_shows_some_of_them() -> None:
    rows = [Row("UI: first paint", "21 ms", "Textual: 182 ms", 0.12, "×0.3"), *ROWS]
    told = bench.with_figures("# A\n\n## How fast\n\nText.\n\n| old |\n| old |\n\n## Next\n", rows)
    assert (
        "| UI: first paint | 21 ms | Textual: 182 ms | ×0.12 | ×0.3 | reached |\n\n## Next" in told
    )
    assert "old" not in told
    assert "headers" not in told


def test_the_last_table_is_in_the_docs() -> None:
    page = (bench.ROOT / "docs/performance.md").read_text()
    assert rows.as_markdown([]).splitlines()[0] in page
    for what in ("llm-studio --help", "UI: first paint", "headers of", "sampling", "a switch",
                 "lines/s", "gateway: first token", "chat at"):  # fmt: skip
        assert what in page, what
