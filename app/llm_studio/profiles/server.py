"""The settings of llama-server that users of local models tune, by name."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from llm_studio.profiles.field import Flag, Section, setting
from llm_studio.text import has_controls

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
Switch = Literal["on", "off", "auto"]

_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_DEVICE = re.compile(r"[A-Za-z0-9_.:\[\]-]+")
OWNED = {
    "--host", "--port", "--api-key", "--api-key-file", "--cors-origins", "-m", "--model",
    "--ssl-key-file", "--ssl-cert-file", "--path", "--tools", "--tools-runtime", "--agent", "-ag",
    "--mcp-servers-config", "--mcp-servers-json", "--ui-mcp-proxy", "--webui-mcp-proxy",
    "--reuse-port", "--api-prefix",
}  # fmt: skip
"""Arguments that decide who may reach the engine, or that llm-studio sets itself."""


def plain(text: str) -> str:
    if has_controls(text):
        raise ValueError("control characters are not allowed here")
    return text


def relative_path(text: str) -> str:
    """A path below a models folder: no way out of it, and nothing that looks like a flag."""
    plain(text)
    parts = text.split("/")
    if not text or text.startswith(("/", "~", "-")) or "\\" in text or re.match(r"[A-Za-z]:", text):
        raise ValueError(
            "expected a path relative to a models folder; add its folder to the setting `models`"
        )
    if ".." in parts or "." in parts or "" in parts:
        raise ValueError("the path must not leave the models folder, nor hold empty parts")
    return text


def duration(text: str) -> str:
    match = _DURATION.fullmatch(text)
    if text != "never" and (not text or not match):
        raise ValueError('expected a duration like "30m", "1h30m" or "90s", or "never"')
    return text


def seconds(text: str) -> int | None:
    """A duration in seconds; None is never."""
    match = _DURATION.fullmatch(text)
    if text == "never" or match is None:
        return None
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise ValueError('expected a device name as llama-server lists it, like "CUDA0"')
    return text


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("an argument must not hold a NUL character")
    name = spelled(text.split("=", 1)[0])
    if name in OWNED:
        raise ValueError(f"llm-studio sets {name} itself")
    return text


def spelled(name: str) -> str:
    """An argument's name as llama-server reads it: it takes --ctx_size for --ctx-size."""
    return name.replace("_", "-") if name.startswith("--") else name


def _text_argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters are not allowed here")
    return text


Text = Annotated[str, AfterValidator(plain)]
ModelPath = Annotated[str, AfterValidator(relative_path)]
Positive = Annotated[int, Field(ge=1)]
LongText = Annotated[str, AfterValidator(_text_argument)]


