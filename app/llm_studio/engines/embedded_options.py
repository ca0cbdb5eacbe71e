"""llama-server's arguments as fields of xllamacpp's CommonParams: one row each."""

from __future__ import annotations

from dataclasses import dataclass

from llm_studio.engines import embedded_values as to
from llm_studio.engines.embedded_values import Assignment, Convert


@dataclass(frozen=True, slots=True)
class Option:
    """An argument of llama-server and the fields that it sets."""

    names: tuple[str, ...]
    hint: str
    """Stands for the value in the help; without one the argument takes none."""
    sets: tuple[Assignment, ...]
    negatives: tuple[str, ...] = ()


def _takes(names: str, hint: str, *sets: Assignment) -> Option:
    return Option(tuple(names.split()), hint, sets)


def _switch(names: str, field: str, convert: Convert = to.yes) -> Option:
    """--it and --no-it."""
    positives, negatives = names.split(" / ")
    return Option(tuple(positives.split()), "", ((field, convert),), tuple(negatives.split()))


def _present(names: str, *sets: Assignment) -> Option:
    return Option(tuple(names.split()), "", sets)


_DRAFT = "speculative.draft"
OPTIONS = (
    # What is served, and to whom
    _takes("-m --model", "FILE", ("model.path", to.text)),
    _takes("-mm --mmproj", "FILE", ("mmproj.path", to.text)),
    _takes("-md --spec-draft-model --model-draft", "FILE", (f"{_DRAFT}.mparams.path", to.text)),
    _takes("--lora", "FILE,...", ("lora_adapters", to.adapters)),
    _takes("--lora-scaled", "FILE:SCALE,...", ("lora_adapters", to.scaled_adapters)),
    _takes("-a --alias", "NAME,...", ("model_alias", to.names)),
    _takes("--host", "HOST,...", ("hostnames", to.items)),
    _takes("--port", "PORT", ("port", to.port)),
    _takes("--api-key", "KEY,...", ("api_keys", to.keys)),
    _takes("--api-key-file", "FILE", ("api_keys", to.keys_of_file)),
    _takes(
        "--cors-origins", "ORIGINS", ("cors_origins", to.text),
        ("cors_origins_explicit", to.fixed(True)),
    ),
    _takes("-to --timeout", "N", ("timeout_read", to.whole), ("timeout_write", to.whole)),
    _takes("--threads-http", "N", ("n_threads_http", to.whole)),
    _takes("--sse-ping-interval", "N", ("sse_ping_interval", to.whole)),
    _present("--metrics", ("endpoint_metrics", to.fixed(True))),
    _present("--props", ("endpoint_props", to.fixed(True))),
    _switch("--slots / --no-slots", "endpoint_slots"),
    _switch("--ui --webui / --no-ui --no-webui", "ui"),
    _takes("-lv --verbosity --log-verbosity", "N", ("verbosity", to.whole)),
    _present("-v --verbose --log-verbose", ("verbosity", to.fixed(to.INT_MAX))),
    _present("--log-disable", ("verbosity", to.fixed(-1))),
    # Context and slots
    _takes(
        "-c --ctx-size", "N", ("n_ctx", to.whole),
        # 0 is the whole trained context, which fitting must not reduce: llama.cpp's UINT32_MAX
        ("fit_params_min_ctx", lambda text, now, x: now if to.whole(text, now, x) else -1),
    ),
    _takes("-np --parallel", "N", ("n_parallel", to.slots)),
    _switch("-kvu --kv-unified / -no-kvu --no-kv-unified", "kv_unified"),
    _takes("-b --batch-size", "N", ("n_batch", to.whole)),
    _takes("-ub --ubatch-size", "N", ("n_ubatch", to.whole)),
    _takes("--keep", "N", ("n_keep", to.whole)),
    _switch("--context-shift / --no-context-shift", "ctx_shift"),
    _switch("--cache-prompt / --no-cache-prompt", "cache_prompt"),
    _switch("--cache-idle-slots / --no-cache-idle-slots", "cache_idle_slots"),
    _takes("-cram --cache-ram", "N", ("cache_ram_mib", to.whole)),
    _takes("--cache-reuse", "N", ("n_cache_reuse", to.whole)),
    _takes("-ctxcp --ctx-checkpoints --swa-checkpoints", "N", ("n_ctx_checkpoints", to.whole)),
    _takes("-cms --checkpoint-min-step", "N", ("checkpoint_min_step", to.whole)),
    _takes("-sps --slot-prompt-similarity", "N", ("slot_prompt_similarity", to.real)),
    _takes("--slot-save-path", "FOLDER", ("slot_save_path", to.folder)),
    _switch("-cb --cont-batching / -nocb --no-cont-batching", "cont_batching"),
    _switch("--warmup / --no-warmup", "warmup"),
    # Where the model goes
    _takes("-ngl --gpu-layers --n-gpu-layers", "N|auto|all", ("n_gpu_layers", to.layers)),
    _takes("-fit --fit", "on|off", ("fit_params", to.words(on=True, off=False))),
    _takes("-fitt --fit-target", "MiB,...", ("fit_params_target", to.margins)),
    _takes("-fitc --fit-ctx", "N", ("fit_params_min_ctx", to.whole)),
    _takes("-sm --split-mode", "MODE", ("split_mode", to.SPLIT_MODE)),
    _takes("-ts --tensor-split", "N,...", ("tensor_split", to.shares)),
    _takes("-mg --main-gpu", "INDEX", ("main_gpu", to.whole)),
    # The wheel has no field for devices; nothing on any of them is the same as none of them.
    _takes(
        "-dev --device", "none", ("n_gpu_layers", to.words(none=0)),
        ("no_kv_offload", to.fixed(True)), ("no_op_offload", to.fixed(True)),
        ("mmproj_use_gpu", to.fixed(False)),
    ),
    _present("-cmoe --cpu-moe", ("tensor_buft_overrides", to.all_experts)),
    _takes("-ncmoe --n-cpu-moe", "N", ("tensor_buft_overrides", to.experts)),
    _takes("-ot --override-tensor", "PATTERN=BUFFER,...", ("tensor_buft_overrides", to.overrides)),
    _switch("-kvo --kv-offload / -nkvo --no-kv-offload", "no_kv_offload", to.opposite),
    _switch("--op-offload / --no-op-offload", "no_op_offload", to.opposite),
    _switch("--repack / -nr --no-repack", "no_extra_bufts", to.opposite),
    _present("--no-host", ("no_host", to.fixed(True))),
    _takes("-lm --load-mode", "MODE", ("load_mode", to.LOAD_MODE)),
    _takes("--numa", "TYPE", ("numa", to.NUMA)),
    _present("--check-tensors", ("check_tensors", to.fixed(True))),
    # Speed and precision
    _takes("-t --threads", "N", ("cpuparams.n_threads", to.threads)),
    _takes("-tb --threads-batch", "N", ("cpuparams_batch.n_threads", to.threads)),
    _takes("--prio", "N", ("cpuparams.priority", to.whole)),
    _takes("--poll", "N", ("cpuparams.poll", to.whole)),
    _takes("-fa --flash-attn", "on|off|auto", ("flash_attn_type", to.FLASH_ATTENTION)),
    _takes("-ctk --cache-type-k", "TYPE", ("cache_type_k", to.CACHE_TYPE)),
    _takes("-ctv --cache-type-v", "TYPE", ("cache_type_v", to.CACHE_TYPE)),
    _present("--swa-full", ("swa_full", to.fixed(True))),
    _switch("--perf / --no-perf", "no_perf", to.opposite),
    # Speculative decoding
    _takes("--spec-type", "TYPE,...", ("speculative.types", to.several(to.SPECULATION))),
    _takes("--spec-draft-n-max", "N", (f"{_DRAFT}.n_max", to.whole)),
    _takes("--spec-draft-n-min", "N", (f"{_DRAFT}.n_min", to.whole)),
    _takes("--spec-draft-p-min --draft-p-min", "P", (f"{_DRAFT}.p_min", to.real)),
    _takes("--spec-draft-p-split --draft-p-split", "P", (f"{_DRAFT}.p_split", to.real)),
    _takes(
        "--spec-draft-ngl -ngld --gpu-layers-draft --n-gpu-layers-draft", "N|auto|all",
        (f"{_DRAFT}.n_gpu_layers", to.layers),
    ),
    _takes("--spec-draft-device -devd --device-draft", "NAME,...", (f"{_DRAFT}.devices", to.text)),
    _takes(
        "--spec-draft-type-k -ctkd --cache-type-k-draft", "TYPE",
        (f"{_DRAFT}.cache_type_k", to.CACHE_TYPE),
    ),
    _takes(
        "--spec-draft-type-v -ctvd --cache-type-v-draft", "TYPE",
        (f"{_DRAFT}.cache_type_v", to.CACHE_TYPE),
    ),
    # Chat, images, embeddings
    _switch("--jinja / --no-jinja", "use_jinja"),
    _takes("--chat-template", "TEMPLATE", ("chat_template", to.text)),
    _takes("--chat-template-file", "FILE", ("chat_template", to.content)),
    _takes("--chat-template-kwargs", "JSON", ("default_template_kwargs", to.template_values)),
    _takes(
        "-rea --reasoning", "on|off|auto", ("enable_reasoning", to.words(on=1, off=0, auto=-1)),
        ("default_template_kwargs", to.thinking),
    ),
    _takes("--reasoning-format", "FORMAT", ("reasoning_format", to.REASONING_FORMAT)),
    _takes("--reasoning-effort", "LEVEL", ("default_template_kwargs", to.effort)),
    _takes("--reasoning-budget", "N", ("sampling.reasoning_budget_tokens", to.whole)),
    _takes("--reasoning-budget-message", "TEXT", ("sampling.reasoning_budget_message", to.text)),
    _switch("--prefill-assistant / --no-prefill-assistant", "prefill_assistant"),
    _switch("--mmproj-offload / --no-mmproj-offload", "mmproj_use_gpu"),
    _takes("--image-min-tokens", "N", ("image_min_tokens", to.whole)),
    _takes("--image-max-tokens", "N", ("image_max_tokens", to.whole)),
    _present("--embedding --embeddings", ("embedding", to.fixed(True))),
    _present("--rerank --reranking", ("embedding", to.fixed(True)), ("pooling_type", to.rank)),
    _takes("--pooling", "TYPE", ("pooling_type", to.POOLING)),
    # Longer contexts than trained
    _takes("--rope-scaling", "TYPE", ("rope_scaling_type", to.ROPE_SCALING)),
    _takes("--rope-scale", "N", ("rope_freq_scale", lambda *said: 1 / to.real(*said))),
    _takes("--rope-freq-base", "N", ("rope_freq_base", to.real)),
    _takes("--rope-freq-scale", "N", ("rope_freq_scale", to.real)),
    _takes("--yarn-orig-ctx", "N", ("yarn_orig_ctx", to.whole)),
    _takes("--yarn-ext-factor", "N", ("yarn_ext_factor", to.real)),
    _takes("--yarn-attn-factor", "N", ("yarn_attn_factor", to.real)),
    _takes("--yarn-beta-slow", "N", ("yarn_beta_slow", to.real)),
    _takes("--yarn-beta-fast", "N", ("yarn_beta_fast", to.real)),
    # Sampling
    _takes("--samplers", "NAME;...", ("sampling.samplers", to.samplers), to.own("SAMPLERS")),
    _takes("-s --seed", "N", ("sampling.seed", lambda *said: to.whole(*said) & 0xFFFFFFFF)),
    _takes("-n --predict --n-predict", "N", ("n_predict", to.whole)),
    _takes("--temp --temperature", "N", ("sampling.temp", to.real), to.own("TEMP")),
    _takes("--top-k", "N", ("sampling.top_k", to.whole), to.own("TOP_K")),
    _takes("--top-p", "N", ("sampling.top_p", to.real), to.own("TOP_P")),
    _takes("--min-p", "N", ("sampling.min_p", to.real), to.own("MIN_P")),
    _takes("--typical --typical-p", "N", ("sampling.typ_p", to.real)),
    _takes(
        "--repeat-last-n", "N", ("sampling.penalty_last_n", to.whole),
        ("sampling.n_prev", lambda text, now, x: max(now, to.whole(text, now, x))),
        to.own("PENALTY_LAST_N"),
    ),
    _takes("--repeat-penalty", "N", ("sampling.penalty_repeat", to.real), to.own("PENALTY_REPEAT")),
    _takes("--presence-penalty", "N", ("sampling.penalty_present", to.real)),
    _takes("--frequency-penalty", "N", ("sampling.penalty_freq", to.real)),
    _takes("--dry-multiplier", "N", ("sampling.dry_multiplier", to.real)),
    _takes("--dry-base", "N", ("sampling.dry_base", to.real)),
    _takes("--dry-allowed-length", "N", ("sampling.dry_allowed_length", to.whole)),
    _takes("--dry-penalty-last-n", "N", ("sampling.dry_penalty_last_n", to.whole)),
    _takes(
        "--xtc-probability", "N", ("sampling.xtc_probability", to.real), to.own("XTC_PROBABILITY")
    ),
    _takes("--xtc-threshold", "N", ("sampling.xtc_threshold", to.real), to.own("XTC_THRESHOLD")),
    _takes("--dynatemp-range", "N", ("sampling.dynatemp_range", to.real)),
    _takes("--dynatemp-exp", "N", ("sampling.dynatemp_exponent", to.real)),
    _takes("--mirostat", "N", ("sampling.mirostat", to.whole), to.own("MIROSTAT")),
    _takes("--mirostat-lr", "N", ("sampling.mirostat_eta", to.real), to.own("MIROSTAT_ETA")),
    _takes("--mirostat-ent", "N", ("sampling.mirostat_tau", to.real), to.own("MIROSTAT_TAU")),
    _present("--ignore-eos", ("sampling.ignore_eos", to.fixed(True))),
)  # fmt: skip

AS_IT_IS = {
    "--log-prefix": (), "--log-timestamps": (), "--no-log-jsonl": (), "--log-colors": ("auto",),
    "--escape": (), "--mmproj-auto": (), "--top-n-sigma": ("-1", "-1.0"),
}  # fmt: skip
"""Arguments, not in the help, that ask for what the wheel does anyway; no other value will do."""

UNSUPPORTED = {
    "--top-n-sigma": "the wheel has no field for it; only -1 (off) will do",
    "--device": "the wheel has no field for it; only none will do",
    "--rpc": "the wheel cannot reach other machines",
    "--override-kv": "the wheel has no field for it",
    "--control-vector": "the wheel has no field for it",
    "--control-vector-scaled": "the wheel has no field for it",
    "--dry-sequence-breaker": "the wheel has no field for it",
    "--log-file": "the wheel logs to stderr alone",
    "--log-jsonl": "the wheel logs plain lines alone",
    "--log-colors": "the wheel decides by the terminal; only auto will do",
    "--no-log-prefix": "the wheel always writes it",
    "--no-log-timestamps": "the wheel always writes them",
}
"""What llama-server has and the wheel cannot express, and why."""
