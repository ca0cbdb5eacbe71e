"""Every key of a profile becomes the right words, and llama-server knows each of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.standins.engine_truth import IMAGE, require_engine

from llm_studio.engines.arguments import Argument, Files, server_arguments
from llm_studio.profiles.catalogue import Catalogue, Entry, Source, parse_source
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.imports.arguments import _PRESENT, _SHORT, _SWITCHES, _known, _word_for
from llm_studio.profiles.plan import split_scale
from llm_studio.profiles.profile import SECTIONS

HELP = Path(__file__).parents[1] / "data" / "llama-server-help-11669.txt"

# key: (a documented value as TOML, what llama-server is told)
WORDS: dict[str, tuple[str, str]] = {
    "server.alias": ('"fast,small"', "--alias fast,small"),
    "server.context": ("131072", "--ctx-size 131072"),
    "server.parallel": ("2", "--parallel 2"),
    "server.kv_unified": ("false", "--no-kv-unified"),
    "server.batch": ("1024", "--batch-size 1024"),
    "server.ubatch": ("256", "--ubatch-size 256"),
    "server.context_shift": ("true", "--context-shift"),
    "server.cache_ram": ("-1", "--cache-ram -1"),
    "server.cache_reuse": ("256", "--cache-reuse 256"),
    "server.slot_save_path": ('"slots"', "--slot-save-path /state/slots"),
    "server.idle_unload": ('"1h30m"', ""),
    "server.gpu_layers": ('"all"', "--gpu-layers all"),
    "server.fit": ("false", "--fit off"),
    "server.fit_target": ("[128, 1024]", "--fit-target 128,1024"),
    "server.fit_context": ("8192", "--fit-ctx 8192"),
    "server.split_mode": ('"none"', "--split-mode none"),
    "server.tensor_split": ("[3, 1.5]", "--tensor-split 3,1.5"),
    "server.main_gpu": ("1", "--main-gpu 1"),
    "server.devices": ('["none"]', "--device none"),
    "server.cpu_moe": ("true", "--cpu-moe"),
    "server.n_cpu_moe": ("12", "--n-cpu-moe 12"),
    "server.override_tensor": (
        r'["blk\\.1\\..*exps=CPU", "output=CPU"]',
        r"--override-tensor blk\.1\..*exps=CPU,output=CPU",
    ),
    "server.kv_offload": ("false", "--no-kv-offload"),
    "server.op_offload": ("true", "--op-offload"),
    "server.load_mode": ('"mmap+mlock"', "--load-mode mmap+mlock"),
    "server.numa": ('"distribute"', "--numa distribute"),
    "server.threads": ("-1", "--threads -1"),
    "server.threads_batch": ("16", "--threads-batch 16"),
    "server.flash_attention": ('"on"', "--flash-attn on"),
    "server.cache_type_k": ('"q8_0"', "--cache-type-k q8_0"),
    "server.cache_type_v": ('"q5_1"', "--cache-type-v q5_1"),
    "server.swa_full": ("true", "--swa-full"),
    "server.draft_max": ("8", "--spec-draft-n-max 8"),
    "server.draft_min": ("1", "--spec-draft-n-min 1"),
    "server.draft_p_min": ("0.75", "--spec-draft-p-min 0.75"),
    "server.draft_gpu_layers": ('"auto"', "--spec-draft-ngl auto"),
    "server.draft_cache_type_k": ('"q8_0"', "--spec-draft-type-k q8_0"),
    "server.draft_cache_type_v": ('"q4_0"', "--spec-draft-type-v q4_0"),
    "server.speculation": ('["ngram-simple", "ngram-mod"]', "--spec-type ngram-simple,ngram-mod"),
    "server.lora": (
        '["style.gguf", "other.gguf", "tone.gguf:0.5"]',
        "--lora /models/style.gguf,/models/other.gguf --lora-scaled /models/tone.gguf:0.5",
    ),
    "server.mmproj_offload": ("false", "--no-mmproj-offload"),
    "server.image_max_tokens": ("1024", "--image-max-tokens 1024"),
    "server.jinja": ("true", "--jinja"),
    "server.chat_template": ('"chatml"', "--chat-template chatml"),
    "server.chat_template_file": ('"chat.jinja"', "--chat-template-file /models/chat.jinja"),
    "server.chat_template_kwargs": (
        '{ enable_thinking = false, mode = "é", depth = 2 }',
        '--chat-template-kwargs {"enable_thinking":false,"mode":"é","depth":2}',
    ),
    "server.reasoning": ('"off"', "--reasoning off"),
    "server.reasoning_format": ('"deepseek"', "--reasoning-format deepseek"),
    "server.reasoning_effort": ('"high"', "--reasoning-effort high"),
    "server.reasoning_budget": ("0", "--reasoning-budget 0"),
    "server.rope_scaling": ('"yarn"', "--rope-scaling yarn"),
    "server.rope_scale": ("4", "--rope-scale 4"),
    "server.rope_freq_base": ("1e6", "--rope-freq-base 1000000"),
    "server.rope_freq_scale": ("0.5", "--rope-freq-scale 0.5"),
    "server.yarn_orig_ctx": ("32768", "--yarn-orig-ctx 32768"),
    "server.yarn_ext_factor": ("1.0", "--yarn-ext-factor 1"),
    "server.yarn_attn_factor": ("1.0", "--yarn-attn-factor 1"),
    "server.yarn_beta_slow": ("1.0", "--yarn-beta-slow 1"),
    "server.yarn_beta_fast": ("32.0", "--yarn-beta-fast 32"),
    "server.embeddings": ("true", "--embeddings"),
    "server.reranking": ("true", "--reranking"),
    "server.pooling": ('"last"', "--pooling last"),
    "server.args": ('["--no-warmup", "--prio", "2"]', "--no-warmup --prio 2"),
    "sampling.temperature": ("0.7", "--temperature 0.7"),
    "sampling.top_k": ("20", "--top-k 20"),
    "sampling.top_p": ("0.95", "--top-p 0.95"),
    "sampling.min_p": ("0.01", "--min-p 0.01"),
    "sampling.typical_p": ("1.0", "--typical-p 1"),
    "sampling.top_n_sigma": ("-1.0", "--top-n-sigma -1"),
    "sampling.repeat_penalty": ("1.05", "--repeat-penalty 1.05"),
    "sampling.repeat_last_n": ("256", "--repeat-last-n 256"),
    "sampling.presence_penalty": ("1.5", "--presence-penalty 1.5"),
    "sampling.frequency_penalty": ("-0.5", "--frequency-penalty -0.5"),
    "sampling.dry_multiplier": ("0.8", "--dry-multiplier 0.8"),
    "sampling.dry_base": ("1.75", "--dry-base 1.75"),
    "sampling.dry_allowed_length": ("2", "--dry-allowed-length 2"),
    "sampling.xtc_probability": ("0.5", "--xtc-probability 0.5"),
    "sampling.xtc_threshold": ("0.1", "--xtc-threshold 0.1"),
    "sampling.dynatemp_range": ("0.3", "--dynatemp-range 0.3"),
    "sampling.mirostat": ("2", "--mirostat 2"),
    "sampling.mirostat_lr": ("0.1", "--mirostat-lr 0.1"),
    "sampling.mirostat_ent": ("5.0", "--mirostat-ent 5"),
    "sampling.samplers": ('["top_k", "temperature"]', "--samplers top_k;temperature"),
    "sampling.seed": ("42", "--seed 42"),
    "sampling.max_tokens": ("-1", "--predict -1"),
}
FILES = Files(
    Path("/models/m.gguf"),
    mmproj=Path("/models/mmproj.gguf"),
    draft=Path("/models/draft.gguf"),
)


def entry_of(text: str, id_: str = "subject") -> Entry:
    source = parse_source(Source(id_, Path(f"{id_}.toml"), False, f'name = "X"\n{text}'))
    return Catalogue([source]).get(id_)


def arguments_for(key: str, value: str) -> list[Argument]:
    section, _, name = key.partition(".")
    entry = entry_of(f"[{section}]\n{name} = {value}\n")
    server = entry.require().server
    files = Files(
        Path("/models/m.gguf"),
        lora=tuple(
            (Path("/models", path), scale) for path, scale in map(split_scale, server.lora or [])
        ),
        chat_template=Path("/models", server.chat_template_file)
        if server.chat_template_file
        else None,
        slots=Path("/state", server.slot_save_path) if server.slot_save_path else None,
    )
    return server_arguments(entry, files)


def known_to_llama_server() -> set[str]:
    """Every argument in the recorded help."""
    known = set()
    for line in HELP.read_text().splitlines():
        if line.startswith("-"):
            known |= set(
                re.findall(r"(?:(?<=^)|(?<=, )|(?<=,  )|(?<=,   )|(?<=,    ))-[\w.-]+", line)
            )
    return known


def test_no_key_is_without_expectation() -> None:
    every = {
        f"{name}.{key}" for name in ("server", "sampling") for key in SECTIONS[name].model_fields
    }
    assert set(WORDS) == every


@pytest.mark.parametrize("key", WORDS)
def test_a_key_becomes_its_words(key: str) -> None:
    value, expected = WORDS[key]
    of_key = [argument for argument in arguments_for(key, value) if argument.key == key]
    assert " ".join(word for argument in of_key for word in argument.words) == expected
    assert all(argument.origin == "profile" for argument in of_key)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("server.kv_unified", "true", ["--kv-unified"]),
        ("server.cpu_moe", "false", []),
        ("server.fit", "true", ["--fit", "on"]),
        ("server.context", '"auto"', []),
        ("server.context", "0", ["--ctx-size", "0"]),
        ("server.gpu_layers", '"auto"', []),
        ("server.gpu_layers", "0", ["--gpu-layers", "0"]),
        ("server.flash_attention", '"off"', ["--flash-attn", "off"]),
        ("sampling.temperature", "1e-05", ["--temperature", "1e-05"]),
    ],
)
def test_the_other_value_of_a_key(key: str, value: str, expected: list[str]) -> None:
    words = [w for a in arguments_for(key, value) if a.key == key for w in a.words]
    assert words == expected


def test_every_flag_and_every_other_spelling_exists_in_llama_server() -> None:
    known = known_to_llama_server()
    assert len(known) > 300
    wanted = set()
    for section in SECTIONS.values():
        for field in section.model_fields.values():
            flag = flag_of(field)
            if flag and flag.name.startswith("-"):
                spellings = {flag.name, flag.negative, *flag.renamed_from}
                wanted |= {each for each in spellings if each.startswith("-")}
    # Known to earlier builds, and so to the files and the memory of users.
    assert wanted - known == {"--mmap", "--mlock", "--no-mmap"}
    files = server_arguments(entry_of(""), FILES)
    assert {"--model", "--mmproj", "--spec-draft-model"} <= {a.words[0] for a in files}
    assert {a.words[0] for a in files} <= known


def test_every_spelling_of_a_flag_leads_to_its_key() -> None:
    known = _known()
    for line in HELP.read_text().splitlines():
        names = re.match(r"((?:-[\w.-]+,? *)+)", line)
        spellings = re.findall(r"-[\w.-]+", names[1]) if names else []
        keyed = {known[each].key for each in spellings if each in known}
        assert len(keyed) <= 1
        if keyed:
            # -no-kvu and the like are read by the import itself.
            others = {each for each in spellings if each not in known}
            assert others <= {"-no-kvu"}, line


def test_the_import_knows_which_arguments_of_llama_server_take_no_value() -> None:
    known = known_to_llama_server()
    for bare in _SWITCHES:
        assert {f"--{bare}", f"--no-{bare}"} <= known, bare
    for bare in _PRESENT:
        assert known & {f"--{bare}", f"-{bare}"}, bare
    assert {f"-{bare}" for bare in _SHORT} <= known


def test_every_environment_variable_of_llama_server_leads_to_its_argument() -> None:
    spellings: list[str] = []
    checked = 0
    for line in HELP.read_text().splitlines():
        if line.startswith("-"):
            spellings = re.findall(r"(?<![\w-])-[\w.-]+", line[:200])
        variable = re.search(r"\(env: (\w+)\)", line)
        if variable:
            assert _word_for(variable[1]) in spellings, line
            checked += 1
    assert checked > 100


def test_files_come_first_and_args_last() -> None:
    entry = entry_of('[server]\nparallel = 1\nargs = ["--ctx-size", "5"]\n[sampling]\nseed = 1\n')
    words = [argument.words for argument in server_arguments(entry, FILES)]
    assert words[0] == ("--model", "/models/m.gguf")
    assert words[-1] == ("--ctx-size", "5")


def test_the_planner_decides_what_the_profile_left_to_it() -> None:
    entry = entry_of('[server]\ncontext = "auto"\nparallel = 1\n')
    arguments = server_arguments(entry, FILES, {"context": 32768, "gpu_layers": 20})
    told = {argument.key: argument for argument in arguments}
    assert told["server.context"] == Argument(("--ctx-size", "32768"), "server.context", "fit")
    assert told["server.gpu_layers"].words == ("--gpu-layers", "20")
    assert told["server.parallel"].origin == "profile"


def test_the_alias_is_the_id_unless_the_profile_names_one() -> None:
    unnamed = [a for a in server_arguments(entry_of("", "glm"), FILES) if a.key == "server.alias"]
    assert unnamed == [Argument(("--alias", "glm"), "server.alias", "default")]


def test_an_inherited_value_says_from_whom() -> None:
    sources = [
        parse_source(Source("child", Path("c.toml"), False, 'name = "C"\nextends = "base"')),
        parse_source(Source("base", Path("b.toml"), True, 'name = "B"\n[server]\nparallel = 3')),
    ]
    entry = Catalogue(sources).get("child")
    origins = {a.key: a.origin for a in server_arguments(entry, FILES)}
    assert origins["server.parallel"] == "inherited from base"


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        ("a.gguf", ("a.gguf", "")),
        ("a.gguf:0.5", ("a.gguf", "0.5")),
        ("a.gguf:2", ("a.gguf", "2")),
        ("team:a.gguf", ("team:a.gguf", "")),
    ],
)
def test_the_scale_of_an_adapter(adapter: str, expected: tuple[str, str]) -> None:
    assert split_scale(adapter) == expected


@pytest.mark.engine
def test_a_real_llama_server_takes_every_value() -> None:
    """It reads its arguments in order and checks each before `--version` ends it."""
    require_engine()
    # Files must exist for these.
    words = [
        word
        for key, (value, _) in WORDS.items()
        if key not in ("server.chat_template_file", "server.slot_save_path")
        for argument in arguments_for(key, value)
        if argument.key == key
        for word in argument.words
    ]
    tried = subprocess.run(
        ["docker", "run", "--rm", "--network=none", IMAGE, *words, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert tried.returncode == 0, tried.stderr
    assert "error" not in tried.stderr
    assert "DEPRECATED" not in tried.stderr
