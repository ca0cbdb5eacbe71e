"""Each rule speaks where a profile is in its trap, and is silent where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.profiles.planning import library_of, plan_of, write_model
from tests.standins.gguf_writer import TensorSpec, write_gguf

from llm_studio.profiles.lint import Finding, lint, named_field, shared_aliases

DENSE, EXPERTS, RECURRENT = "llama-3.1-8b-q4km", "qwen3-30b-a3b-q4km", "qwen3-next-80b-a3b-q4km"
ONE_SLOT = "[server]\nparallel = 1\ncontext = 8192\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for architecture in (DENSE, EXPERTS, RECURRENT):
        made[architecture] = tmp_path_factory.mktemp("models")
        write_model(made[architecture], architecture)
    return made


def findings(folder: Path, text: str, **machine: object) -> dict[str, Finding]:
    """What is found, by key, for a profile of the folder's model."""
    gpus, host = machine.get("gpus", (24,)), machine.get("host", 64)
    assert isinstance(gpus, tuple)
    assert isinstance(host, int)
    text = f'[model]\nfile = "m.gguf"\n{text}'
    return {f.key: f for f in lint(plan_of(text, library_of(folder), gpus=gpus, host=host))}


@pytest.mark.parametrize("architecture", [DENSE, EXPERTS])
def test_a_plain_profile_is_in_no_trap(folders: dict[str, Path], architecture: str) -> None:
    assert findings(folders[architecture], ONE_SLOT) == {}


# what is set, on which model, the finding's key and level, a word of it, and what is set instead
TRAPS = [
    (DENSE, "gpu_layers = 99", "server.gpu_layers", "warning", "fitting off",
     "gpu_layers = 'auto'"),
    (DENSE, "tensor_split = [3, 1]", "server.tensor_split", "warning", "fitting off",
     "tensor_split = [3, 1]\nfit = false"),
    (DENSE, "override_tensor = ['x=CPU']", "server.override_tensor", "warning", "fitting off",
     "override_tensor = ['x=CPU']\nfit = false"),
    (EXPERTS, "cpu_moe = true", "server.cpu_moe", "warning", "fitting off",
     "cpu_moe = true\nfit = false"),
    (EXPERTS, "n_cpu_moe = 4", "server.n_cpu_moe", "warning", "fitting off", "n_cpu_moe = 0"),
    (DENSE, "ubatch = 4096", "server.ubatch", "warning", "GPU memory", "ubatch = 512"),
    (DENSE, "cache_type_k = 'q8_0'\nsplit_mode = 'tensor'", "server.cache_type_k", "error",
     "split_mode", "cache_type_k = 'bf16'\nsplit_mode = 'tensor'"),
    (DENSE, "cache_type_k = 'q4_0'", "server.cache_type_k", "warning", "coarse",
     "cache_type_k = 'q8_0'"),
    (DENSE, "cache_type_v = 'iq4_nl'", "server.cache_type_v", "warning", "coarse",
     "cache_type_v = 'q5_1'"),
    (DENSE, "cache_type_v = 'q8_0'\nflash_attention = 'off'", "server.cache_type_v", "error",
     "flash attention", "cache_type_v = 'q8_0'\nflash_attention = 'auto'"),
    (DENSE, "cpu_moe = true\nfit = false", "server.cpu_moe", "warning", "no experts",
     "cpu_moe = false"),
    (RECURRENT, "context_shift = true", "server.context_shift", "warning", "recurrent",
     "context_shift = false"),
    (DENSE, "split_mode = 'row'", "server.split_mode", "warning", "deprecated",
     "split_mode = 'layer'"),
    (DENSE, "args = ['-ngl', '5']", "server.args", "warning", "server.gpu_layers",
     "args = ['--prio', '2']"),
    (DENSE, "args = ['--ctx_size=5']", "server.args", "warning", "server.context",
     "args = ['--metrics', 'ngl']"),
    (DENSE, "args = ['--temp', '0']", "server.args", "warning", "sampling.temperature", ""),
    (DENSE, "args = ['--no-mmap']", "server.args", "warning", "server.load_mode", ""),
]  # fmt: skip


