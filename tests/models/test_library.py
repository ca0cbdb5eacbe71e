"""The library: every place that users keep models in, each model once, its parts together."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from tests.standins.gguf_writer import TensorSpec, write_gguf
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.errors import NotFound, StudioError
from llm_studio.models import headers as headers_module
from llm_studio.models.gguf import read_header
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library, ModelFile


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> bytes:
    path = tmp_path / "source.bin"
    write_tiny_llama(path)
    return path.read_bytes()


def put(path: Path, raw: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


def projector(path: Path) -> None:
    write_gguf(path, {"general.architecture": "clip"}, [TensorSpec("v.x", (32,))])


def scan(tmp_path: Path, *folders: Path, caches: bool = True, **environment: str) -> Library:
    cache = Headers(tmp_path / "cache")
    home = tmp_path / "user"
    return Library.scan(folders, cache, caches=caches, environment=environment, home=home)


def names(library: Library) -> list[str]:
    return [model.name for model in library]


def test_folders_are_searched_deeply_and_in_order(
    tmp_path: Path, models: Path, tiny: bytes
) -> None:
    other = tmp_path / "other"
    put(models / "a/b/deep.gguf", tiny)
    put(models / "flat.GGUF", tiny)
    put(models / ".hidden/no.gguf", tiny)
    put(models / "half.gguf.part", tiny)
    put(other / "second.gguf", tiny)
    assert names(scan(tmp_path, models, other)) == ["flat.GGUF", "a/b/deep.gguf", "second.gguf"]


def test_a_folder_that_links_to_itself_ends(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "m.gguf", tiny)
    (models / "loop").symlink_to(models)
    (models / "dangling.gguf").symlink_to(models / "nothing.gguf")
    assert names(scan(tmp_path, models)) == ["m.gguf"]


def test_a_missing_or_forbidden_folder_is_no_error(tmp_path: Path) -> None:
    assert names(scan(tmp_path, tmp_path / "gone")) == []


def test_shards_are_one_model(tmp_path: Path, models: Path) -> None:
    write_tiny_llama(models / "whole.gguf")
    parts = write_gguf(
        models / "split.gguf",
        {"general.architecture": "llama", "llama.block_count": 1},
        [TensorSpec(f"blk.0.t{number}", (32,)) for number in range(9)],
        shards=3,
    )
    model = scan(tmp_path, models).get("split-00001-of-00003.gguf")
    assert model.paths == tuple(parts)
    assert model.size == sum(path.stat().st_size for path in parts)
    assert len(model.require().tensors) == 9
    assert len(scan(tmp_path, models)) == 2


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_missing_shard_is_named(tmp_path: Path, models: Path, lost: int) -> None:
    parts = write_gguf(
        models / "m.gguf",
        {"general.architecture": "llama", "llama.block_count": 1},
        [TensorSpec(f"blk.0.t{number}", (32,)) for number in range(9)],
        shards=3,
    )
    parts[lost - 1].unlink()
    model = scan(tmp_path, models).get("m-00001-of-00003.gguf")
    assert model.missing == (lost,)
    assert not model.usable
    with pytest.raises(StudioError) as caught:
        model.require()
    assert caught.value.why == f"Shard {lost} of 3 is missing."


def test_absurd_shard_numbers_do_no_harm(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "m-00007-of-99999.gguf", tiny)
    put(models / "n-00000-of-00000.gguf", tiny)
    for model in scan(tmp_path, models):
        assert len(model.missing) < 10_000


def test_projectors_are_paired_and_not_models(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "vision/m.gguf", tiny)
    projector(models / "vision/mmproj-F16.gguf")
    library = scan(tmp_path, models)
    assert library.get("vision/m.gguf").projectors == (models / "vision/mmproj-F16.gguf",)
    assert library.get("vision/mmproj-F16.gguf").kind == "projector"


def test_links_and_hard_links_are_shown_once(tmp_path: Path, models: Path, tiny: bytes) -> None:
    original = put(models / "a.gguf", tiny)
    (models / "b.gguf").symlink_to(original)
    os.link(original, models / "c.gguf")
    (model,) = scan(tmp_path, models)
    assert model.name == "a.gguf"
    assert model.also == ("b.gguf", "c.gguf")
    assert scan(tmp_path, models).get("c.gguf").name == "a.gguf"


def hub(tmp_path: Path, repo: str, file: str, raw: bytes, digest: str, commit: str = "c1") -> Path:
    folder = tmp_path / "user/.cache/huggingface/hub" / f"models--{repo.replace('/', '--')}"
    blob = put(folder / "blobs" / digest, raw)
    link = folder / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return blob


def ollama(root: Path, name: str, tag: str, raw: bytes, digest: str) -> None:
    put(root / "blobs" / f"sha256-{digest}", raw)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}
    other = {"mediaType": "application/vnd.ollama.image.params", "digest": "sha256:" + "9" * 64}
    manifest = root / "manifests/registry.ollama.ai/library" / name / tag
    put(manifest, json.dumps({"layers": [other, layer]}).encode())


def test_the_caches_of_other_programs(tmp_path: Path, tiny: bytes) -> None:
    user = tmp_path / "user"
    hub(tmp_path, "unsloth/Tiny-GGUF", "Q4/Tiny-Q4.gguf", tiny, "a" * 64)
    put(user / ".cache/llama.cpp/ggml-org_tiny.gguf", tiny)
    put(user / ".lmstudio/models/someone/Tiny-GGUF/tiny.gguf", tiny)
    ollama(user / ".ollama/models", "tiny", "1b", tiny, "b" * 64)
    found = {(m.name, m.place, m.repo) for m in scan(tmp_path)}
    assert found == {
        ("unsloth/Tiny-GGUF/Q4/Tiny-Q4.gguf", "huggingface", "unsloth/Tiny-GGUF"),
        ("ggml-org_tiny.gguf", "llama.cpp", ""),
        ("someone/Tiny-GGUF/tiny.gguf", "lmstudio", "someone/Tiny-GGUF"),
        ("tiny:1b", "ollama", ""),
    }
    assert all(model.usable for model in scan(tmp_path))
    assert names(scan(tmp_path, caches=False)) == []


def test_environment_variables_move_the_caches(tmp_path: Path, tiny: bytes) -> None:
    put(tmp_path / "llama/x.gguf", tiny)
    folder = tmp_path / "hf/hub/models--o--n/snapshots/1"
    put(folder / "y.gguf", tiny)
    ollama(tmp_path / "oll", "z", "latest", tiny, "c" * 64)
    library = scan(
        tmp_path,
        LLAMA_CACHE=str(tmp_path / "llama"),
        HF_HOME=str(tmp_path / "hf"),
        OLLAMA_MODELS=str(tmp_path / "oll"),
    )
    assert sorted(names(library)) == ["o/n/y.gguf", "x.gguf", "z:latest"]


def test_the_same_content_in_two_caches_is_one_model(tmp_path: Path, tiny: bytes) -> None:
    hub(tmp_path, "o/n", "x.gguf", tiny, "d" * 64)
    ollama(tmp_path / "user/.ollama/models", "x", "latest", tiny, "d" * 64)
    (model,) = scan(tmp_path)
    assert model.also == ("x:latest",)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"layers": 3}',
        b'{"layers": [1, null, {"digest": 4}]}',
        b"\xff",
        b"[" * 99999,
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", '
        b'"digest": "sha256:../../x"}]}',
    ],
)
def test_hostile_manifests_are_passed_over(tmp_path: Path, manifest: bytes) -> None:
    put(tmp_path / "user/.ollama/models/manifests/r/library/x/latest", manifest)
    assert names(scan(tmp_path)) == []


def test_finding_what_a_profile_means(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "flat-Q4.gguf", tiny)
    hub(tmp_path, "o/n", "hub-Q4.gguf", tiny, "e" * 64)
    put(models / "x/twice.gguf", tiny)
    put(models / "y/twice.gguf", tiny)
    library = scan(tmp_path, models)

    def found(file: str, repo: str | None = None) -> str | None:
        model = library.find(file, repo)
        return model.name if model else None

    assert found("flat-Q4.gguf") == "flat-Q4.gguf"
    assert found("Some-Folder/flat-Q4.gguf") == "flat-Q4.gguf"
    assert found("Folder/hub-Q4.gguf", "o/n") == "o/n/hub-Q4.gguf"
    assert found("z/twice.gguf") is None  # which of the two, nobody can tell
    assert found("gone.gguf") is None


def test_an_unknown_name_suggests_a_near_one(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "Qwen3-8B.gguf", tiny)
    with pytest.raises(NotFound) as caught:
        scan(tmp_path, models).get("Qwen3-8b.guff")
    assert "Qwen3-8B.gguf" in caught.value.hint


def test_a_broken_file_hides_no_other(tmp_path: Path, models: Path, tiny: bytes) -> None:
    put(models / "bad.gguf", b"junk" * 20)
    put(models / "cut.gguf", tiny[: len(tiny) // 2])
    put(models / "good.gguf", tiny)
    by_name = {model.name: model for model in scan(tmp_path, models)}
    assert "does not begin with 'GGUF'" in by_name["bad.gguf"].problem
    assert "cut short" in by_name["cut.gguf"].problem
    assert by_name["good.gguf"].usable


class Counter:
    """Counts how often headers are really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = read_header

        def counted(path: Path) -> object:
            self.count += 1
            return real(path)

        monkeypatch.setattr(headers_module, "read_header", counted)