class ServerSettings(Section):
    """[server]: how llama-server runs the model."""

    alias: Text | None = setting(
        "Name of the model in the API, instead of the profile's id. Several, comma-separated.",
        Flag("--alias", renamed_from=("-a",)),
    )

    # Context and slots
    context: Annotated[int, Field(ge=0, le=1 << 26)] | Literal["auto"] | None = setting(
        'Tokens of context, of all slots together. "auto" (the default) is the most that fits, '
        "up to what the model was trained for; 0 is what it was trained for, fit or not.",
        Flag("--ctx-size", renamed_from=("-c", "n_ctx", "ctx")),
    )
    parallel: Annotated[int, Field(ge=1, le=256)] | None = setting(
        "Requests served at a time. Unset, llama-server takes four slots over one shared cache.",
        Flag("--parallel", renamed_from=("-np", "slots", "n_parallel")),
    )
    kv_unified: bool | None = setting(
        "One cache shared by all slots, rather than an equal part for each.",
        Flag("--kv-unified", "switch", "--no-kv-unified", ("-kvu",)),
    )
    batch: Annotated[int, Field(ge=1, le=65536)] | None = setting(
        "Tokens of a prompt handed over at a time (2048).",
        Flag("--batch-size", renamed_from=("-b", "n_batch")),
    )
    ubatch: Annotated[int, Field(ge=1, le=65536)] | None = setting(
        "Tokens computed at a time (512). Larger reads prompts faster and takes more GPU memory.",
        Flag("--ubatch-size", renamed_from=("-ub", "n_ubatch")),
    )
    context_shift: bool | None = setting(
        "Drop the oldest tokens when the context is full, instead of ending the answer.",
        Flag("--context-shift", "switch", "--no-context-shift"),
    )
    cache_ram: Annotated[int, Field(ge=-1)] | None = setting(
        "MiB of host memory that keep prompts of earlier conversations (8192; -1: no limit).",
        Flag("--cache-ram", renamed_from=("-cram",)),
    )
    cache_reuse: Annotated[int, Field(ge=0)] | None = setting(
        "Reuse parts of the cache of at least so many tokens, moved to where they stand now.",
        Flag("--cache-reuse"),
    )
    slot_save_path: ModelPath | None = setting(
        "Folder, below llm-studio's state folder, where slots may be saved on request.",
        Flag("--slot-save-path"),
    )
    idle_unload: Annotated[str, AfterValidator(duration)] | None = setting(
        'Unload the model after so long without a request: "30m", "2h", "never".',
        Flag("idle_unload", "none"),
    )

    # Where the model goes
    gpu_layers: Annotated[int, Field(ge=0)] | Literal["auto", "all"] | None = setting(
        'Layers on the GPUs: a number, "all", or "auto" (as many as fit).',
        Flag("--gpu-layers", renamed_from=("-ngl", "--n-gpu-layers", "n_gpu_layers", "ngl")),
    )
    fit: bool | None = setting(
        "Let llama-server place what is left unset so that it fits in free GPU memory (true).",
        Flag("--fit", "on-off", renamed_from=("-fit",)),
    )
    fit_target: list[Annotated[int, Field(ge=0)]] | None = setting(
        "MiB to keep free on each GPU (1024); one number holds for all.",
        Flag("--fit-target", "list", renamed_from=("-fitt",)),
        min_length=1,
        max_length=16,
    )
    fit_context: Positive | None = setting(
        "The least context that fitting may choose (4096).",
        Flag("--fit-ctx", renamed_from=("-fitc",)),
    )
    split_mode: Literal["none", "layer", "row", "tensor"] | None = setting(
        'How several GPUs share the model: "layer" (default), "none" (one GPU), "row", "tensor".',
        Flag("--split-mode", renamed_from=("-sm",)),
    )
    tensor_split: list[Annotated[float, Field(ge=0)]] | None = setting(
        "Each GPU's share of the model, like [3, 1]. Unset: by free memory.",
        Flag("--tensor-split", "list", renamed_from=("-ts",)),
        min_length=1,
        max_length=16,
    )
    main_gpu: Annotated[int, Field(ge=0, le=63)] | None = setting(
        'The GPU to use with split_mode = "none".', Flag("--main-gpu", renamed_from=("-mg",))
    )
    devices: list[Annotated[str, AfterValidator(_device)]] | None = setting(
        'Devices as llama-server names them, like ["CUDA0"]; ["none"] is the processor alone.',
        Flag("--device", "list", renamed_from=("-dev", "device")),
        min_length=1,
        max_length=16,
    )
    cpu_moe: bool | None = setting(
        "Keep all experts of a mixture-of-experts model in host memory.",
        Flag("--cpu-moe", "presence", renamed_from=("-cmoe",)),
    )
    n_cpu_moe: Annotated[int, Field(ge=0)] | None = setting(
        "Keep the experts of the first so many layers in host memory.",
        Flag("--n-cpu-moe", renamed_from=("-ncmoe",)),
    )
    override_tensor: list[Text] | None = setting(
        r'Tensors to put elsewhere: ["PATTERN=BUFFER", …], like ["blk\\.1\\..*exps=CPU"].',
        Flag("--override-tensor", "repeated", renamed_from=("-ot",)),
    )
    kv_offload: bool | None = setting(
        "Keep the key/value cache on the GPU (true).",
        Flag("--kv-offload", "switch", "--no-kv-offload", ("-kvo", "-nkvo", "no_kv_offload")),
    )
    op_offload: bool | None = setting(
        "Compute with weights of the host on the GPU when a batch is large (true).",
        Flag("--op-offload", "switch", "--no-op-offload"),
    )
    load_mode: Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"] | None = setting(
        "How the file is read: mapped, locked in memory, read whole, or with direct I/O.",
        Flag("--load-mode", renamed_from=("-lm", "--mmap", "--mlock", "--no-mmap", "no_mmap")),
    )
    numa: Literal["distribute", "isolate", "numactl"] | None = setting(
        "Placement on machines with several memory nodes.", Flag("--numa")
    )

    # Speed and precision
    threads: Annotated[int, Field(ge=-1)] | None = setting(
        "Processor threads for generating (-1: as many as there are).",
        Flag("--threads", renamed_from=("-t",)),
    )
    threads_batch: Annotated[int, Field(ge=-1)] | None = setting(
        "Processor threads for reading prompts (as `threads`).",
        Flag("--threads-batch", renamed_from=("-tb",)),
    )
    flash_attention: Switch | None = setting(
        'Flash attention: "on", "off", or "auto" (where the device has it).',
        Flag("--flash-attn", renamed_from=("-fa", "flash_attn")),
    )
    cache_type_k: CacheType | None = setting(
        "Precision of cached keys (f16). q8_0 halves the cache at little loss.",
        Flag("--cache-type-k", renamed_from=("-ctk",)),
    )
    cache_type_v: CacheType | None = setting(
        "Precision of cached values (f16). Less than f16 needs flash attention.",
        Flag("--cache-type-v", renamed_from=("-ctv",)),
    )
    swa_full: bool | None = setting(
        "Keep a full-size cache for layers with a sliding window.", Flag("--swa-full", "presence")
    )

    # Speculative decoding
    draft_max: Annotated[int, Field(ge=0)] | None = setting(
        "Most tokens that the draft model guesses ahead (3).",
        Flag("--spec-draft-n-max", renamed_from=("--draft-max", "--draft-n", "--draft", "draft")),
    )
    draft_min: Annotated[int, Field(ge=0)] | None = setting(
        "Fewest tokens worth guessing (0).",
        Flag("--spec-draft-n-min", renamed_from=("--draft-min", "--draft-n-min")),
    )
    draft_p_min: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "Guess only tokens at least so likely (0).",
        Flag("--spec-draft-p-min", renamed_from=("--draft-p-min",)),
    )
    draft_gpu_layers: Annotated[int, Field(ge=0)] | Literal["auto", "all"] | None = setting(
        "Layers of the draft model on the GPU (auto).",
        Flag(
            "--spec-draft-ngl",
            renamed_from=("-ngld", "--gpu-layers-draft", "--n-gpu-layers-draft"),
        ),
    )
    draft_cache_type_k: CacheType | None = setting(
        "Precision of the draft model's cached keys (f16).",
        Flag("--spec-draft-type-k", renamed_from=("-ctkd", "--cache-type-k-draft")),
    )
    draft_cache_type_v: CacheType | None = setting(
        "Precision of the draft model's cached values (f16).",
        Flag("--spec-draft-type-v", renamed_from=("-ctvd", "--cache-type-v-draft")),
    )
    speculation: list[Text] | None = setting(
        'Ways of speculation: "draft-simple", "draft-mtp", "ngram-simple", "ngram-mod", …',
        Flag("--spec-type", "list", renamed_from=("spec_type",)),
        min_length=1,
    )

    # Adapters and projector
    lora: list[ModelPath] | None = setting(
        "LoRA adapters, below a models folder; PATH or PATH:SCALE.", Flag("lora", "none")
    )
    mmproj_offload: bool | None = setting(
        "Compute the projector (images, audio) on the GPU (true).",
        Flag("--mmproj-offload", "switch", "--no-mmproj-offload"),
    )
    image_max_tokens: Positive | None = setting(
        "Most tokens that one image may take.", Flag("--image-max-tokens")
    )

    # Chat
    jinja: bool | None = setting(
        "Use the model's own chat template (true); tool calls need it.",
        Flag("--jinja", "switch", "--no-jinja"),
    )
    chat_template: LongText | None = setting(
        "Name of a built-in chat template, or a template, instead of the model's.",
        Flag("--chat-template"),
    )
    chat_template_file: ModelPath | None = setting(
        "A file with a chat template, below a models folder.", Flag("--chat-template-file")
    )
    chat_template_kwargs: dict[str, str | int | float | bool] | None = setting(
        "Values for the chat template, like { enable_thinking = false }.",
        Flag("--chat-template-kwargs", "json"),
    )
    reasoning: Switch | None = setting(
        'Let the model think before it answers: "on", "off", or "auto" (as its template does).',
        Flag("--reasoning", renamed_from=("-rea",)),
    )
    reasoning_format: Literal["auto", "none", "deepseek", "deepseek-legacy"] | None = setting(
        'Where thoughts go in a reply: "deepseek" to a field of their own, "none" into the text.',
        Flag("--reasoning-format"),
    )
    reasoning_effort: Text | None = setting(
        'How hard to think, given to the template: "low", "medium", "high" …',
        Flag("--reasoning-effort"),
    )
    reasoning_budget: Annotated[int, Field(ge=-1)] | None = setting(
        "Most tokens of thought (-1: no limit; 0: none).", Flag("--reasoning-budget")
    )

    # Longer contexts than trained
    rope_scaling: Literal["none", "linear", "yarn"] | None = setting(
        "How positions are stretched beyond the trained context.", Flag("--rope-scaling")
    )
    rope_scale: Annotated[float, Field(gt=0)] | None = setting(
        "Stretch the context by this factor.", Flag("--rope-scale")
    )
    rope_freq_base: Annotated[float, Field(gt=0)] | None = setting(
        "Base frequency of the positions (from the model).", Flag("--rope-freq-base")
    )
    rope_freq_scale: Annotated[float, Field(gt=0)] | None = setting(
        "Scale of the frequencies: 0.5 doubles the context.", Flag("--rope-freq-scale")
    )
    yarn_orig_ctx: Annotated[int, Field(ge=0)] | None = setting(
        "YaRN: the context that the model was trained for (0: from the model).",
        Flag("--yarn-orig-ctx"),
    )
    yarn_ext_factor: float | None = setting("YaRN: extrapolation mix.", Flag("--yarn-ext-factor"))
    yarn_attn_factor: float | None = setting(
        "YaRN: attention magnitude.", Flag("--yarn-attn-factor")
    )
    yarn_beta_slow: float | None = setting("YaRN: high correction.", Flag("--yarn-beta-slow"))
    yarn_beta_fast: float | None = setting("YaRN: low correction.", Flag("--yarn-beta-fast"))

    # Other kinds of models
    embeddings: bool | None = setting(
        "Serve embeddings only.", Flag("--embeddings", "presence", renamed_from=("--embedding",))
    )
    reranking: bool | None = setting(
        "Serve reranking only.", Flag("--reranking", "presence", renamed_from=("--rerank",))
    )
    pooling: Literal["none", "mean", "cls", "last", "rank"] | None = setting(
        "How token embeddings become one (from the model).", Flag("--pooling")
    )

    args: list[Annotated[str, AfterValidator(_argument)]] | None = setting(
        'Any further arguments, word for word: ["--no-warmup", "--prio", "2"]. They come last.',
        Flag("args", "none"),
    )


