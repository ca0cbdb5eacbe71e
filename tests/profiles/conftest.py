"""A shelf of profiles: the user's own and shipped ones, in folders of the test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_studio.profiles import catalogue
from llm_studio.profiles.catalogue import Catalogue, Entry


@dataclass(frozen=True)
class Shelf:
    own: Path
    shipped: Path

    def put(self, id_: str, text: str | bytes, *, shipped: bool = False) -> Path:
        path = (self.shipped if shipped else self.own) / f"{id_}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self) -> Catalogue:
        return Catalogue.load(self.own)

    def entry(self, text: str | bytes, id_: str = "subject") -> Entry:
        """The profile that a text makes."""
        self.put(id_, text)
        return self.load().get(id_)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf(tmp_path / "own", tmp_path / "shipped")
    shelf.own.mkdir()
    shelf.shipped.mkdir()
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: shelf.shipped)
    return shelf
