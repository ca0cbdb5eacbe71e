"""`python -m llm_studio.documents` writes every page into ./docs; `make docs` calls it."""

from __future__ import annotations

from pathlib import Path

from llm_studio.documents.pages import PAGES

if __name__ == "__main__":
    for name, page in PAGES.items():
        Path("docs", name).write_text(page(), encoding="utf-8")
