"""The INI presets of llama-server's router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Home
from tests.profiles.planning import library_of

from llm_studio.models.library import Library
from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.profiles.imports import read_foreign
from llm_studio.profiles.imports.draft import Draft
from llm_studio.profiles.save import compose

REAL = """
version = 1

[*]
c = 8192
n-gpu-layers = 99
LLAMA_ARG_CACHE_TYPE_K = q8_0
jinja = true
metrics = true
api-key = hunter2
host = 0.0.0.0

; one by its repository
[ggml-org/GLM-4.7-Flash-GGUF:Q4_K_M]
temp = 0.7
load-on-startup = true

[mine]
model = /srv/models/Org/mine.gguf
mmproj = /srv/models/Org/mmproj.gguf
no-mmap = true
np = 2
chat-template-kwargs = {"enable_thinking": false}
prio = 1
sleep-idle-seconds = 600
stop-timeout = 5
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "models").mkdir()
    return library_of(tmp_path / "models")


def read(tmp_path: Path, library: Library, text: str) -> dict[str, Draft]:
    path = tmp_path / "preset.ini"
    path.write_text(text)
    return {draft.id: draft for draft in read_foreign(path, library)}


def one(tmp_path: Path, library: Library, lines: str) -> Draft:
    return read(tmp_path, library, f"[m]\n{lines}\n")["m"]


def catalogue_of(drafts: dict[str, Draft]) -> Catalogue:
    texts = {draft.id: compose(draft.values) for draft in drafts.values()}
    return Catalogue(
        [parse_source(Source(i, Path(f"{i}.toml"), False, text)) for i, text in texts.items()]
    )


def test_a_real_file(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, REAL)
    repo_id = "ggml-org-GLM-4.7-Flash-GGUF-Q4_K_M"
    assert list(drafts) == ["preset-common", repo_id, "mine"]
    catalogue = catalogue_of(drafts)
    mine = catalogue.get("mine").require()
    assert mine.extends == "preset-common"
    assert mine.model.file == "Org/mine.gguf"
    assert mine.model.mmproj == "Org/mmproj.gguf"
    server = mine.server.model_dump(exclude_none=True)
    assert server == {
        "context": 8192, "gpu_layers": 99, "cache_type_k": "q8_0", "jinja": True,
        "load_mode": "none", "parallel": 2, "chat_template_kwargs": {"enable_thinking": False},
        "idle_unload": "600s", "args": ["--metrics", "--prio", "1"],
    }  # fmt: skip
    repo = catalogue.get(repo_id).require()
    assert repo.model.repo == "ggml-org/GLM-4.7-Flash-GGUF"
    assert (repo.sampling.temperature, repo.server.args) == (0.7, ["--metrics"])
    notes = {note.line: note for draft in drafts.values() for note in draft.notes}
    assert {10, 11, 16, 26} <= {line for line, note in notes.items() if note.lost}
    everything = str([draft.values for draft in drafts.values()]) + str(notes)
    assert "hunter2" not in everything


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("ctx-size = 4096", "server.context", 4096),
        ("--ctx-size = 4096", "server.context", 4096),
        ("ctx_size = 4096", "server.context", 4096),
        ("c = 4096", "server.context", 4096),
        ("LLAMA_ARG_CTX_SIZE = 4096", "server.context", 4096),
        ("LLAMA_ARG_N_PARALLEL = 3", "server.parallel", 3),
        ("LLAMA_ARG_THINK = none", "server.reasoning_format", "none"),
        ("LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K = q8_0", "server.draft_cache_type_k", "q8_0"),
        ("ngl = all", "server.gpu_layers", "all"),
        ("n-gpu-layers = auto", "server.gpu_layers", "auto"),
        ("flash-attn = 1", "server.flash_attention", "on"),
        ("fa = on", "server.flash_attention", "on"),
        ("jinja = false", "server.jinja", False),
        ("no-jinja = true", "server.jinja", False),
        ("no-context-shift = 1", "server.context_shift", False),
        ("cpu-moe = on", "server.cpu_moe", True),
        ("mmap = false", "server.load_mode", "none"),
        ("mlock = on", "server.load_mode", "mlock"),
        ("fit = off", "server.fit", False),
        ("fit-target = 128,1024", "server.fit_target", [128, 1024]),
        ("temp = .7", "sampling.temperature", 0.7),
        ("s = 42", "sampling.seed", 42),
        ("alias = a,b", "server.alias", "a,b"),
        ("tags = chat, fast,", "tags", ["chat", "fast"]),
        ('chat-template = "chatml"', "server.chat_template", "chatml"),
        ("sleep-idle-seconds = 0", "server.idle_unload", "never"),
        ("sleep-idle-seconds = -1", "server.idle_unload", "never"),
        ("hf = org/name-GGUF:Q8_0", "model.repo", "org/name-GGUF"),
        ("hf-repo = org/name-GGUF", "model.repo", "org/name-GGUF"),
        # What has no key of its own, in the form that llama-server takes.
        ("warmup = false", "server.args", ["--no-warmup"]),
        ("no-warmup = true", "server.args", ["--no-warmup"]),
        ("no-warmup = false", "server.args", ["--warmup"]),
        ("metrics = 1", "server.args", ["--metrics"]),
        ("LLAMA_ARG_ENDPOINT_METRICS = 1", "server.args", ["--metrics"]),
        ("prio = 1", "server.args", ["--prio", "1"]),
        ("log-colors = on", "server.args", ["--log-colors", "on"]),
        ("v = true", "server.args", ["-v"]),
        ("ctxcp = 8", "server.args", ["-ctxcp", "8"]),
        ("cb = true", "server.args", ["-cb"]),
        ("brand-new = x y", "server.args", ["--brand-new", "x y"]),
        ("brand-new-switch = true", "server.args", ["--brand-new-switch"]),
    ],
)
def test_a_line_becomes_a_value(
    tmp_path: Path, library: Library, line: str, key: str, value: Any
) -> None:
    draft = one(tmp_path, library, line)
    assert draft.values.get(key) == value, draft.notes
    if key == "server.args":
        assert "kept in `args`" in draft.notes[-1].text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("load-on-startup = true", "load-on-startup"),
        ("LLAMA_ARG_HOST = ::", "--host is left out"),
        ("port = 1", "--port is left out"),
        ("api-key-file = /x", "--api-key-file is left out"),
        ("ssl-key-file = /x", "--ssl-key-file is left out"),
        ("tools = all", "--tools is left out"),
        ("path = /srv", "--path is left out"),
        ("jinja = perhaps", "neither true nor false"),
        ("fit = perhaps", "was left out"),
        ("ctx-size = lots", "was left out"),
        ("tensor-split = 3/1", "was left out"),
        ("words alone", "not understood"),
        ("c = 1\nctx-size = 2", "server.context = 1 is overruled by line 3."),
        ("c = 1\nc = 2", "c stands twice; line 3 counts."),
    ],
)
def test_what_does_not_come_along_is_told(
    tmp_path: Path, library: Library, line: str, told: str
) -> None:
    notes = [
        (note.line, note.lost) for note in one(tmp_path, library, line).notes if told in note.text
    ]
    assert notes == [(2, True)]


