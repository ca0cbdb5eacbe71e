"""What the parser makes of logs that real engines wrote, of older forms, and of anything else."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_studio.engines import logs
from llm_studio.engines.log_events import (
    LOADING,
    READY,
    Buffer,
    Context,
    DeviceMemory,
    Event,
    FitDecision,
    Generating,
    MemoryTable,
    Offloaded,
    Problem,
    PromptProgress,
    RequestEnd,
    RequestSpeed,
    Splits,
    Stage,
    Version,
)
from llm_studio.engines.logs import Level, level_of, parse

LOGS = Path(__file__).parent.parent / "data" / "logs"
RECORDED = (
    "serve-text serve-text-v4 serve-bare-v4 serve-jsonl xllamacpp gpu-v4 gpus-text gpus-jsonl "
    "fit-text fail-device-refuses fail-xl-junk"
).split()


def short(event: Event) -> str:
    """The event with the values that it holds, and no others."""
    held = [
        f"{field.name}={value!r}"
        for field in fields(event)
        if (value := getattr(event, field.name)) not in (None, "", ())
    ]
    return f"{type(event).__name__}({', '.join(held)})"


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_log_gives_its_events(name: str) -> None:
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    events = [short(event) for line in lines if (event := parse(line))]
    assert events == (LOGS / f"{name}.events").read_text().splitlines()


OLDER: list[tuple[str, Event]] = [
    ("....................", Stage(LOADING, 0.2)),
    ("." * 100, Stage(LOADING, 1.0)),
    ("main: loading model", Stage(LOADING)),
    ("main: model loaded", Stage(READY)),
    (
        "main: server is listening on http://127.0.0.1:8080 - starting the main loop",
        Stage(READY, address="http://127.0.0.1:8080"),
    ),
    (
        "llm_load_tensors:      CUDA0 buffer size =  3820.94 MiB",
        Buffer("CUDA0", "weights", 3820.94),
    ),
    (
        "llama_kv_cache_init:      CUDA0 KV buffer size =   128.00 MiB",
        Buffer("CUDA0", "context", 128),
    ),
    (
        "llama_kv_cache_unified:      CUDA1 KV buffer size =    64.50 MiB",
        Buffer("CUDA1", "context", 64.5),
    ),
    (
        "llama_memory_recurrent:      CUDA0 RS buffer size =    75.38 MiB",
        Buffer("CUDA0", "recurrent", 75.38),
    ),
    (
        "llama_new_context_with_model:  CUDA_Host  output buffer size =     0.49 MiB",
        Buffer("CUDA_Host", "output", 0.49),
    ),
    (
        "llama_context:     Meta() compute buffer size =   304.00 MiB",
        Buffer("Meta()", "compute", 304),
    ),
    (
        "load_tensors: RPC[10.0.0.2:50052] model buffer size =  1024.00 MiB",
        Buffer("RPC[10.0.0.2:50052]", "weights", 1024),
    ),
    ("load_tensors: offloaded 81/81 layers to GPU", Offloaded(81, 81)),
    ("llm_load_tensors: offloaded 12/33 layers to GPU", Offloaded(12, 33)),
    ("llama_context: graph nodes  = 1030", Splits(1030, None)),
    ("llama_context: graph splits = 110 (with bs=512), 3 (with bs=1)", Splits(None, 110)),
    ("build: 5061 (916c83bf) with MSVC 19.38.33134.0 for x64", Version(5061, "916c83bf")),
    ("version: 5061 (916c83bf)", Version(5061, "916c83bf")),
    ("version: 0.7.0 (build 11669, commit Debian)", Version(11669, "")),
    ("srv    load_model: initializing slots, n_slots = 1", Context(slots=1)),
    ("llama_init_from_model: n_ctx_per_seq = 512", Context(per_slot=512)),
    ("llama_new_context_with_model: n_ctx      = 4096", Context(total=4096)),
    (
        "slot update_slots: id  0 | task 4 | prompt processing progress, n_past = 2048, "
        "n_tokens = 2048, progress = 0.272233",
        PromptProgress(0, 4, 0.272233),
    ),
    (
        "slot print_timing: id  0 | task 4 | n_decoded =    250, tg =  31.50 t/s",
        Generating(0, 4, 250, 31.5, None),
    ),
    (
        "prompt eval time =      20.75 ms /    12 tokens (    1.73 ms per token,   578.31 tokens "
        "per second)",
        RequestSpeed(prompt_tokens=12, prompt_speed=578.31),
    ),
    (
        "       eval time =    1234.00 ms /   100 tokens (   12.34 ms per token,    81.04 tokens "
        "per second)",
        RequestSpeed(generated_tokens=100, generated_speed=81.04),
    ),
    (
        "prompt eval time =       0.00 ms /     0 tokens (    -nan ms per token,      inf tokens "
        "per second)",
        RequestSpeed(prompt_tokens=0),
    ),
    ("      total time =    1254.75 ms /   112 tokens",
     RequestSpeed(total_tokens=112, total_ms=1254.75)),
    (
        "draft acceptance rate = 0.57576 (  171 accepted /   297 generated)",
        RequestSpeed(accepted=171, drafted=297),
    ),
    (
        "slot print_timing: id  2 | task 9 | draft acceptance = 0.75000 (  3 accepted /  4 "
        "generated), mean len = 2.50",
        RequestSpeed(2, 9, accepted=3, drafted=4),
    ),
    (
        "slot      release: id  0 | task 0 | stop processing: n_past = 111, truncated = 1",
        RequestEnd(0, 0, 111, True),
    ),
    (
        "llama_memory_breakdown_print: |   - CUDA0 (RTX 4090)   | 24080 = 12345 + (11000 = 10000 "
        "+     800 +     200) +         735 |",
        DeviceMemory("CUDA0", 24080, 12345, 11000, 10000, 800, 200, 735, "RTX 4090"),
    ),
    (
        "llama_params_fit: failed to fit params to free device memory: n_gpu_layers already set "
        "by user to 99, abort",
        FitDecision(fits=False, reason="n_gpu_layers already set by user to 99, abort"),
    ),
    (
        '{"timestamp":1703433377,"level":"ERROR","function":"load_model","message":"unable to '
        'load model"}',
        Problem("unable to load model"),
    ),
    (
        "[52717] 0.00.910.211 E clip_init: failed to load model 'mmproj.gguf'",
        Problem("clip_init: failed to load model 'mmproj.gguf'"),
    ),
    (
        "[8081] 2026-09-01 12:00:00.123 I srv  llama_server: listening on http://127.0.0.1:8081",
        Stage(READY, address="http://127.0.0.1:8081"),
    ),
    ("\x1b[32m0.00.001.000 I \x1b[0mmain: model loaded\x1b[0m", Stage(READY)),
    ("␛[32m0.00.001.000 I ␛[0mmain: model loaded␛[0m", Stage(READY)),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), OLDER, ids=[line[:40] for line, _ in OLDER])
def test_older_forms_mean_the_same(line: str, event: Event) -> None:
    assert parse(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "0.00.501.269 I",
        "main: HTTP server is listening, hostname: 127.0.0.1, port: 8080, http threads: 7",
        "slot   load_model: id  0 | task -1 | new slot, n_ctx = 8192",
        "llama_context: n_ctx_seq (8192) < n_ctx_train (131072) -- the full capacity",
        "{not json}",
        '{"type":"metrics","data":3}',
        '{"type":"fit_memory_breakdown","data":{"rows":7}}',
        "{" * 5000 + "}",
        '{"a":' * 5000 + "}",
    ],
)
def test_what_means_nothing_gives_nothing(line: str) -> None:
    assert parse(line) is None


def test_a_typed_table_with_odd_cells_is_read_as_far_as_it_goes() -> None:
    rows = [{"name": "CUDA0", "total": "much", "free": 1e999, "self": 5}, 7]
    table = parse(json.dumps({"type": "fit_memory_breakdown", "data": {"rows": rows}}))
    assert table == MemoryTable((DeviceMemory("CUDA0", None, None, 5, 0, 0, 0),))


def test_the_lines_of_one_request_add_up() -> None:
    lines = (LOGS / "serve-text.log").read_text().splitlines()
    figures = [event for line in lines if isinstance(event := parse(line), RequestSpeed)]
    whole = RequestSpeed()
    for part in (each for each in figures if each.task == 17):
        whole = whole.plus(part)
    assert whole == RequestSpeed(1, 17, 7523, 4271.68, 200, 312.52, 7723, 2397.9)


LEVELS: list[tuple[str, Level]] = [
    ("0.00.001.682 I srv  llama_server: initializing ...", "info"),
    ("0.00.023.221 W srv  llama_server: security: no API key", "warning"),
    ("0.00.023.221 E error", "error"),
    ("0.00.023.221 D que    start_loop: waiting", "debug"),
    ("E main: no timestamps", "error"),
    ('{"type":"log","time":1,"level":"warn","msg":"srv: x\\n"}', "warning"),
    ('{"type":"log","time":1,"level":"error","msg":"x"}', "error"),
    ('{"type":"fit_memory_breakdown","data":{}}', "debug"),
    ("error: invalid argument: --no-such-flag", "error"),
    ("/app/ggml.c:123: GGML_ASSERT(x) failed", "error"),
    ("warning: old flag", "warning"),
    ("llama_model_loader: - kv   0: general.architecture str = llama", "info"),
]


@pytest.mark.parametrize(("line", "level"), LEVELS)
def test_a_line_has_a_level(line: str, level: Level) -> None:
    assert level_of(line) == level


PIECES = st.sampled_from(
    "id 0 | task 1 | ;prompt eval time = ;ms / ;tokens (;buffer size = ;1.2.3;-nan;MiB;| ;|   - ;"
    "progress = ;E ;0.00.001.000 ;[7] ;{;};\x1b[;n_ctx = ;٣;9999999999999999999;listening on ;"
    "projected to use ;\n;listening on http://;memory breakdown [MiB]".split(";")
)


@given(st.text() | st.lists(PIECES).map("".join))
@example("|   - x | ------- |")
@example("x buffer size = . MiB")
@example("splits graph: nodes = 9, splits = " + "9" * 5000)
def test_no_text_makes_it_fail(line: str) -> None:
    parse(line)
    assert level_of(line) in ("error", "warning", "info", "debug")


@pytest.mark.parametrize(
    "line",
    [
        "x" * 1_000_000,
        "{" + "[" * 1_000_000 + "}",
        "buffer size " * 100_000,
        "prompt processing, n_tokens = 1 " * 50_000,
        "|   - " * 200_000,
        "id 1 | task 1 | " * 60_000 + "eval time tg = total time",
        " " * 1_000_000 + "buffer size",
        "\x1b[1" * 300_000,
        "[" + "1" * 1_000_000,
    ],
    ids=lambda line: line[:12],
)
def test_a_hostile_line_takes_no_time(line: str) -> None:
    started = time.perf_counter()
    parse(line)
    level_of(line)
    assert time.perf_counter() - started < 0.1


def test_lines_that_mean_nothing_are_cheap() -> None:
    lines = (LOGS / "serve-text-v4.log").read_text().splitlines()
    quiet = [line for line in lines if parse(line) is None]
    took = []
    for _ in range(20):
        started = time.perf_counter()
        for line in quiet:
            parse(line)
        took.append((time.perf_counter() - started) / len(quiet))
    # 6 µs on a quiet machine; the best of many tries, so that a busy one does not fail.
    assert min(took) < 30e-6


@given(st.text() | st.lists(PIECES).map("".join))
@example("0.01.2 W warning")
@example(" " * 300 + "error: far away")
@example("x" * 190 + " out of memory")
@example("D ")
@example("D " + " " * (1 << 16))
def test_the_short_way_to_a_level_tells_the_same(line: str) -> None:
    assert level_of(line) == logs._level(logs.unwrap(line))
