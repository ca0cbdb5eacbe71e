"""One file over a link that breaks in every way: whole and right in the end, or told why not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.standins.fake_hub import FakeHub, fake_hub

from llm_studio.errors import NotFound, NotReady, StudioError
from llm_studio.models.hub import fetch as module
from llm_studio.models.hub.fetch import Fetch, Stopped, part_of, room_for
from llm_studio.models.hub.hub import Hub

REPO = "maker/model-GGUF"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(module, "CHUNK", 1000)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with fake_hub() as made:
        made.add(REPO, m__Q4_K_M=50_000)
        yield made


def fetch(hub: FakeHub, target: Path, **more: Any) -> Fetch:
    asked = Hub(hub.url)
    (file,) = asked.files(REPO)
    return Fetch(asked.address(REPO, file.path), file, target, repository=REPO, **more)


def data(hub: FakeHub) -> bytes:
    return hub.files[REPO]["m-Q4_K_M.gguf"]


def test_a_file_comes_and_progress_is_its_bytes(hub: FakeHub, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "m.gguf"
    came: list[int] = []
    fetch(hub, target, came=came.append).run()
    assert target.read_bytes() == data(hub)
    assert sum(came) == 50_000
    assert not part_of(target).exists()
    asked = len(hub.requests)
    fetch(hub, target, came=came.append).run()  # it is there: nothing is asked but the listing
    assert len(hub.requests) == asked + 1


@pytest.mark.parametrize(
    "faults",
    [
        ["cut:20000"], ["cut:0", "cut:1", "cut:30000"], ["status:500", "status:429"],
        ["cut:20000", "whole"], ["cut:20000", "status:503"],
    ],
)  # fmt: skip
def test_a_link_that_breaks_is_gone_on_with(
    hub: FakeHub, tmp_path: Path, faults: list[str]
) -> None:
    hub.faults, target = list(faults), tmp_path / "m.gguf"
    came: list[int] = []
    fetch(hub, target, came=came.append).run()
    assert target.read_bytes() == data(hub)
    assert sum(came) == 50_000


def test_the_next_try_begins_where_the_last_one_ended(hub: FakeHub, tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    part_of(target).write_bytes(data(hub)[:12_345])
    fetch(hub, target).run()
    assert target.read_bytes() == data(hub)
    assert hub.requests[-1][1] == "bytes=12345-"


@pytest.mark.parametrize("left", [b"x" * 100, b"x" * 60_000, b"x" * 50_000])
def test_what_is_left_of_something_else_ends_in_no_wrong_file(
    hub: FakeHub, tmp_path: Path, left: bytes
) -> None:
    target = tmp_path / "m.gguf"
    part_of(target).write_bytes(left)
    with contextlib.suppress(StudioError):  # damaged: told, and not kept
        fetch(hub, target).run()
    assert not target.exists() or target.read_bytes() == data(hub)
    fetch(hub, target).run()  # the next try is not misled by it
    assert target.read_bytes() == data(hub)


def test_a_damaged_file_is_not_kept(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults = ["damaged"]
    target = tmp_path / "m.gguf"
    with pytest.raises(StudioError, match="came damaged"):
        fetch(hub, target).run()
    assert list(tmp_path.glob("m.gguf*")) == []


def test_a_link_that_stays_broken_is_told_and_what_came_is_kept(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.faults = ["cut:7000", *["status:502"] * 9]
    target = tmp_path / "m.gguf"
    with pytest.raises(StudioError, match="does not come") as caught:
        fetch(hub, target).run()
    assert "502" in caught.value.why
    assert part_of(target).stat().st_size == 7000


def test_it_stops_in_the_midst_and_keeps_what_came(hub: FakeHub, tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    came: list[int] = []
    with pytest.raises(Stopped):
        fetch(hub, target, came=came.append, stopped=lambda: sum(came) >= 20_000).run()
    kept = part_of(target).read_bytes()
    assert kept == data(hub)[: len(kept)]
    assert kept


def test_terms_of_use_are_explained(hub: FakeHub, tmp_path: Path) -> None:
    hub.gated.add(REPO)
    with pytest.raises(NotReady, match="is gated") as caught:
        fetch(hub, tmp_path / "m.gguf").run()
    assert "hf auth login" in caught.value.hint
    fetch(hub, tmp_path / "m.gguf", token=hub.token).run()
    assert (tmp_path / "m.gguf").read_bytes() == data(hub)


def test_a_token_goes_to_the_hub_alone(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert Hub(hub.url).token == "hf_mine"


def test_what_is_not_there(hub: FakeHub) -> None:
    with pytest.raises(NotFound, match="no repository maker/none"):
        Hub(hub.url).files("maker/none")
    with pytest.raises(NotReady, match="cannot be reached") as caught:
        Hub("http://127.0.0.1:1").files(REPO)
    assert "HF_ENDPOINT" in caught.value.hint


def test_names_from_outside_stay_in_their_folder(hub: FakeHub) -> None:
    hub.files[REPO] |= {"../up.gguf": b"x", "a/../../b.gguf": b"x", "/etc/x.gguf": b"x"}
    assert [file.path for file in Hub(hub.url).files(REPO)] == ["m-Q4_K_M.gguf"]


def test_search(hub: FakeHub) -> None:
    assert Hub(hub.url).search("model", 5) == [(REPO, 7)]


def test_a_full_disk_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="too full"):
        room_for(tmp_path, 1 << 60)
    room_for(tmp_path, 1)
