"""What a profile may hold, and what the user is told where it holds something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.profiles.problem import Problem, line_of
from llm_studio.profiles.profile import SECTIONS, Profile
from llm_studio.profiles.server import duration, relative_path, seconds

NAME = 'name = "X"\n'


def problems(text: str) -> tuple[Problem, ...]:
    source = parse_source(Source("subject", Path("subject.toml"), False, text))
    return Catalogue([source]).get("subject").problems


def only_problem(text: str) -> Problem:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


VALID = {
    "model": """
file = "GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M-00001-of-00002.gguf"
repo = "unsloth/GLM-4.7-Flash-GGUF"
mmproj = "GLM-4.7-Flash/mmproj-F16.gguf"
draft = "GLM-4.7-Flash/draft.gguf"
draft_repo = "someone/Draft_1.0-GGUF"
""",
    "engine": """
kind = "process"
image = "ghcr.io/ggml-org/llama.cpp:server-cuda@sha256:0123"
gpus = [0, "GPU-3e1f"]
network = "open"
url = "https://127.0.0.1:9000/v1"
model = "some-model"
key_file = "/run/key"
""",
    "client": """
system_prompt = "Be brief.\\nReasoning: high"
reasoning_levels = ["low", "high"]
reasoning_level = "low"
reasoning_prompt = "Reasoning: {level}"
""",
    "bench": """