@pytest.mark.parametrize(
    "line",
    ["api-key = hunter2", "LLAMA_API_KEY = hunter2", "hf-token = hunter2", "HF_TOKEN=hunter2"],
)
def test_no_secret_comes_along(tmp_path: Path, library: Library, line: str) -> None:
    draft = one(tmp_path, library, line)
    assert "hunter2" not in str(draft)
    assert draft.notes[0].lost


@pytest.mark.parametrize("line", ["metrics = false", "mlock = false", "no-mmap = off", "nkvo = 0"])
def test_what_changes_nothing_is_still_told(tmp_path: Path, library: Library, line: str) -> None:
    draft = one(tmp_path, library, line)
    assert set(draft.values) == {"name"}
    assert [(note.line, note.lost) for note in draft.notes] == [(2, False)]


def test_a_version_line_alone_needs_no_word(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, "version = 1\n[m]\nc = 1\n")
    assert list(drafts) == ["m"]
    assert drafts["m"].notes == []


def test_other_lines_before_any_section_are_told(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, "version = 1\nc = 5\nwords\n[m]\nc = 1\n")
    told = [note.text for draft in drafts.values() for note in draft.notes]
    assert any("c stands before any section" in text for text in told)
    assert any("words" in text for text in told)


def test_a_model_that_is_here_is_found(tmp_path: Path, home: Home) -> None:
    path = home.model("Org/mine.gguf")
    library = library_of(home.models)
    assert one(tmp_path, library, f"model = {path}").values["model.file"] == "Org/mine.gguf"
    assert (
        one(tmp_path, library, "model = /elsewhere/mine.gguf").values["model.file"]
        == "Org/mine.gguf"
    )