def read_all(tmp_path: Path, models: Path) -> list[ModelFile]:
    with Headers(tmp_path / "cache") as cache:
        return list(Library.scan([models], cache, caches=False, environment={}, home=tmp_path))


def test_headers_are_remembered_until_the_file_changes(
    tmp_path: Path, models: Path, tiny: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(monkeypatch)
    path = put(models / "m.gguf", tiny)
    first = read_all(tmp_path, models)
    again = read_all(tmp_path, models)
    assert counter.count == 1
    assert first == again
    os.utime(path, ns=(1, 1))
    read_all(tmp_path, models)
    assert counter.count == 2


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 99])
def test_a_broken_cache_is_made_anew(
    tmp_path: Path, models: Path, tiny: bytes, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(models / "m.gguf", tiny)
    put(tmp_path / "cache/headers.sqlite3", damage)
    assert read_all(tmp_path, models)[0].usable
    counter = Counter(monkeypatch)
    assert read_all(tmp_path, models)[0].usable
    assert counter.count == 0


def test_what_an_older_release_kept_is_read_anew(
    tmp_path: Path, models: Path, tiny: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(models / "m.gguf", tiny)
    read_all(tmp_path, models)
    database = sqlite3.connect(tmp_path / "cache/headers.sqlite3")
    database.execute("UPDATE headers SET header = '{}'")
    database.commit()
    database.close()
    assert read_all(tmp_path, models)[0].usable


def test_without_a_place_for_the_cache_it_works_all_the_same(
    tmp_path: Path, models: Path, tiny: bytes
) -> None:
    put(models / "m.gguf", tiny)
    put(tmp_path / "cache", b"a file where the folder should be")
    assert read_all(tmp_path, models)[0].usable
