"""Every cause that we tell is told from a line that an engine, Docker or a driver really wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_studio.engines.failure_rules import RULES
from llm_studio.engines.failures import Ended, explain, page
from llm_studio.text import has_controls

HERE = Path(__file__).parent
LOGS = HERE.parent / "data" / "logs"
PAGE = HERE.parent.parent / "docs" / "failures.md"


def log(name: str) -> list[str]:
    return (LOGS / f"fail-{name}.log").read_text().splitlines()


# Recorded logs of real engines: the file, what is told, and a part of why.
RECORDED = [
    ("nothere", "model-missing", "/models/nothere.gguf"),
    ("unreadable", "model-unreadable", "/models/v99.gguf"),
    ("missing-shard", "shard-missing", "split-00002-of-00003.gguf"),
    ("truncated", "model-truncated", "ends before"),
    ("short-header", "model-truncated", "ends before"),
    ("empty", "model-truncated", "ends before"),
    ("junk", "model-not-gguf", "first bytes"),
    ("jsonl-junk", "model-not-gguf", "first bytes"),
    ("xl-junk", "model-not-gguf", "first bytes"),
    ("v99", "model-too-new", "version"),
    ("unknown", "architecture-unknown", "zebra"),
    ("missing-tensor", "tensor-missing", "blk.1.ffn_up.weight"),
    ("badtpl", "template", "Unexpected token"),
    ("template", "template", "Unexpected token"),
    ("kv-flash", "cache-needs-flash", "flash"),
    ("kv-width", "cache-type", "heads"),
    ("lora", "lora", "/models/junk.gguf"),
    ("lora-missing", "lora", "/models/nolora.gguf"),
    ("mmproj", "projector", "/models/tiny.gguf"),
    ("mmproj-missing", "projector", "/models/nope.gguf"),
    ("draft-missing", "draft", "/models/nodraft.gguf"),
    ("bad-flag", "flag-unknown", "--no-such-flag"),
    ("xl-flag", "flag-unknown", "--no-such"),
    ("bad-value", "value-bad", "-c: stoi"),
    ("bad-choice", "value-bad", "q3_9"),
    ("bad-device", "value-bad", "CUDA7"),
    ("port-taken", "port-taken", "37967"),
    ("xl-port", "port-taken", "41409"),
    ("device-refuses", "gpu-memory", "RPC0"),
    ("device-tiny-kv", "gpu-memory", "16.0 MiB"),
    ("mmap", "host-memory", "refused"),
    ("alloc-kv", "host-memory", "refused"),
    ("rpc", "rpc-unreachable", "127.0.0.1:1"),
]


@pytest.mark.parametrize(("name", "cause", "why"), RECORDED, ids=[row[0] for row in RECORDED])
def test_a_recorded_end_is_explained(name: str, cause: str, why: str) -> None:
    failure = explain(Ended(134 if name == "rpc" else 1, lines=log(name)))
    assert failure.cause == cause
    assert why in failure.why
    assert "{" not in failure.why + failure.what
    assert failure.hint
    assert failure.evidence


# Lines of engines and machines that are not here, as their users reported them.
REPORTED = [
    ("ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9866.00 MiB on device 1: cudaMalloc "
     "failed: out of memory", "gpu-memory", "Device 1 has no room for 9866.00 MiB."),
    ("alloc_tensor_range: failed to allocate CUDA0 buffer of size 151851674624",
     "gpu-memory", "CUDA0 has no room for 144817.0 MiB."),
    ("ggml_gallocr_reserve_n: failed to allocate ROCm0 buffer of size 14822711296",
     "gpu-memory", "ROCm0 has no room for 14136.0 MiB."),
    ("ggml_vulkan: Device memory allocation of size 118497280 failed.",
     "gpu-memory", "The GPU has no room for 113.0 MiB."),
    ("ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory", "gpu-memory", "The GPU"),
    ("CUDA error: out of memory", "gpu-memory", "The GPU has no room for what it needs."),
    ("terminate called after throwing an instance of 'std::bad_alloc'", "host-memory", ""),
    ("ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA "
     "runtime version", "cuda-driver", ""),
    ("CUDA error: no kernel image is available for execution on the device", "gpu-unsupported", ""),
    ("CUDA error: an illegal memory access was encountered", "gpu-lost", ""),
    ("terminate called after throwing an instance of 'vk::DeviceLostError'", "gpu-lost", ""),
    ("llama_init_from_model: V cache quantization requires flash_attn", "cache-needs-flash", ""),
    ("failed to initialize the context: quantized V cache was requested, but this requires Flash "
     "Attention", "cache-needs-flash", ""),
    ("llama_model_load: error loading model: done_getting_tensors: wrong number of tensors; "
     "expected 149, got 147", "tensor-missing", "expected 149, got 147"),
    ("llama_model_load: error loading model: missing tensor 'token_embd.weight'",
     "tensor-missing", "token_embd.weight"),
    ("llama_model_load: error loading model: error loading model vocabulary: unknown pre-tokenizer "
     "type: 'zebra'", "architecture-unknown", "zebra"),
    ("clip_init: failed to load model 'mmproj.gguf': load_hparams: unknown projector type: x\n"
     "srv    load_model: failed to load multimodal model, 'mmproj.gguf'", "projector", "mmproj"),
    ("error: the embedded engine is not installed: No module named 'xllamacpp'",
     "embedded-missing", ""),
    ("error: the embedded engine cannot be loaded: libgomp.so.1: cannot open shared object file: "
     "No such file or directory", "library-missing", "needs libgomp.so.1"),
    ("llama-server: error while loading shared libraries: libcudart.so.12: cannot open shared "
     "object file: No such file or directory", "library-missing", "needs libcudart.so.12"),
    ("error: --device: the wheel has no field for it; only none will do",
     "flag-unknown", "--device"),
    ("error: --ctx-size: invalid literal", "value-bad", "--ctx-size: invalid literal"),
    ("write: No space left on device", "disk-full", ""),
    ("Illegal instruction (core dumped)", "cpu-unsupported", ""),
    ("Segmentation fault (core dumped)", "crashed", ""),
    ("/app/ggml/src/ggml.c:3333: GGML_ASSERT(tensor) failed", "aborted", ""),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "cause", "why"), REPORTED, ids=[row[0][:50] for row in REPORTED])
def test_a_reported_line_is_explained(lines: str, cause: str, why: str) -> None:
    failure = explain(Ended(1, lines=lines.split("\n")))
    assert (failure.cause, why in failure.why) == (cause, True), failure


# What Docker or the system says; the first four were recorded.
OUTSIDE = [
    ('could not select device driver "" with capabilities: [[gpu]]', "nvidia-runtime"),
    ("driver failed programming external connectivity on endpoint x (e2d9): Error starting "
     "userland proxy: listen tcp4 127.0.0.1:18998: bind: address already in use", "port-taken"),
    ("driver failed programming external connectivity on endpoint x (37e0): Bind for "
     "127.0.0.1:18999 failed: port is already allocated", "port-taken"),
    ('failed to create shim task: OCI runtime create failed: runc create failed: unable to start '
     'container process: exec: "nosuch": executable file not found in $PATH: unknown',
     "command-missing"),
    ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update "
     "your driver to a newer version, or use an earlier cuda container: unknown",
     "nvidia-driver-old"),
    ("No such image: llm-studio/llama.cpp:cuda", "image-missing"),
    ("Got permission denied while trying to connect to the Docker daemon socket at "
     "unix:///var/run/docker.sock", "docker-permission"),
    ("Error while fetching server API version: ('Connection aborted.', FileNotFoundError(2))",
     "docker-down"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
     "running?", "docker-down"),
    ("write /var/lib/docker/tmp/x: no space left on device", "disk-full"),
    ("invalid mount config for type \"bind\": bind source path does not exist: /models",
     "mount-failed"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "cause"), OUTSIDE, ids=[row[0][:50] for row in OUTSIDE])
def test_what_docker_says_is_explained(error: str, cause: str) -> None:
    failure = explain(Ended(128, error=error))
    assert failure.cause == cause
    assert "{" not in failure.why
    assert failure.evidence.startswith(error[:100])


def test_ports_and_versions_are_named() -> None:
    whys = [explain(Ended(128, error=error)).why for error, _ in OUTSIDE]
    assert "(18998)" in whys[1]
    assert "(18999)" in whys[2]
    assert "CUDA 12.8" in whys[4]
    assert "llm-studio/llama.cpp:cuda" in whys[5]


@pytest.mark.parametrize(
    ("code", "cause"),
    [(132, "cpu-unsupported"), (134, "aborted"), (139, "crashed"), (-11, "crashed"),
     (137, "killed"), (-9, "killed"), (143, "terminated"), (-15, "terminated")],
)  # fmt: skip
def test_an_exit_code_alone_tells_something(code: int, cause: str) -> None:
    assert explain(Ended(code)).cause == cause


def test_the_memory_limit_is_told_from_a_kill() -> None:
    lines = log("oom-kill")
    assert explain(Ended(137, out_of_memory=True, lines=lines)).cause == "host-memory-limit"
    assert explain(Ended(137, lines=lines)).cause == "killed"


def test_a_crash_after_a_told_cause_is_that_cause() -> None:
    """Builds that touch a context that they could not make end by a segfault."""
    assert explain(Ended(139, lines=log("kv-flash"))).cause == "cache-needs-flash"


def test_errors_that_were_survived_are_no_cause() -> None:
    lost = (
        "1.06.520.077 E ggml_backend_cuda_buffer_type_alloc_buffer: allocating 51748.72 MiB on "
        "device 1: cudaMalloc failed: out of memory"
    )
    on = "1.06.520.107 W sched_reserve: compute buffer allocation failed, retrying without pipeline"
    ready = "1.09.000.000 I srv  llama_server: model loaded"
    assert explain(Ended(139, lines=[lost])).cause == "gpu-memory"
    assert explain(Ended(139, lines=[lost, on])).cause == "crashed"
    assert explain(Ended(139, lines=[lost, ready])).cause == "crashed"


def test_without_a_known_cause_the_first_error_is_told() -> None:
    lines = ["0.1.2 odd", "0.00.000.001 I fine", "0.00.000.002 E zeroth fault", "0.00.000.003 E x"]
    failure = explain(Ended(3, lines=lines))
    assert failure.cause == "unknown"
    assert failure.what == "The engine ended with exit code 3"
    assert failure.why == "Its first error: zeroth fault"
    assert explain(Ended(None)).why == "It did not say why."
    assert explain(Ended(0)).cause == "ended"
    assert explain(Ended(125, error="daemon says no")).why == "Its first error: daemon says no"


def test_a_model_cannot_steer_the_terminal_through_an_explanation() -> None:
    line = "0.00.000.001 E llama_model_load: unknown model architecture: '\x1b]52;c;x\x07{0}'"
    failure = explain(Ended(1, lines=[line], error="\x1b[2J"))
    assert failure.cause == "architecture-unknown"
    assert not any(has_controls(text) for text in (failure.why, failure.evidence))
    assert "{0}" in failure.why


@given(
    st.lists(st.text()),
    st.text(),
    st.none() | st.integers(-300, 300),
    st.booleans(),
)
def test_anything_is_explained(
    lines: list[str], error: str, code: int | None, out_of_memory: bool
) -> None:
    failure = explain(Ended(code, out_of_memory, error, lines))
    assert failure.what
    assert failure.hint
    assert not has_controls(failure.why + failure.evidence)


def test_every_row_has_a_test() -> None:
    tested = {cause for _, cause, _ in (*RECORDED, *REPORTED)} | {cause for _, cause in OUTSIDE}
    tested |= {"killed", "terminated", "host-memory-limit"}
    assert {rule.cause for rule in RULES} == tested


def test_causes_are_told_apart() -> None:
    assert len({rule.cause for rule in RULES}) == len(RULES)
    assert all(rule.what and rule.why and rule.hint for rule in RULES)


def test_the_page_of_causes_is_fresh() -> None:
    assert PAGE.read_text() == page(), "python -m llm_studio.engines.failures > docs/failures.md"
