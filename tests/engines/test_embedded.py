"""The embedded engine: a real server in a real child process, and its table of arguments."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.engines.embedded import UsageError, configure, help_text, main, version
from llm_studio.engines.embedded_options import AS_IT_IS, OPTIONS, UNSUPPORTED
from llm_studio.profiles.field import flag_of
from llm_studio.profiles.server import Sampling, ServerSettings

xllamacpp: Any = pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")

APP = Path(__file__).parents[2] / "app"
KEY = "xq7ZvWk3Jm9TbR2d"
DEADLINE = 10.0
TEMPLATE = (
    "{{ mood }}|{{ reasoning_effort }}|{{ enable_thinking }}|"
    "{% for message in messages %}{{ message.content }}{% endfor %}"
)


@dataclass
class Engine:
    """A running child, what it logged, and where it answers."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    address: str = ""

    def ask(self, path: str, body: Any = None, key: str | None = KEY) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.address}{path}")
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=DEADLINE) as reply:
                text = reply.read().decode()
                return reply.status, json.loads(text) if text.startswith(("{", "[")) else text
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "llm_studio.engines.embedded", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # llama-server would take these from the environment
        env={**os.environ, "PYTHONPATH": str(APP), "LLAMA_ARG_ALIAS": "x", "LLAMA_API_KEY": "x"},
    )