@pytest.mark.parametrize(("architecture", "trap", "key", "level", "word", "better"), TRAPS)
def test_a_trap_and_the_way_round_it(
    folders: dict[str, Path],
    architecture: str,
    trap: str,
    key: str,
    level: str,
    word: str,
    better: str,
) -> None:
    folder = folders[architecture]
    found = findings(folder, ONE_SLOT + trap, gpus=(80,), host=256)
    assert found[key].level == level
    assert word in found[key].what + found[key].why
    assert key not in findings(folder, ONE_SLOT + better, gpus=(80,), host=256)


def test_the_cost_of_a_large_micro_batch_is_told_for_this_machine(
    folders: dict[str, Path],
) -> None:
    told = findings(folders[DENSE], ONE_SLOT + "ubatch = 4096")["server.ubatch"].why
    assert "MiB more on a GPU than with 512" in told
    assert (
        "MiB"
        not in findings(folders[DENSE], ONE_SLOT + "ubatch = 4096", gpus=())["server.ubatch"].why
    )


@pytest.mark.parametrize(
    ("server", "warned"),
    [
        ("context = 131072", False),
        ("context = 131073", True),
        ("context = 262144\nparallel = 2\nkv_unified = false", False),
        ("context = 262144\nparallel = 2\nkv_unified = true", True),
        ("context = 262144\nrope_scaling = 'yarn'", False),
        ("context = 'auto'", False),
        ("context = 0", False),
    ],
)
def test_a_context_beyond_training(folders: dict[str, Path], server: str, warned: bool) -> None:
    found = findings(folders[DENSE], f"[server]\n{server}", gpus=(80,), host=256)
    assert ("server.context" in found) == warned


def test_a_model_that_does_not_fit(folders: dict[str, Path]) -> None:
    assert (
        "does not fit" in findings(folders[EXPERTS], ONE_SLOT, gpus=(), host=8)["model.file"].what
    )


def test_slots_left_to_llama_server_cost_memory_where_state_is_per_slot(
    folders: dict[str, Path],
) -> None:
    unset = "[server]\ncontext = 8192\n"
    found = findings(folders[RECURRENT], unset, gpus=(80,))
    assert "parallel = 1 saves" in found["server.parallel"].why
    assert found["server.parallel"].level == "note"
    assert "server.parallel" not in findings(folders[RECURRENT], unset + "parallel = 4", gpus=(80,))


@pytest.mark.parametrize(
    ("repo", "told"), [('repo = "a/b"', "Get it from a/b."), ("", "Put it into a models folder.")]
)
def test_a_model_file_that_is_not_here(tmp_path: Path, repo: str, told: str) -> None:
    plan = plan_of(f'[model]\nfile = "gone.gguf"\n{repo}', library_of(tmp_path))
    [finding] = lint(plan)
    assert (finding.level, finding.why) == ("note", told)


def test_shards_that_are_missing(tmp_path: Path) -> None:
    write_model(tmp_path, DENSE, "m-00001-of-00003.gguf")
    plan = plan_of('[model]\nfile = "m-00001-of-00003.gguf"', library_of(tmp_path))
    [finding] = lint(plan)
    assert (finding.level, finding.what) == ("error", "Shards 2 and 3 of 3 are missing.")


def test_a_file_that_is_damaged_or_no_model(tmp_path: Path) -> None:
    (tmp_path / "junk.gguf").write_bytes(b"GGUF\x03junk")
    write_gguf(tmp_path / "mmproj.gguf", {"general.architecture": "clip"}, [])
    write_gguf(tmp_path / "lora.gguf", {"general.type": "adapter"}, [])
    write_gguf(tmp_path / "flux.gguf", {"general.architecture": "flux"}, [])
    library = library_of(tmp_path)
    for name, told in (
        ("junk.gguf", "cannot be loaded"),
        ("mmproj.gguf", "but a projector."),
        ("lora.gguf", "but an adapter."),
        ("flux.gguf", "but a file of another kind"),
    ):
        [finding] = lint(plan_of(f'[model]\nfile = "{name}"', library))
        assert finding.level == "error"
        assert told in finding.what + finding.why


