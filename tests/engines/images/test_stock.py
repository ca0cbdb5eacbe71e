"""Images taken into use, back, and away, with a real Docker; and the file that remembers."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import Home
from tests.standins.engine_truth import IMAGE, require_engine
from tests.standins.registry import Registry

from llm_studio.engines.base import EngineError
from llm_studio.engines.docker.connection import Connection
from llm_studio.engines.images import stock
from llm_studio.engines.images.interrupt import Interrupt
from llm_studio.engines.images.pull import pull
from llm_studio.engines.images.reference import Reference, short
from llm_studio.engines.images.shelf import Shelf
from llm_studio.engines.images.stock import DEFAULT, Stock, doubts, engine_image
from llm_studio.errors import NotFound, NotReady
from llm_studio.schema import ImageCheck, ImageFinding
from llm_studio.settings import load_settings


def check(passed: bool) -> ImageCheck:
    findings = [ImageFinding(step="tool call", passed=passed, told="x")]
    return ImageCheck(passed=passed, at=time.time(), version="1", model="m", findings=findings)


class TestShelf:
    def test_it_starts_empty_and_stays(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path / "state")
        assert shelf.read().in_use is None
        shelf.add("sha256:a", "one", "pulled")
        shelf.use("sha256:a", "one")
        shelf.use("sha256:b", "two")
        shelf.checked("sha256:b", "two", check(True))
        kept = Shelf(tmp_path / "state").read()
        assert (kept.in_use, kept.before) == ("sha256:b", "sha256:a")
        assert kept.images["sha256:b"].check is not None
        shelf.add("sha256:b", "two again", "pulled")
        assert shelf.read().images["sha256:b"].check is not None
        assert (tmp_path / "state/images.json").stat().st_mode & 0o777 == 0o600

    def test_using_the_same_again_forgets_nothing(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path)
        for id_ in ("a", "b", "b"):
            shelf.use(id_, id_)
        assert (shelf.read().in_use, shelf.read().before) == ("b", "a")

    def test_many_writers_lose_nothing(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: Shelf(tmp_path).add(f"id{n}", "x", "pulled"), range(40)))
        assert len(Shelf(tmp_path).read().images) == 40

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"images": {"a": 1}}', '{"in_use": 3}'])
    def test_a_damaged_file_says_what_to_do(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "images.json").write_text(text)
        with pytest.raises(EngineError, match="Cannot read") as caught:
            Shelf(tmp_path).read()
        assert "image use" in caught.value.hint
        with pytest.raises(EngineError):
            Shelf(tmp_path).use("a", "a")
        assert (tmp_path / "images.json").read_text() == text


def test_the_engines_image_is_the_setting_else_the_one_in_use(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(home.state)
    assert engine_image(load_settings(), shelf).reference == DEFAULT
    shelf.use("sha256:a", "one")
    assert engine_image(load_settings(), shelf).reference == "sha256:a"
    assert engine_image(load_settings(), shelf).name == "one"
    monkeypatch.setenv("LLM_STUDIO_IMAGE", "mine:1")
    assert engine_image(load_settings(), shelf).reference == "mine:1"


class House:
    """A home with a registry, and the real Docker's images."""

    def __init__(self, home: Home, registry: Registry) -> None:
        self.registry = registry
        self.connection = Connection(os.environ)
        self.shelf = Shelf(home.state)
        self.stock = Stock(load_settings(), self.shelf, self.connection)

    def pull(self, tag: str, content: bytes) -> str:
        self.registry.push("llama", tag, content)
        wanted = Reference(f"{self.registry.address}/llama", tag)
        pulled = pull(self.connection, wanted, lambda *_: None, Interrupt())
        self.stock.add(pulled.id, pulled.name, "pulled")
        return pulled.id


@pytest.fixture
def house(home: Home, registry: Registry) -> Iterator[House]:
    require_engine()
    house = House(home, registry)
    yield house
    house.connection.close()


