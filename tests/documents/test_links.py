"""Pages written by hand: what they point to is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if "://" in target:
            continue
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), f"{target}#{anchor}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    missing = [page.name for page in PAGES if f"({page.name})" not in index]
    assert [name for name in missing if name != "README.md"] == [], "name it in docs/README.md"


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as they are linked to."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _mentioned(pattern: str) -> list[tuple[str, ...]]:
    return [found for page in PAGES for found in re.findall(pattern, page.read_text())]


def test_tests_that_are_named_exist() -> None:
    named = _mentioned(r"(tests/[\w/]+\.py)::(\w+)")
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text())
        functions = {
            each.name
            for each in tree.body
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert test in functions, f"{file}::{test}"
    assert len(named) > 20


def test_files_that_are_named_exist() -> None:
    named = _mentioned(r"`((?:app|tests|profiles|container|packaging|benchmarks)/[\w/.-]*)`")
    assert [path for path in named if not (ROOT / str(path)).exists()] == []