@contextmanager
def engine(*arguments: str) -> Iterator[Engine]:
    """Serve at any free port till the end of the block."""
    process = start("--port", "0", *arguments)
    running = Engine(process)
    listening = threading.Event()

    def read() -> None:
        assert process.stderr
        for line in process.stderr:
            running.log.append(line)
            if found := re.search(r"embedded engine: serving at (http://\S+)", line):
                running.address = found[1]
                listening.set()
        listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(DEADLINE), "".join(running.log)
        assert running.address, "".join(running.log)
        assert running.ask("/health", key=None) == (200, {"status": "ok"})
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stderr
        process.stderr.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its heads are as wide as a quantised cache wants."""
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny.gguf", embedding=128)


@pytest.fixture(scope="module")
def served(model: Path) -> Iterator[Engine]:
    """One engine for all tests that only ask."""
    keys = model.with_name("keys")
    keys.write_text(f"# the studio's\n{KEY}\n")
    template = model.with_name("chat.jinja")
    template.write_text(TEMPLATE)
    with engine(
        *("--model", str(model), "--api-key-file", str(keys), "--verbosity", "5"),
        *("--alias", "small", "--ctx-size", "4096", "--parallel", "2", "--no-kv-unified"),
        *("--temperature", "0.25", "--top-k", "7", "--samplers", "top_k;temperature"),
        *("--seed", "42", "--predict", "12", "--repeat-last-n", "128", "--metrics", "--no-webui"),
        *("--cors-origins", "localhost", "--chat-template-file", str(template)),
        *("--chat-template-kwargs", '{"mood": "gär \\"so\\""}', "--reasoning", "off"),
        *("--reasoning-effort", "low", "--cache-type-k", "q8_0", "--flash-attn", "on"),
        *("--spec-draft-model", str(model), "--spec-type", "draft-simple", "--threads", "2"),
    ) as running:
        yield running


def test_it_answers_in_both_dialects(served: Engine) -> None:
    asked = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    status, reply = served.ask("/v1/chat/completions", asked)
    assert status == 200
    assert reply["model"] == "small"
    assert reply["choices"][0]["message"]["content"]
    assert reply["usage"]["completion_tokens"] == 8
    status, reply = served.ask("/v1/messages", asked)
    assert (status, reply["type"], reply["role"]) == (200, "message", "assistant")
    assert reply["content"][0]["text"]


@pytest.mark.parametrize("key", [None, "wrong", KEY[:-1]])
def test_without_the_key_it_answers_nothing(served: Engine, key: str | None) -> None:
    for path in ("/props", "/slots", "/metrics"):
        assert served.ask(path, key=key)[0] == 401
    assert served.ask("/v1/chat/completions", {"messages": []}, key)[0] == 401


def test_settings_have_effect(served: Engine) -> None:
    props = served.ask("/props")[1]
    params = props["default_generation_settings"]["params"]
    assert (props["total_slots"], props["model_alias"]) == (2, "small")
    assert props["default_generation_settings"]["n_ctx"] == 2048
    assert (params["temperature"], params["top_k"], params["seed"]) == (0.25, 7, 42)
    assert params["samplers"] == ["top_k", "temperature"]
    assert params["repeat_last_n"] == 128
    answer = served.ask("/completion", {"prompt": "Hello", "ignore_eos": True})[1]
    assert answer["tokens_predicted"] == 12
    slots = served.ask("/slots")[1]
    assert [(slot["n_ctx"], slot["speculative"]) for slot in slots] == [(2048, True)] * 2
    assert "llamacpp:prompt_tokens_total" in served.ask("/metrics")[1]
    assert served.ask("/")[0] == 404
    log = "".join(served.log)
    assert "K (q8_0)" in log
    assert "n_threads = 2 (n_threads_batch = 2)" in log


def test_template_values_arrive(served: Engine) -> None:
    asked = {"messages": [{"role": "user", "content": "Hello"}]}
    prompt = served.ask("/apply-template", asked)[1]["prompt"]
    assert prompt == 'gär "so"|low|False|Hello'


def test_no_part_of_a_key_is_logged(served: Engine) -> None:
    log = "".join(served.log)
    assert "keys loaded" in log
    assert KEY[-4:] not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_though_it_answers(tmp_path: Path, number: signal.Signals) -> None:
    heavy = write_tiny_llama(tmp_path / "m.gguf", embedding=256, feed_forward=512, blocks=4)
    with engine("--model", str(heavy), "--ctx-size", "16384") as running:
        asked = {"prompt": "x" * 9000, "stream": True, "ignore_eos": True, "return_progress": True}
        request = urllib.request.Request(
            f"{running.address}/completion",
            json.dumps(asked).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as reply:
            assert reply.readline().startswith(b"data: ")
            begun = time.monotonic()
            running.process.send_signal(number)
            assert running.process.wait(DEADLINE) == 0
            assert time.monotonic() - begun < 1


def test_a_signal_ends_it_while_it_loads(tmp_path: Path) -> None:
    wide = write_tiny_llama(tmp_path / "m.gguf", embedding=256, feed_forward=512, blocks=4)
    process = start("--port", "0", "--model", str(wide), "--ctx-size", "131072")
    assert process.stderr
    with process, process.stderr:
        while "loading model" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) in (-signal.SIGTERM, 0)


def outcome(*arguments: str) -> tuple[int, str]:
    process = start(*arguments)
    told = process.communicate(timeout=DEADLINE)[1]
    return process.returncode, told


def test_a_model_that_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but no more")
    code, told = outcome("--port", "0", "--model", str(broken))
    assert code == 1
    assert "error loading model" in told
    assert "error: the server did not start" in told
    code, told = outcome("--port", "0", "--model", str(tmp_path / "none.gguf"))
    assert code == 1
    assert "No such file" in told


def test_a_port_that_is_taken(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, told = outcome("--host", "127.0.0.1", "--port", str(port), "--model", str(model))
    assert code == 1
    assert f"couldn't bind HTTP server socket, hostname: 127.0.0.1, port: {port}" in told


def test_a_usage_error_is_code_2_and_starts_nothing(model: Path) -> None:
    code, told = outcome("--model", str(model), "--no-such-thing")
    assert (code, told) == (
        2,
        "error: --no-such-thing: the embedded engine has no such argument\n",
    )


# What every flag of our settings sets, and to what.
FLAGS: dict[str, dict[str, Any]] = {
    "--alias fast,small": {"model_alias": {"fast", "small"}},
    "--ctx-size 131072": {"n_ctx": 131072, "fit_params_min_ctx": 4096},
    "--ctx-size 0": {"n_ctx": 0, "fit_params_min_ctx": -1},
    "--parallel 3": {"n_parallel": 3},
    "--kv-unified": {"kv_unified": True},
    "--kv-unified --no-kv-unified": {"kv_unified": False},
    "--batch-size 1024": {"n_batch": 1024},
    "--ubatch-size 256": {"n_ubatch": 256},
    "--context-shift": {"ctx_shift": True},
    "--context-shift --no-context-shift": {"ctx_shift": False},
    "--cache-ram -1": {"cache_ram_mib": -1},
    "--cache-reuse 256": {"n_cache_reuse": 256},
    "--slot-save-path /tmp": {"slot_save_path": "/tmp/"},
    "--gpu-layers all": {"n_gpu_layers": -2},
    "--gpu-layers 0": {"n_gpu_layers": 0},
    "--gpu-layers 7 --gpu-layers auto": {"n_gpu_layers": -1},
    "--fit off": {"fit_params": False},
    "--fit-target 128": {"fit_params_target": [128 << 20] * 16},
    "--fit-target 128,512": {"fit_params_target": [128 << 20, 512 << 20, *[1024 << 20] * 14]},
    "--fit-ctx 8192": {"fit_params_min_ctx": 8192},
    "--split-mode tensor": {"split_mode": 3},
    "--tensor-split 3,1.5": {"tensor_split": [3, 1.5, *[0.0] * 126]},
    "--main-gpu 1": {"main_gpu": 1},
    "--device none": {"n_gpu_layers": 0, "no_kv_offload": True, "no_op_offload": True},
    "--cpu-moe": {"tensor_buft_overrides": r"\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"},
    "--override-tensor a=CPU --n-cpu-moe 2": {
        "tensor_buft_overrides": r"a=CPU,blk\.0\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU,"
        r"blk\.1\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    },
    r"--override-tensor blk\.1\..*exps=CPU,b=CPU": {
        "tensor_buft_overrides": r"blk\.1\..*exps=CPU,b=CPU"
    },
    "--no-kv-offload": {"no_kv_offload": True},
    "--no-kv-offload --kv-offload": {"no_kv_offload": False},
    "--no-op-offload": {"no_op_offload": True},
    "--no-op-offload --op-offload": {"no_op_offload": False},
    "--load-mode mmap+mlock": {"load_mode": 3},
    "--load-mode dio": {"load_mode": 4},
    "--numa isolate": {"numa": 2},
    "--threads 3": {"cpuparams.n_threads": 3},
    "--threads -1": {"cpuparams.n_threads": os.cpu_count()},
    "--threads-batch 5": {"cpuparams_batch.n_threads": 5},
    "--flash-attn on": {"flash_attn_type": 1},
    "--flash-attn off": {"flash_attn_type": 0},
    "--cache-type-k q8_0": {"cache_type_k": 8},
    "--cache-type-v iq4_nl": {"cache_type_v": 20},
    "--swa-full": {"swa_full": True},
    "--spec-draft-n-max 8": {"speculative.draft.n_max": 8},
    "--spec-draft-n-min 1": {"speculative.draft.n_min": 1},
    "--spec-draft-p-min 0.75": {"speculative.draft.p_min": 0.75},
    "--spec-draft-ngl all": {"speculative.draft.n_gpu_layers": -2},
    "--spec-draft-type-k q8_0": {"speculative.draft.cache_type_k": 8},
    "--spec-draft-type-v q4_0": {"speculative.draft.cache_type_v": 2},
    "--spec-type ngram-simple,ngram-mod": {"speculative.types": [6, 9]},
    "--no-mmproj-offload": {"mmproj_use_gpu": False},
    "--no-mmproj-offload --mmproj-offload": {"mmproj_use_gpu": True},
    "--image-max-tokens 1024": {"image_max_tokens": 1024},
    "--no-jinja": {"use_jinja": False},
    "--no-jinja --jinja": {"use_jinja": True},
    "--chat-template chatml": {"chat_template": "chatml"},
    f"--chat-template-file {APP}/llm_studio/py.typed": {"chat_template": ""},
    '--chat-template-kwargs {"a":false,"b":"é","c":2}': {
        "default_template_kwargs": {"a": "false", "b": '"é"', "c": "2"}
    },
    "--reasoning on": {
        "enable_reasoning": 1,
        "default_template_kwargs": {"enable_thinking": "true"},
    },
    "--reasoning auto": {"enable_reasoning": -1, "default_template_kwargs": {}},
    "--reasoning-format deepseek-legacy": {"reasoning_format": 2},
    "--reasoning-effort high": {"default_template_kwargs": {"reasoning_effort": '"high"'}},
    "--reasoning-budget 0": {"sampling.reasoning_budget_tokens": 0},
    "--rope-scaling yarn": {"rope_scaling_type": 2},
    "--rope-scale 4": {"rope_freq_scale": 0.25},
    "--rope-freq-base 1000000": {"rope_freq_base": 1e6},
    "--rope-freq-scale 0.5": {"rope_freq_scale": 0.5},
    "--yarn-orig-ctx 32768": {"yarn_orig_ctx": 32768},
    "--yarn-ext-factor 1": {"yarn_ext_factor": 1},
    "--yarn-attn-factor 1": {"yarn_attn_factor": 1},
    "--yarn-beta-slow 2": {"yarn_beta_slow": 2},
    "--yarn-beta-fast 32": {"yarn_beta_fast": 32},
    "--embeddings": {"embedding": True},
    "--reranking": {"embedding": True, "pooling_type": 4},
    "--pooling last": {"pooling_type": 3},
    "--temperature 0.5": {"sampling.temp": 0.5, "sampling.user_sampling_config": 64},
    "--top-k 20": {"sampling.top_k": 20, "sampling.user_sampling_config": 2},
    "--top-p 0.5 --min-p 0.25": {
        "sampling.top_p": 0.5,
        "sampling.min_p": 0.25,
        "sampling.user_sampling_config": 12,
    },
    "--typical-p 0.5": {"sampling.typ_p": 0.5},
    "--repeat-penalty 1.25": {"sampling.penalty_repeat": 1.25},
    "--repeat-last-n 256": {"sampling.penalty_last_n": 256, "sampling.n_prev": 256},
    "--presence-penalty 1.5": {"sampling.penalty_present": 1.5},
    "--frequency-penalty -0.5": {"sampling.penalty_freq": -0.5},
    "--dry-multiplier 0.5": {"sampling.dry_multiplier": 0.5},
    "--dry-base 1.5": {"sampling.dry_base": 1.5},
    "--dry-allowed-length 3": {"sampling.dry_allowed_length": 3},
    "--xtc-probability 0.5": {"sampling.xtc_probability": 0.5},
    "--xtc-threshold 0.25": {"sampling.xtc_threshold": 0.25},
    "--dynatemp-range 0.25": {"sampling.dynatemp_range": 0.25},
    "--mirostat 2": {"sampling.mirostat": 2},
    "--mirostat-lr 0.25": {"sampling.mirostat_eta": 0.25},
    "--mirostat-ent 4": {"sampling.mirostat_tau": 4},
    "--samplers top_k;temperature": {"sampling.samplers": "top_k;temperature"},
    "--seed -1": {"sampling.seed": 4294967295},
    "--predict 64": {"n_predict": 64},
    # What llm-studio gives besides the settings
    "--mmproj /m/p.gguf": {"mmproj.path": "/m/p.gguf"},
    "--spec-draft-model /m/d.gguf": {"speculative.draft.mparams.path": "/m/d.gguf"},
    "--host 127.0.0.1,::1": {"hostnames": ["127.0.0.1", "::1"]},
    "--port 18080": {"port": 18080},
    "--api-key one,two": {"api_keys": ["one", "two"]},
    "--cors-origins localhost": {"cors_origins": "localhost", "cors_origins_explicit": True},
    "--timeout 60": {"timeout_read": 60, "timeout_write": 60},
    "--threads-http 4": {"n_threads_http": 4},
    "--no-slots": {"endpoint_slots": False},
    "--props": {"endpoint_props": True},
    "--no-ui": {"ui": False},
    "--no-cache-prompt": {"cache_prompt": False},
    "--log_verbosity 4": {"verbosity": 4},
    "--no-warmup --prio 2": {"warmup": False, "cpuparams.priority": 2},
    "--top-n-sigma -1 --log-prefix --log-timestamps": {},
}


def configured(*words: str) -> Any:
    params = xllamacpp.CommonParams()
    configure(["--model", "/m/m.gguf", *words], params, xllamacpp)
    return params


@pytest.mark.parametrize("words", FLAGS)
def test_an_argument_sets_its_fields(words: str) -> None:
    params = configured(*words.split(" "))
    for path, expected in FLAGS[words].items():
        value = params
        for part in path.split("."):
            value = getattr(value, part)
        assert value == expected, path


def test_adapters_with_and_without_a_scale() -> None:
    params = configured("--lora", "/a.gguf,/b.gguf", "--lora-scaled", "/c:1.gguf:0.5")
    found = [(adapter.path, adapter.scale) for adapter in params.lora_adapters]
    assert found == [("/a.gguf", 1), ("/b.gguf", 1), ("/c:1.gguf", 0.5)]


def test_defaults_are_those_of_llama_server() -> None:
    params = configured()
    assert (params.n_parallel, params.hostnames, params.fit_params) == (-1, ["127.0.0.1"], True)


def test_no_flag_of_a_setting_is_forgotten() -> None:
    mapped = {name for option in OPTIONS for name in (*option.names, *option.negatives)}
    settings = [*ServerSettings.model_fields.values(), *Sampling.model_fields.values()]
    flags = {name for each in settings if (flag := flag_of(each)) for name in _names(flag)}
    flags |= {"--samplers", "--lora", "--lora-scaled"}
    assert flags <= mapped | set(UNSUPPORTED)
    tried = {word for words in FLAGS for word in words.split(" ") if word.startswith("--")}
    assert flags - set(UNSUPPORTED) <= tried | {"--lora", "--lora-scaled"}


def _names(flag: Any) -> set[str]:
    return {name for name in (flag.name, flag.negative) if name.startswith("--")}


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_the_wheel_cannot_express_is_said(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}: the wheel"):
        configured(name, "0.5")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--ctx-size many", "--ctx-size: expected a whole number"),
        ("--ctx-size 99999999999", "--ctx-size: .*too large"),
        ("--top-p", "--top-p: expected a value"),
        ("--parallel 0", "--parallel: expected -1 or at least 1"),
        ("--port 70000", "--port: expected a port"),
        ("--cache-type-k q9", "--cache-type-k: expected one of f32, f16"),
        ("--flash-attn maybe", "--flash-attn: expected one of on, off, auto"),
        ("--samplers top_k;nonsense", "--samplers: no such sampler"),
        ("--override-tensor a=NOWHERE", "--override-tensor: unknown buffer type"),
        ("--spec-type guess", "--spec-type: expected one of none, draft-simple"),
        ("--chat-template-kwargs [1]", "--chat-template-kwargs: expected a JSON object"),
        ("--chat-template-file /no/such/place", "--chat-template-file: .*No such file"),
        ("--slot-save-path /no/such/place", "--slot-save-path: not a folder"),
        ("--tensor-split 1,x", "--tensor-split: expected a number"),
        ("--rope-scale 0", "--rope-scale: "),
        ("--api-key-file /dev/null", "--api-key-file: the file holds no key"),
        ("--ctx-size=5", "--ctx-size=5: the embedded engine has no such argument"),
        ("--tools all", "--tools: the embedded engine has no such argument"),
    ],
)
def test_a_value_that_will_not_do(words: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"^{told}"):
        configured(*words.split(" "))


def test_the_model_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0"]) == 2
    assert capsys.readouterr().err == "error: --model: expected a model file\n"


def test_help_lists_every_argument_in_llama_servers_form(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == help_text() + "\n"
    listed = set()
    for line in help_text().splitlines():
        listed |= set(re.findall(r"(?:^|(?<=, )|(?<=,  )|(?<=,   )|(?<=,    ))-[\w.-]+", line))
    mapped = {name for option in OPTIONS for name in (*option.names, *option.negatives)}
    assert listed == mapped | {"-h", "--help", "--version"}
    assert not mapped & set(AS_IT_IS)


def test_version_names_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    told = capsys.readouterr().out.strip()
    assert told == version()
    assert re.fullmatch(r"version: \d+ \(xllamacpp [\d.]+\)", told)
