"""The demo model: the same file each time, readable by others, listed before it is written."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import llm_studio
from llm_studio.errors import StudioError
from llm_studio.models.demo import weights
from llm_studio.models.demo.file import FILE, header_to_be, write_demo
from llm_studio.models.demo.script import distance, script, template
from llm_studio.models.fit import Host
from llm_studio.models.gguf import read_header
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.models.memory import GiB, MiB
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.plan import Machine, Plan

WEIGHTS = "15a6eeec40b70c5af425ce8e22f69891e6bed4fe17ce7dd37b93f9433e221865"
"""Changes when the weights or the room of the script do, and never by itself."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / FILE
    write_demo(path)
    return path


def test_the_weights_are_always_the_same() -> None:
    digest = hashlib.sha256()
    for tensor in weights.tensors(distance()):
        digest.update(f"{tensor.name} {tensor.shape}".encode() + tensor.data())
    assert digest.hexdigest() == WEIGHTS


def test_another_process_writes_the_same_bytes(path: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from llm_studio.models.demo.file import write_demo;"
        "write_demo(Path(sys.argv[1]))"
    )
    source = str(Path(llm_studio.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": "7"}
    again = tmp_path / "again.gguf"
    subprocess.run([sys.executable, "-c", program, str(again)], env=environment, check=True)
    assert again.read_bytes() == path.read_bytes()


def test_it_is_small_and_others_read_it(path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(path)
    assert path.stat().st_size < 2 * MiB
    assert reader.get_field("general.name").contents() == "Demo (no real model)"
    assert reader.get_field("tokenizer.chat_template").contents() == template()
    assert reader.get_field("tokenizer.ggml.tokens").contents() == list(weights.TOKENS)
    shapes = {tensor.name: tuple(map(int, tensor.shape)) for tensor in reader.tensors}
    assert shapes == {tensor.name: tensor.shape for tensor in read_header(path).tensors}
    assert shapes["token_embd.weight"] == (weights.EMBEDDING, 259)


def test_its_header_is_known_before_it_is_written(path: Path) -> None:
    assert header_to_be() == (read_header(path), path.stat().st_size)


def test_it_is_listed_and_planned_without_being_written(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with Headers(tmp_path / "cache") as headers:
        library = Library.scan([models], headers, caches=False, environment={}, home=tmp_path)
        machine = Machine((), Host(8 * GiB, 6 * GiB))
        entry = Catalogue.load(tmp_path).get("demo")
        before = Plan(entry, machine, library)
        assert (before.state, list(library), models.exists()) == ("available", [], False)
        write_demo(models / FILE)
        library = Library.scan([models], headers, caches=False, environment={}, home=tmp_path)
        after = Plan(entry, machine, library)
    assert before.fit
    assert after.fit
    assert before.fit.estimate == after.fit.estimate
    assert before.fit.largest_context == after.fit.largest_context == 32768
    assert before.size == after.size == (models / FILE).stat().st_size
    assert before.model
    assert after.model
    assert before.model.path == after.model.path
    assert (before.model.to_be_written, after.model.to_be_written) == (True, False)


def test_without_a_models_folder_it_is_missing(tmp_path: Path) -> None:
    with Headers(tmp_path) as headers:
        plan = Plan(
            Catalogue.load(tmp_path).get("demo"), Machine((), Host(0, 0)), Library([], headers)
        )
    assert plan.state == "missing"


def test_a_file_as_it_should_be_is_left_alone_and_another_replaced(tmp_path: Path) -> None:
    path = tmp_path / "models" / FILE
    write_demo(path)
    written, whole = path.stat(), path.read_bytes()
    write_demo(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    path.write_bytes(whole[:-1])
    write_demo(path)
    assert path.read_bytes() == whole


def test_where_it_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("no folder")
    with pytest.raises(StudioError, match="Cannot write"):
        write_demo(tmp_path / "models" / FILE)


def test_all_that_is_said_has_room() -> None:
    said = script()
    tags, quoted = len("<think>\n\n</think>\n\n"), 500
    for topic in (said["other"], *said["topic"]):
        thought = topic["thought"] + said["tools"]["none"]
        spoken = tags + len(thought + topic["answer"] + said["signature"]) + len("\n\n ")
        assert spoken < said["room"], topic["thought"]
    assert tags + len(said["tools"]["told"] + said["signature"]) + quoted + 40 < said["room"]


def test_the_script_is_plain_and_its_words_can_be_found() -> None:
    said = script()
    assert template().replace("▁", "").replace("…", "").isascii()
    for topic in said["topic"]:
        for word in topic["words"]:
            assert word == word.lower()
            assert not set(word) & set("?!.,/-'\"(")