def test_companions_that_are_not_here(folders: dict[str, Path]) -> None:
    text = '[model]\nfile = "m.gguf"\nmmproj = "mmproj.gguf"\ndraft = "d.gguf"\n' + ONE_SLOT
    found = {f.key for f in lint(plan_of(text, library_of(folders[DENSE])))}
    assert found == {"model.mmproj", "model.draft"}


@pytest.mark.parametrize(("vocabulary", "told"), [(128256, False), (128200, False), (32000, True)])
def test_a_draft_model_of_another_family(tmp_path: Path, vocabulary: int, told: bool) -> None:
    write_model(tmp_path, DENSE)
    write_model(tmp_path, DENSE, "d.gguf", {"llama.vocab_size": vocabulary})
    write_gguf(
        tmp_path / "d.gguf",
        {
            "general.architecture": "llama", "llama.block_count": 1, "llama.embedding_length": 64,
            "llama.attention.head_count": 4, "llama.vocab_size": vocabulary,
            "llama.context_length": 8192,
        },
        [TensorSpec("token_embd.weight", (64, vocabulary))],
    )  # fmt: skip
    text = '[model]\nfile = "m.gguf"\ndraft = "d.gguf"\n' + ONE_SLOT
    found = {f.key: f.level for f in lint(plan_of(text, library_of(tmp_path)))}
    assert found == ({"model.draft": "error"} if told else {})


@pytest.mark.parametrize(
    ("recommended", "set_here", "warned"),
    [
        ({"temp": 0.6}, "temperature = 0.7", False),
        ({"temp": 0.6}, "temperature = 1.0", True),
        ({"top_k": 20}, "top_k = 40", False),
        ({"top_k": 20}, "top_k = 100", True),
        ({"top_k": 20}, "top_k = 0", True),
        ({"top_p": 0.95}, "top_p = 0.8", True),
        ({"min_p": 0.0}, "min_p = 0.05", True),
        ({"temp": 0.6}, "", False),
        ({"temp": float("nan")}, "temperature = 1.0", False),
        ({"top_k": True}, "top_k = 40", False),
    ],
)
def test_samplers_far_from_those_that_the_file_recommends(
    tmp_path: Path, recommended: dict[str, float], set_here: str, warned: bool
) -> None:
    metadata = {f"general.sampling.{key}": value for key, value in recommended.items()}
    write_model(tmp_path, DENSE, metadata=metadata)
    found = findings(tmp_path, f"{ONE_SLOT}[sampling]\n{set_here}")
    assert bool([key for key in found if key.startswith("sampling")]) == warned


def test_a_gpu_that_is_not_there_is_an_error_not_a_crash(folders: dict[str, Path]) -> None:
    found = findings(folders[DENSE], "[engine]\ngpus = [3]\n")
    assert "There is no GPU 3" in found[""].what


def test_two_profiles_must_not_claim_one_name(tmp_path: Path) -> None:
    library = library_of(tmp_path)
    plans = [
        plan_of('model.file = "a.gguf"\n[server]\nalias = "fast, second"', library, id_="first"),
        plan_of('model.file = "b.gguf"\n[server]\nalias = "fast"', library, id_="second"),
        plan_of('[server]\nalias = "fast"', library, id_="template"),
        plan_of("", library, id_="third"),
        plan_of("nonsense", library, id_="broken"),
    ]
    found = [(id_, finding.what) for id_, finding in shared_aliases(plans)]
    assert found == [
        ("first", "'second' is already the name of the profile 'second'."),
        ("second", "'fast' is already the name of the profile 'first'."),
    ]


@pytest.mark.parametrize(
    ("word", "key"),
    [("-c", "server.context"), ("--no-jinja", "server.jinja"), ("--ctx_size", "server.context"),
     ("--top-k", "sampling.top_k"), ("context", None), ("--unheard-of", None), ("", None)],
)  # fmt: skip
def test_the_key_of_an_argument(word: str, key: str | None) -> None:
    assert named_field(word) == key
