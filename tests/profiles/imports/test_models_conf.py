"""models.conf of the Docker wrapper: everything comes along or is accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.profiles.planning import library_of

from llm_studio.errors import NotFound, StudioError
from llm_studio.models.library import Library
from llm_studio.profiles.catalogue import Catalogue
from llm_studio.profiles.imports import MAX_FILE, read_foreign
from llm_studio.profiles.imports.draft import Draft
from llm_studio.profiles.save import check, compose

REAL = r"""
# Production

[glm-flash-q4]
NAME=GLM-4.7 Flash Q4_K_M
DESCRIPTION=Fast tasks, reasoning
SPEED=~147 t/s
MODEL=GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M.gguf
CTX_SIZE=131072
N_GPU_LAYERS=auto
FIT=on
FIT_TARGET=128,1024
EXTRA_ARGS=--jinja -np 1 --temp 1.0 --top-p .95 --min-p .01 --split-mode none --main-gpu 0

# [retired]
# MODEL=old.gguf

[qwen3.5-9b]
NAME = "Qwen3.5 9B"
MODEL = Qwen3.5/Qwen3.5-9B-00001-of-00002.gguf
CTX_SIZE = 262144
EXTRA_ARGS = --no-context-shift --chat-template-kwargs '{"thinking": false, "n": 1}' --top-k 20

[bench-glm-flash-q4]
NAME=GLM-4.7 Flash Q4_K_M
MODEL=GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M.gguf
CTX_SIZE=10240
EXTRA_ARGS=--jinja -np 1 --reasoning-format none --split-mode none --main-gpu 0

[bench-orphan]
MODEL=Other/other.gguf
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    (tmp_path / "models").mkdir()
    return library_of(tmp_path / "models")


def read(tmp_path: Path, library: Library, text: str | bytes) -> dict[str, Draft]:
    path = tmp_path / "models.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {draft.id: draft for draft in read_foreign(path, library)}


def one(tmp_path: Path, library: Library, lines: str) -> Draft:
    drafts = read(tmp_path, library, f"[m]\nMODEL=a/m.gguf\n{lines}\n")
    assert list(drafts) == ["m"]
    return drafts["m"]


def lost(draft: Draft) -> list[tuple[int, str]]:
    return [(note.line, note.text) for note in draft.notes if note.lost]


def test_a_real_file(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, REAL)
    assert list(drafts) == ["glm-flash-q4", "qwen3.5-9b", "bench-orphan"]
    assert drafts["glm-flash-q4"].values == {
        "name": "GLM-4.7 Flash Q4_K_M",
        "summary": "Fast tasks, reasoning",
        "model.file": "GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M.gguf",
        "server.context": 131072,
        "server.fit_target": [128, 1024],
        "server.cache_type_k": "q8_0",
        "server.cache_type_v": "q8_0",
        "server.flash_attention": "on",
        "server.jinja": True,
        "server.parallel": 1,
        "server.split_mode": "none",
        "server.main_gpu": 0,
        "sampling.temperature": 1.0,
        "sampling.top_p": 0.95,
        "sampling.min_p": 0.01,
        "bench.context": 10240,
        "bench.temperature": 0.0,
        "bench.reasoning_format": "none",
    }
    assert (
        drafts["qwen3.5-9b"].values
        | {
            "name": "Qwen3.5 9B",
            "server.context": 262144,
            "server.context_shift": False,
            "server.chat_template_kwargs": {"thinking": False, "n": 1},
            "sampling.top_k": 20,
        }
        == drafts["qwen3.5-9b"].values
    )
    assert drafts["bench-orphan"].values["tags"] == ["bench"]
    assert lost(drafts["qwen3.5-9b"]) == []
    [(line, told)] = lost(drafts["glm-flash-q4"])
    assert line == 7
    assert "~147 t/s" in told
    for draft in drafts.values():
        text = compose(draft.values)
        assert check(draft.id, Path("x.toml"), text, Catalogue([])).problems == ()