context = 10240
max_tokens = 4096
temperature = 0
system_prompt = ""
reasoning_level = "high"
reasoning_format = "none"
""",
}


@pytest.mark.parametrize("section", VALID)
def test_every_key_of_a_section_takes_what_its_documentation_says(section: str) -> None:
    text = f"{NAME}[{section}]\n{VALID[section]}"
    assert problems(text) == ()
    source = parse_source(Source("subject", Path("s.toml"), False, text))
    profile = Catalogue([source]).get("subject").require()
    set_here = getattr(profile, section).model_dump(exclude_none=True)
    assert set(set_here) == set(SECTIONS[section].model_fields)


@pytest.mark.parametrize("kind", ["process", "external"])
def test_only_containers_have_a_closed_network(kind: str) -> None:
    [problem] = problems(f'{NAME}[engine]\nkind = "{kind}"\nnetwork = "closed"\n')
    assert "needs a container" in str(problem)
    assert problems(f'{NAME}[engine]\nnetwork = "closed"\n') == ()


def test_every_key_is_documented() -> None:
    fields = [f for section in SECTIONS.values() for f in section.model_fields.items()]
    assert [
        name for name, field in fields if not (field.description or "").endswith((".", "…"))
    ] == []


@pytest.mark.parametrize(
    ("section", "key", "hint"),
    [
        ("server", "contxt", "Did you mean 'context'?"),
        ("server", '"-ngl"', "Did you mean 'gpu_layers'?"),
        ("server", "ngl", "Did you mean 'gpu_layers'?"),
        ("server", "n_gpu_layers", "Did you mean 'gpu_layers'?"),
        ("server", "ctx-size", "Did you mean 'context'?"),
        ("server", "ctx_size", "Did you mean 'context'?"),
        ("server", '"--flash-attn"', "Did you mean 'flash_attention'?"),
        ("server", "no_mmap", "Did you mean 'load_mode'?"),
        ("server", "CTX_SIZE", "Did you mean 'context'?"),
        ("server", "temp", "It belongs under [sampling], as 'temperature'."),
        ("server", "top_k", "It belongs under [sampling], as 'top_k'."),
        ("sampling", "context", "It belongs under [server], as 'context'."),
        ("sampling", "n_predict", "Did you mean 'max_tokens'?"),
        ("model", "gpus", "It belongs under [engine], as 'gpus'."),
        ("server", "zzzzz", "`llm-studio show --keys` lists all keys."),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(section: str, key: str, hint: str) -> None:
    problem = only_problem(f"{NAME}\n[{section}]\n{key} = 1\n")
    assert (problem.what, problem.hint, problem.line) == ("unknown key.", hint, 4)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("context", "It belongs under [server]."),
        ("temperature", "It belongs under [sampling]."),
        ("sumary", "Did you mean 'summary'?"),
        ("qqqqqq", ""),
    ],
)
def test_an_unknown_key_outside_any_section(key: str, hint: str) -> None:
    problem = only_problem(f"{NAME}{key} = 1\n")
    assert (problem.key, problem.line, problem.hint) == (key, 2, hint)


def test_an_unknown_section_gets_the_nearest_known_one() -> None:
    problem = only_problem(f"{NAME}[sever]\ncontext = 1\n")
    assert (problem.key, problem.line, problem.hint) == ("sever", 2, "Did you mean 'server'?")


@pytest.mark.parametrize(
    ("section", "assignment", "told"),
    [
        ("server", 'context = "131072"', "should be a valid integer or 'auto' (it is \"131072\")."),
        ("server", "context = 4096.0", "4096.0"),
        ("server", "context = -1", "greater than or equal to 0"),
        ("server", "parallel = true", "valid integer (it is true)"),
        ("server", 'fit = "on"', "valid boolean"),
        ("server", "fit = 1", "valid boolean"),
        ("server", "fit_target = 1024", "valid list"),
        ("server", "fit_target = []", "at least 1 item"),
        ("server", 'cache_type_k = "q8"', "'q8_0'"),
        ("server", "flash_attention = true", "'on', 'off' or 'auto'"),
        ("server", 'devices = ["CUDA0; rm"]', "device name"),
        ("server", 'args = "--no-warmup"', "valid list"),
        ("server", "args = [1]", "valid string"),
        ("server", "rope_scale = 0", "greater than 0"),
        ("server", "chat_template_kwargs = { a = [1] }", "should be"),
        ("sampling", "temperature = nan", "finite number"),
        ("sampling", "top_n_sigma = inf", "finite number"),
        ("sampling", "temperature = 9", "less than or equal to 5"),
        # llama-server refuses to start with these.
        ("sampling", "repeat_penalty = 0", "greater than 0"),
        ("sampling", "repeat_last_n = -1", "greater than or equal to 0"),
        ("sampling", "top_k = 1.5", "valid integer"),
        ("engine", 'kind = "podman"', "'docker'"),
        ("engine", 'gpus = "0"', "'all'"),
        ("engine", 'url = "ftp://x"', "http://"),
        ("engine", 'image = "-v/:/host"', "container image"),
        ("model", 'repo = "unsloth"', "expected a repository"),
        ("model", 'repo = "unsloth/../../api"', "expected a repository"),
        ("model", 'repo = "a/.."', "expected a repository"),
        ("model", 'repo = "a/b?x=1"', "expected a repository"),
        ("client", 'reasoning_levels = ["low"]\nreasoning_level = "high"', "not one of"),
        ("bench", "context = 0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_shown_with_what_would_be_right(
    section: str, assignment: str, told: str
) -> None:
    problem = only_problem(f"{NAME}[{section}]\n{assignment}\n")
    assert told in problem.what
    assert problem.key.startswith(section)
    assert problem.line in (2, 3)


@pytest.mark.parametrize("head", ["", 'name = ""', f'name = "{"x" * 121}"', 'name = "a\\u001b[2J"'])
def test_a_profile_needs_a_name_that_can_be_shown(head: str) -> None:
    assert only_problem(f"{head}\n").key == "name"


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "../secret.gguf", "a/../../b.gguf", "a/..", "./a.gguf", "a//b.gguf",
        "a/",
        "~/a.gguf", "~root/a.gguf", "a\\\\b.gguf", "C:/a.gguf", "c:a.gguf", "-m.gguf", "--host",
        "a\\u0000.gguf", "a\\n.gguf", "a\\u001b[31m.gguf", "a\\u202e.gguf", "a\\u0085.gguf",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "key", ["model.file", "model.mmproj", "server.slot_save_path", "server.chat_template_file"]
)
def test_no_path_leads_out_of_the_models_folders(path: str, key: str) -> None:
    section, name = key.split(".")
    assert only_problem(f'{NAME}[{section}]\n{name} = "{path}"\n').key == key


@pytest.mark.parametrize(
    "path", ["a.gguf", "a/b c/d.gguf", "..a/b..gguf", "модель.gguf", "qwen3:8b", "x/a:0.5", "a~/b"]
)
def test_ordinary_paths_are_taken(path: str) -> None:
    assert relative_path(path) == path


@given(st.text())
def test_an_accepted_path_stays_below_its_folder(text: str) -> None:
    try:
        accepted = relative_path(text)
    except ValueError:
        return
    root = Path("/models")
    inside = (root / accepted).as_posix()
    assert inside == f"/models/{accepted}"
    assert not accepted.startswith("-")
    assert ".." not in Path(inside).parts


@pytest.mark.parametrize(
    "argument",
    [
        "--host", "--port", "--api-key", "--api-key=secret", "--api_key", "--api_key_file=/x",
        "--api-key-file", "--cors-origins", "--cors_origins=*", "--ssl-key-file", "--tools",
        "--tools-runtime", "--agent", "-ag", "--mcp-servers-json", "--ui-mcp-proxy",
        "--webui_mcp_proxy", "-m", "--model", "--model=/etc/x", "--path", "--reuse-port",
    ],
)  # fmt: skip
def test_who_may_reach_the_engine_is_not_for_args_to_say(argument: str) -> None:
    problem = only_problem(f'{NAME}[server]\nargs = ["--no-warmup", "{argument}"]\n')
    assert problem.key == "server.args"
    assert "llm-studio sets" in problem.what


@pytest.mark.parametrize("key", ['args = ["a\\u0000b"]', 'chat_template = "a\\u0000b"'])
def test_what_becomes_an_argument_holds_no_nul(key: str) -> None:
    assert "NUL" in only_problem(f"{NAME}[server]\n{key}\n").what


def test_args_may_hold_line_breaks_and_anything_else() -> None:
    assert (
        problems(NAME + '[server]\nargs = ["--grammar", "root ::= \\"a\\"\\n", "$(x)", ""]') == ()
    )


def test_an_external_engine_needs_its_address() -> None:
    assert "url" in only_problem(f'{NAME}[engine]\nkind = "external"\n').what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("90s", 90), ("1h1m1s", 3661), ("0s", 0),
        ("never", None),
    ],
)  # fmt: skip
def test_durations(text: str, expected: int | None) -> None:
    assert seconds(duration(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "m", "1.5h", "-1m", "30m1h", "1 h", "٣m", "9" * 5000 + "s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration(text)


def test_values_are_not_shown_whole_nor_raw() -> None:
    long = "\\u001b[31m" + "x" * 5000
    told = str(only_problem(f'{NAME}[server]\ncontext = "{long}"\n'))
    assert "\x1b" not in told
    assert len(told) < 400


def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    text = 'name = ""\n\n[server]\nparallel = 0\nubatch = "x"\n[sampling]\ntop_p = 2\nfoo = 1\n'
    lines = {problem.key: problem.line for problem in problems(text)}
    assert lines == {
        "name": 1, "server.parallel": 4, "server.ubatch": 5, "sampling.top_p": 7, "sampling.foo": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a = 1\nb = 2", ("b",), 2),
        ("[server]\n# context = 1\ncontext = 2", ("server", "context"), 3),
        ("server.context = 2", ("server", "context"), 1),
        ("server = { context = 2 }", ("server", "context"), 1),
        ('[ server ] # here\n"context" = 2', ("server", "context"), 2),
        ("[server]\nx = 1", ("server", "missing"), 1),
        ("[sampling]\ncontext = 1\n[server]\ncontext = 2", ("server", "context"), 4),
        ("[[server]]\nx = 1", ("server",), 1),
        ("x = 1", ("gone",), None),
        ('[client]\nsystem_prompt = """\n[server]\ncontext = 1\n"""\n[server]\ncontext = 2',
         ("server", "context"), 7),
        ("[client]\nsystem_prompt = '''[server]\ncontext = 1'''\n[server]\ncontext = 2",
         ("server", "context"), 5),
        # TOML does not end a line at these.
        ("# \u2028 \x85\n[server]\ncontext = 2", ("server", "context"), 3),
        ("a = 1\r\n[server]\r\ncontext = 2\r\n", ("server", "context"), 3),
    ],
)  # fmt: skip
def test_the_line_of_a_key(text: str, key: tuple[str, ...], line: int | None) -> None:
    assert line_of(text, key) == line


def test_the_schema_tells_the_argument_of_each_key() -> None:
    schema = Profile.model_json_schema()
    server = schema["$defs"]["ServerSettings"]["properties"]
    assert server["context"]["x-llama-server"] == "--ctx-size"
    assert all(field.get("description") for field in server.values())