class Sampling(Section):
    """[sampling]: how the next token is chosen, where a request does not say."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = setting(
        "Randomness (0.8); 0 always takes the likeliest token.",
        Flag("--temperature", renamed_from=("--temp", "temp")),
    )
    top_k: Annotated[int, Field(ge=0)] | None = setting(
        "Only the k likeliest tokens (40; 0: all).", Flag("--top-k")
    )
    top_p: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "Only the likeliest tokens that add up to p (0.95; 1: all).", Flag("--top-p")
    )
    min_p: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "Only tokens at least p times as likely as the likeliest (0.05; 0: all).", Flag("--min-p")
    )
    typical_p: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "Locally typical sampling (1: off).", Flag("--typical-p", renamed_from=("--typical",))
    )
    top_n_sigma: float | None = setting(
        "Top-n-sigma sampling (-1: off).", Flag("--top-n-sigma", renamed_from=("--top-nsigma",))
    )
    repeat_penalty: Annotated[float, Field(gt=0)] | None = setting(
        "Penalty on repeated tokens (1: off).", Flag("--repeat-penalty")
    )
    repeat_last_n: Annotated[int, Field(ge=0)] | None = setting(
        "How far back repetition counts (64).", Flag("--repeat-last-n")
    )
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = setting(
        "Penalty on tokens that occurred (0).", Flag("--presence-penalty")
    )
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = setting(
        "Penalty by how often tokens occurred (0).", Flag("--frequency-penalty")
    )
    dry_multiplier: Annotated[float, Field(ge=0)] | None = setting(
        "DRY penalty on repeated sequences (0: off).", Flag("--dry-multiplier")
    )
    dry_base: float | None = setting("DRY base (1.75).", Flag("--dry-base"))
    dry_allowed_length: Annotated[int, Field(ge=0)] | None = setting(
        "Longest repetition that DRY lets pass (2).", Flag("--dry-allowed-length")
    )
    xtc_probability: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "Chance of leaving out the likeliest tokens (0: off).", Flag("--xtc-probability")
    )
    xtc_threshold: Annotated[float, Field(ge=0, le=1)] | None = setting(
        "XTC threshold (0.1).", Flag("--xtc-threshold")
    )
    dynatemp_range: Annotated[float, Field(ge=0)] | None = setting(
        "Range of the dynamic temperature (0: off).", Flag("--dynatemp-range")
    )
    mirostat: Literal[0, 1, 2] | None = setting("Mirostat sampling (0: off).", Flag("--mirostat"))
    mirostat_lr: float | None = setting("Mirostat learning rate (0.1).", Flag("--mirostat-lr"))
    mirostat_ent: float | None = setting("Mirostat target entropy (5).", Flag("--mirostat-ent"))
    samplers: list[Text] | None = setting("Samplers, in order.", Flag("samplers", "none"))
    seed: Annotated[int, Field(ge=-1)] | None = setting(
        "Random seed (-1: new).", Flag("--seed", renamed_from=("-s",))
    )
    max_tokens: Annotated[int, Field(ge=-1)] | None = setting(
        "Longest answer in tokens (-1: until the context is full).",
        Flag("--predict", renamed_from=("-n", "n_predict", "--n-predict")),
    )
