"""Whatever stands in a foreign file: no crash, sound profiles, and no line forgotten."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_studio.errors import StudioError
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.profiles.catalogue import PROFILE_ID, Catalogue
from llm_studio.profiles.imports import read_foreign
from llm_studio.profiles.imports.draft import Draft
from llm_studio.profiles.save import check, compose

NOTHING = Library([], Headers(Path("/nowhere/at/all")))


def read(folder: Path, content: bytes) -> list[Draft]:
    path = folder / "foreign.ini"
    path.write_bytes(content)
    try:
        return read_foreign(path, NOTHING)
    except StudioError:
        return []


def assert_sound(drafts: list[Draft]) -> None:
    ids = [draft.id.lower() for draft in drafts]
    assert len(set(ids)) == len(ids)
    catalogue = Catalogue([])
    for draft in drafts:
        assert PROFILE_ID.fullmatch(draft.id)
        text = compose(draft.values)
        if draft.values.get("extends"):
            text = text.replace(f'extends = "{draft.values["extends"]}"\n', "")
        assert check(draft.id, Path("x.toml"), text, catalogue).problems == (), text


_TEXT = st.text(st.characters(exclude_characters="\0"), max_size=30)
_KEYS = st.sampled_from(
    ["MODEL", "NAME", "DESCRIPTION", "SPEED", "CTX_SIZE", "N_GPU_LAYERS", "FIT", "FIT_TARGET",
     "EXTRA_ARGS", "OTHER", "model", "c", "ctx-size", "ngl", "fit", "jinja", "mmap", "nkvo",
     "temp", "metrics", "warmup", "api-key", "tags", "alias", "hf-repo", "mmproj", "lora",
     "tensor-split", "sleep-idle-seconds", "LLAMA_ARG_N_PARALLEL", "chat-template-kwargs",
     "override-tensor", "load-on-startup", "brand-new", "HF_TOKEN", "version"]
)  # fmt: skip
_VALUES = st.one_of(
    _TEXT,
    st.sampled_from(
        ["on", "off", "true", "false", "1", "0", "-1", "99", "auto", "all", "128,1024", "²", ".5",
         "1e999", "9" * 5000, '{"a": 1}', "/a/b/c.gguf", "../x", "-ngl 99 --temp .7", "'open",
         "-c 1 --ctx-size 2", "--host 0.0.0.0 --metrics", "org/repo:Q4", '"quoted"', "--"]
    ),
)  # fmt: skip
_LINES = st.one_of(
    st.tuples(_KEYS, _VALUES).map(" = ".join),
    st.tuples(_KEYS, _VALUES).map("=".join),
    st.sampled_from(["[a]", "[A]", "[bench-a]", "[*]", "[org/repo:Q8_0]", "[]", "# note", "words"]),
    _TEXT.map("[{}]".format),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=400), _TEXT.map(lambda text: f"[a]\n{text}".encode("utf-8", "replace"))
    )
)
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    assert_sound(read(tmp_path, content))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_LINES, max_size=10))
def test_any_lines(tmp_path: Path, lines: list[str]) -> None:
    text = "\n".join(["[first]", *lines])
    assert_sound(read(tmp_path, text.encode("utf-8", "replace")))


# What each line becomes where it is understood; on any other account it must be in a note.
_BECOMES = {
    "CTX_SIZE": "server.context", "N_GPU_LAYERS": "server.gpu_layers", "NAME": "name",
    "FIT": "server.fit", "FIT_TARGET": "server.fit_target", "DESCRIPTION": "summary",
    "MODEL": "model.file", "model": "model.file", "c": "server.context",
    "ctx-size": "server.context", "ngl": "server.gpu_layers", "fit": "server.fit",
    "jinja": "server.jinja", "mmap": "server.load_mode", "nkvo": "server.kv_offload",
    "temp": "sampling.temperature", "tags": "tags", "alias": "server.alias",
    "hf-repo": "model.repo", "mmproj": "model.mmproj", "tensor-split": "server.tensor_split",
    "sleep-idle-seconds": "server.idle_unload", "LLAMA_ARG_N_PARALLEL": "server.parallel",
    "chat-template-kwargs": "server.chat_template_kwargs",
    "override-tensor": "server.override_tensor", "lora": "server.args", "metrics": "server.args",
    "warmup": "server.args", "brand-new": "server.args",
}  # fmt: skip
_BY_DEFAULT = {("N_GPU_LAYERS", "auto"), ("FIT", "on"), ("FIT", "true"), ("FIT", "1"), ("FIT", "")}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(st.tuples(_KEYS.filter(lambda key: key != "EXTRA_ARGS"), _VALUES), max_size=6),
)
def test_no_line_is_forgotten(tmp_path: Path, wrapper: bool, pairs: list[tuple[str, str]]) -> None:
    pairs = [pair for pair in pairs if len(f"{pair[1]}.".splitlines()) < 2]  # lines of one line
    lines = [f"{key} = {value}" for key, value in pairs]
    keys = [key for key, _ in pairs]
    if wrapper:  # the format is known by a MODEL in capitals
        lines, keys = ["MODEL = first.gguf", *lines], ["MODEL", *keys]
    text = "\n".join(["[a]", *lines])
    drafts = read(tmp_path, text.encode("utf-8", "replace"))
    assert len(drafts) == 1
    draft = drafts[0]
    noted = {note.line for note in draft.notes}
    for number, (key, line) in enumerate(zip(keys, lines, strict=True), 2):
        value = line.partition(" = ")[2].strip()
        if number in noted or (key.upper(), value.lower()) in _BY_DEFAULT:
            continue
        target = _BECOMES.get(key) or _BECOMES.get(key.upper())
        assert target in draft.values, (line, draft)
        assert draft.lines.get(target, number) == number, (line, draft)