@pytest.mark.parametrize(
    ("lines", "key", "value"),
    [
        ("", "server.context", 131072),
        ("", "name", "m"),
        ("CTX_SIZE=4096", "server.context", 4096),
        ("ctx_size = 4096", "server.context", 4096),
        ("N_GPU_LAYERS=99", "server.gpu_layers", 99),
        ("N_GPU_LAYERS=99", "server.fit_target", None),
        ("N_GPU_LAYERS=99\nFIT_TARGET=512", "server.fit_target", [512]),
        ("N_GPU_LAYERS=auto", "server.gpu_layers", None),
        ("FIT=off", "server.fit", False),
        ("FIT=OFF", "server.fit", False),
        ("FIT=on", "server.fit", None),
        ("FIT_TARGET=128, 1024", "server.fit_target", [128, 1024]),
        ("NAME='Quoted # name'", "name", "Quoted # name"),
        ("DESCRIPTION=a = b", "summary", "a = b"),
        ("DESCRIPTION=esc\x1b[31m", "summary", "esc␛[31m"),
        ('EXTRA_ARGS="--jinja -np 2"', "server.parallel", 2),
        ("EXTRA_ARGS=-c 8192", "server.context", 8192),
        # It comes last on the command line, wherever it stands in the file.
        ("EXTRA_ARGS=-c 8192\nCTX_SIZE=4096", "server.context", 8192),
        ("EXTRA_ARGS=--ctx_size 8192", "server.context", 8192),
        ("EXTRA_ARGS=-fa off", "server.flash_attention", "off"),
        ("EXTRA_ARGS=-fa --jinja", "server.flash_attention", "on"),
        ("EXTRA_ARGS=-ngl -1", "server.gpu_layers", "all"),
        ("EXTRA_ARGS=--threads -1", "server.threads", -1),
        ("EXTRA_ARGS=--no-mmap", "server.load_mode", "none"),
        ("EXTRA_ARGS=-nkvo", "server.kv_offload", False),
        ("EXTRA_ARGS=--fit disabled", "server.fit", False),
        ("EXTRA_ARGS=--temp 1e-1", "sampling.temperature", 0.1),
        ("EXTRA_ARGS=-ts 3,1.5", "server.tensor_split", [3, 1.5]),
        (r"EXTRA_ARGS=-ot 'blk\.1=CPU' -ot out=CUDA0", "server.override_tensor",
         [r"blk\.1=CPU", "out=CUDA0"]),
        ("EXTRA_ARGS=--prio 2 --no-warmup -v", "server.args", ["--prio", "2", "--no-warmup", "-v"]),
        ("EXTRA_ARGS=--json-schema '{\"a\": [1]}'", "server.args", ["--json-schema", '{"a": [1]}']),
        ("EXTRA_ARGS=--lora $(rm -rf /) `x` ; *", "server.args",
         ["--lora", "$(rm", "-rf", "/)", "`x`", ";", "*"]),
        ("EXTRA_ARGS=--mmproj /models/a/mmproj.gguf", "model.mmproj", "a/mmproj.gguf"),
        ("EXTRA_ARGS=-hf unsloth/X-GGUF:Q4", "model.repo", "unsloth/X-GGUF"),
    ],
)  # fmt: skip
def test_a_line_becomes_a_value(
    tmp_path: Path, library: Library, lines: str, key: str, value: Any
) -> None:
    assert one(tmp_path, library, lines).values.get(key) == value


@pytest.mark.parametrize(
    ("lines", "line", "told"),
    [
        ("SPEED=~33 t/s", 3, "~33 t/s"),
        ("COLOUR=blue", 3, "COLOUR is not known; its value was 'blue'."),
        ("CTX_SIZE=big", 3, "server.context = 'big' was left out"),
        ("CTX_SIZE=²", 3, "server.context = '²' was left out"),
        ("CTX_SIZE=" + "9" * 5000, 3, "was left out"),
        ("N_GPU_LAYERS=-5", 3, "was left out"),
        ("FIT=maybe", 3, "maybe"),
        ("FIT_TARGET=1,x", 3, "was left out"),
        ("CTX_SIZE=1\nCTX_SIZE=2", 3, "CTX_SIZE stands twice; line 4 counts."),
        ("EXTRA_ARGS=-np 1\nEXTRA_ARGS=-np 2", 3, "EXTRA_ARGS stands twice; line 4 counts."),
        ("CTX_SIZE=1\nEXTRA_ARGS=-c 2", 3, "server.context = 1 is overruled by line 4."),
        ("just words", 3, "not understood: just words"),
        ("=value", 3, "not understood: =value"),
        ("EXTRA_ARGS=--host 0.0.0.0", 3, "--host is left out"),
        ("EXTRA_ARGS=--cors_origins=*", 3, "--cors-origins is left out"),
        ("EXTRA_ARGS=-np", 3, "-np has no value."),
        ("EXTRA_ARGS=--fit perhaps", 3, "--fit perhaps was left out"),
        ("EXTRA_ARGS=--cache-type-k q3", 3, "--cache-type-k q3 was left out"),
        ("EXTRA_ARGS=--chat-template-kwargs {x", 3, "was left out"),
        ("NAME=" + "x" * 130, 3, "name was cut to 120"),
    ],
)
def test_what_does_not_come_along_is_told_with_its_line(
    tmp_path: Path, library: Library, lines: str, line: int, told: str
) -> None:
    found = lost(one(tmp_path, library, lines))
    assert [at for at, text in found if told in text] == [line], found


def test_of_two_lines_the_last_counts_alone(tmp_path: Path, library: Library) -> None:
    draft = one(tmp_path, library, "EXTRA_ARGS=--metrics -np 1\nEXTRA_ARGS=--props")
    assert draft.values["server.args"] == ["--props"]
    assert "server.parallel" not in draft.values


def test_an_unclosed_quote_is_split_at_spaces_and_told(tmp_path: Path, library: Library) -> None:
    draft = one(tmp_path, library, "EXTRA_ARGS=-np 2 --grammar 'root")
    assert draft.values["server.parallel"] == 2
    assert draft.values["server.args"] == ["--grammar", "'root"]
    assert [note.text for note in draft.notes] == ["a quote is not closed; it was split at spaces."]