@pytest.mark.engine
class TestStock:
    def test_a_life_of_images(self, house: House) -> None:
        first, second, third = (house.pull(tag, tag.encode() * 9) for tag in ("a", "b", "c"))
        states = {image.id: image.state for image in house.stock.images()}
        assert states[first] == states[second] == "here"  # there is one to run: the default
        assert house.stock.use(f"{house.registry.address}/llama:a").state == "in use"
        assert house.stock.rollback().name == DEFAULT  # what ran so far, though nobody chose it
        assert house.stock.rollback().id == first
        assert house.stock.use(short(second)).id == second
        assert [image.state for image in house.stock.images()[:2]] == ["in use", "before"]
        assert house.stock.rollback().id == first
        assert house.stock.rollback().id == second
        found = house.stock.prune()
        assert [name.endswith(f"({short(third)})") for name in found.removed] == [True]
        assert {first, second} <= {image.id for image in house.stock.images()}
        assert third not in house.shelf.read().images
        assert house.stock.prune().removed == []

    def test_a_tag_that_moved_changes_nothing_of_what_runs(self, house: House) -> None:
        first = house.pull("same", b"first")
        house.stock.use(first)
        second = house.pull("same", b"second")
        assert first != second
        assert engine_image(load_settings(), house.shelf).reference == first
        by_id = {image.id: image for image in house.stock.images()}
        assert by_id[first].name == by_id[second].name == f"{house.registry.address}/llama:same"
        assert by_id[first].digest != by_id[second].digest

    def test_what_a_profile_names_or_a_container_uses_stays(self, house: House) -> None:
        first, second = house.pull("a", b"1"), house.pull("b", b"2")
        made = subprocess.run(
            ["docker", "create", second, "x"], capture_output=True, text=True, check=True
        ).stdout.strip()
        try:
            found = house.stock.prune([f"{house.registry.address}/llama:a"])
        finally:
            subprocess.run(["docker", "rm", made], check=True, capture_output=True)
        assert found.removed == []
        [kept] = found.kept
        assert short(second) in kept.name
        assert made[:12] in kept.why
        assert {first, second} <= set(house.shelf.read().images)

    def test_what_somebody_removed_is_told(self, house: House) -> None:
        first, second = house.pull("a", b"1"), house.pull("b", b"2")
        house.stock.use(first)
        house.stock.use(second)
        subprocess.run(["docker", "rmi", first], check=True, capture_output=True)
        gone = {image.id: image.state for image in house.stock.images()}
        assert gone[first] == "gone"
        with pytest.raises(NotReady, match="is gone") as caught:
            house.stock.rollback()
        assert f"image pull {house.registry.address}/llama:a" in caught.value.hint
        for name in ("llama:nowhere", "Up:1", "a b", "", "../x", "sha256:12", "--all"):
            with pytest.raises(NotFound, match="There is no image"):
                house.stock.use(name)
        assert house.shelf.read().in_use == second

    def test_doubts(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        id_ = house.pull("a", b"1")
        settings = load_settings()
        [untested] = doubts(house.stock.find(id_), settings)
        assert "not been tested" in untested
        house.shelf.checked(id_, "x", check(False))
        assert "failed its test (tool call)" in doubts(house.stock.find(id_), settings)[0]
        house.shelf.checked(id_, "x", check(True))
        assert doubts(house.stock.find(id_), settings) == []
        monkeypatch.setenv("LLM_STUDIO_IMAGE", IMAGE)
        assert "LLM_STUDIO_IMAGE" in doubts(house.stock.find(id_), load_settings())[0]

    def test_the_first_image_and_one_in_place_of_a_lost_one_come_into_use(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stock, "DEFAULT", "llm-studio/nowhere:1")
        first = house.pull("a", b"1")
        assert house.shelf.read().in_use == first
        second = house.pull("b", b"2")
        assert house.shelf.read().in_use == first
        subprocess.run(["docker", "rmi", first], check=True, capture_output=True)
        third = house.pull("c", b"3")
        assert (house.shelf.read().in_use, house.stock.find(second).state) == (third, "here")