def test_what_opens_the_engine_takes_nothing_else_with_it(tmp_path: Path, library: Library) -> None:
    draft = one(tmp_path, library, "EXTRA_ARGS=--agent --no-warmup --api-key secret --metrics")
    assert draft.values["server.args"] == ["--no-warmup", "--metrics"]
    assert "secret" not in str(draft.values) + str(draft.notes)


def test_sections_of_one_name_are_both_kept(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, "[a]\nMODEL=1.gguf\n[A]\nMODEL=2.gguf\n[a b]\nMODEL=3.gguf\n")
    assert {id_: d.values["model.file"] for id_, d in drafts.items()} == {
        "a": "1.gguf", "A-2": "2.gguf", "a-b": "3.gguf",
    }  # fmt: skip
    assert "[A] stands twice; this one became 'A-2'." in drafts["A-2"].notes[0].text
    assert "cannot be an id" in drafts["a-b"].notes[0].text


@pytest.mark.parametrize("name", ["x" * 200, "模型", "---", "../../etc", "a\x1b[31m", "[*]"])
def test_any_section_name_becomes_an_id(tmp_path: Path, library: Library, name: str) -> None:
    [draft] = read(tmp_path, library, f"[{name}]\nMODEL=1.gguf\n").values()
    assert check(draft.id, Path("x"), compose(draft.values), Catalogue([])).problems == ()
    assert draft.notes


def test_a_dotted_id_does_not_run_into_the_profile_before(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, "[a]\nMODEL=a.gguf\n[q3.5-9b]\nMODEL=q.gguf\nCTX_SIZE=1\n")
    assert drafts["a"].values["model.file"] == "a.gguf"
    assert drafts["q3.5-9b"].values["server.context"] == 1


def test_lines_before_any_section_are_kept(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, "MODEL=first.gguf\n[a]\nMODEL=a.gguf\n")
    assert drafts["models"].values["model.file"] == "first.gguf"
    drafts = read(tmp_path, library, "lonely\n[a]\nMODEL=a.gguf\n")
    assert "lonely" in str([draft.notes for draft in drafts.values()])


@pytest.mark.parametrize(
    ("bench", "kept"),
    [
        ("CTX_SIZE=10240", False),
        ("CTX_SIZE=10240\nEXTRA_ARGS=--reasoning-format none", False),
        ("CTX_SIZE=0", True),
        ("EXTRA_ARGS=-ngl 5", True),
        ("EXTRA_ARGS=--temp 0", True),
    ],
)
def test_a_benchmark_is_folded_in_only_where_nothing_is_lost(
    tmp_path: Path, library: Library, bench: str, kept: bool
) -> None:
    drafts = read(
        tmp_path, library, f"[m]\nMODEL=m.gguf\n[bench-m]\nNAME=Bench\nMODEL=m.gguf\n{bench}\n"
    )
    assert ("bench-m" in drafts) == kept
    owner = drafts["m"]
    assert any(key.startswith("bench.") for key in owner.values) == (not kept)
    if not kept:
        assert "[bench-m] became its table [bench]." in str(owner.notes)
        assert "Bench" in str(owner.notes)


def test_paths_from_elsewhere_are_told(tmp_path: Path, library: Library) -> None:
    [draft] = read(tmp_path, library, "[m]\nMODEL=/data/llm/Org/m.gguf\n").values()
    assert draft.values["model.file"] == "Org/m.gguf"
    assert "add /data/llm to the setting `models`" in draft.notes[0].text


@pytest.mark.parametrize("model", ["../../etc/passwd", "C:\\models\\m.gguf", "a/../b", ""])
def test_a_path_that_no_profile_may_hold(tmp_path: Path, library: Library, model: str) -> None:
    [draft] = read(tmp_path, library, f"[m]\nMODEL={model}\n").values()
    if "model.file" in draft.values:
        assert ".." not in draft.values["model.file"]
    assert draft.notes


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"MODEL=x\n", b"[m]\nMODEL=\0\n", b"x" * (MAX_FILE + 1)]
)
def test_a_file_without_profiles_says_so(tmp_path: Path, library: Library, content: bytes) -> None:
    with pytest.raises(StudioError):
        read(tmp_path, library, content)


def test_a_file_that_is_not_there(tmp_path: Path, library: Library) -> None:
    with pytest.raises(NotFound):
        read_foreign(tmp_path / "gone", library)
    with pytest.raises(StudioError, match="Cannot read"):
        read_foreign(tmp_path, library)


def test_windows_text_with_a_byte_order_mark(tmp_path: Path, library: Library) -> None:
    drafts = read(tmp_path, library, b"\xef\xbb\xbf[m]\r\nMODEL=m.gguf\r\nNOPE=1\r\n")
    assert drafts["m"].values["model.file"] == "m.gguf"
    assert lost(drafts["m"])[0][0] == 3
