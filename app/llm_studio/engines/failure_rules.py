"""Why an engine ends: one row a cause, the first that applies wins. docs/failures.md shows them.

`error` is looked for in what Docker or the system said, `log` in the engine's own error lines,
`exits` are exit codes. Named groups of a form can be used in the texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """A cause, how it is recognised, and what to say of it."""

    cause: str
    what: str
    why: str
    hint: str
    error: re.Pattern[str] | None = None
    log: re.Pattern[str] | None = None
    exits: tuple[int, ...] = ()
    out_of_memory: bool = False
    """Only where the system says that the memory limit was hit."""


def _rule(cause: str, *texts: str, **told: Any) -> Rule:
    for key in ("error", "log"):
        if key in told:
            told[key] = re.compile(told[key], re.IGNORECASE | re.ASCII)
    what, why, hint = texts
    return Rule(cause, what, why, hint, **told)


_LESS = (
    'Let it choose (`fit = true`, `context = "auto"`), or lower `context` or `gpu_layers`, take '
    "`cache_type_k` and `cache_type_v` of `q8_0`, or `n_cpu_moe` for a mixture of experts."
)
_NEWER = (
    "Use a newer engine: `llm-studio image pull` for Docker; else a newer llama-server or xllamacpp"
)
_AGAIN = "Fetch it again with `llm-studio get`; `llm-studio files FILE` shows what is in a file."
_FILE = r"['\"]?(?P<file>/?[^'\"\n]{1,300}?)['\"]?"

RULES: tuple[Rule, ...] = (
    # What Docker or the system says
    _rule("docker-permission", "Docker may not be used",
          "This user has no right to Docker's socket.",
          "Join the group `docker` (equal to root) or run rootless Docker, then log in again; or "
          'set `engine.kind = "process"`.',
          error=r"permission denied.{0,200}(?:docker|\.sock)|docker.{0,200}permission denied"),
    _rule("docker-down", "Docker does not answer", "Its daemon is not running.",
          "Start it (`sudo systemctl start docker`, or Docker Desktop), or set "
          '`engine.kind = "process"`.',
          error=r"cannot connect to the docker daemon|error while fetching server api version"
          r"|is the docker daemon running|docker\.sock.{0,80}no such file"),
    _rule("image-missing", "The engine's image is not here", "Docker has no image {image}.",
          "Fetch it with `llm-studio image pull`, or choose one with `llm-studio image use`.",
          error=r"no such image:? *(?P<image>\S{1,200})?|unable to find image '(?P<image2>[^']*)'"),
    _rule("nvidia-driver-old", "The NVIDIA driver is too old for this image",
          "The image needs CUDA {cuda}, which the driver does not offer.",
          "Update the driver, or choose an image for an older CUDA with `llm-studio image use`.",
          error=r"unsatisfied condition: cuda *>= *(?P<cuda>[\d.]{1,10})"),
    _rule("nvidia-runtime", "Docker cannot use the GPU",
          "The NVIDIA Container Toolkit is not set up on this machine.",
          "Install it and run `sudo nvidia-ctk runtime configure`, then restart Docker "
          '(`llm-studio doctor` checks); or set `engine.gpus = "none"`.',
          error=r"could not select device driver|nvidia-container-(?:cli|runtime)"
          r"|unknown or invalid runtime name: nvidia|libnvidia-ml\.so"),
    _rule("port-taken", "The port is taken", "Most likely another program listens there ({port}).",
          "Stop it, or let the system choose: `LLM_STUDIO_GATEWAY_PORT=0`, and no `--port` in "
          "`server.args`.",
          error=r"(?:for|listen tcp4?) *\S*?:(?P<port>\d{1,5})\b.{0,80}"
          r"(?:port is already allocated|address already in use)|port is already allocated"
          r"|address already in use",
          log=r"couldn't bind (?:HTTP )?(?:server )?socket.{0,80}port[:=] *(?P<port2>\d{1,5})"),
    _rule("disk-full", "The disk is full", "Nothing more could be written.",
          "Make room; `llm-studio image prune` and `docker system df` show what Docker holds.",
          error=r"no space left on device", log=r"no space left on device"),
    _rule("command-missing", "There is no engine in the image",
          "The image has no program {file} to start.",
          "Choose an image of llama-server with `llm-studio image use`.",
          error=r"exec: \"(?P<file>[^\"]{1,200})\".{0,80}(?:not found|no such file)",
          log=r"^\[FATAL tini.{0,20}\] exec (?P<file2>\S{1,200}) failed"),
    _rule("mount-failed", "The models folder cannot be given to the container",
          "Docker could not mount it.",
          "Check that the folder is there and that Docker may see it (file sharing, where it has "
          "such a list).",
          error=r"bind source path does not exist|error while creating mount source|mounts denied"),
    # Ended from outside: then no line of the log is the cause
    _rule("host-memory-limit", "The engine ran out of host memory",
          "It reached the container's memory limit and was killed.",
          "Raise the limit, lower `context`, `cache_ram` or `n_cpu_moe`, or choose a smaller "
          "quantisation.", out_of_memory=True),
    _rule("killed", "The engine was killed from outside",
          "Somebody, or the system for want of host memory, killed it (exit code 137).",
          "Look for `Out of memory` in `dmesg`; if so, lower `context`, `cache_ram` or "
          "`n_cpu_moe`.", exits=(137,)),
    _rule("terminated", "The engine was told to stop",
          "It got a signal to end that llm-studio did not send.",
          "Somebody stopped it, or Docker or the machine was shutting down. Start it again.",
          exits=(143, 130, 129)),
    # Memory
    _rule("gpu-memory", "The GPU has too little free memory",
          "{device} has no room for {size}.",
          f"{_LESS} `llm-studio show ID` tells what goes where; other programs use GPUs too.",
          log=r"allocating (?P<size>[\d.]{1,20} MiB) on (?P<device>device \d{1,3}): "
          r"(?:cuda|hip|musa)Malloc failed|failed to allocate (?P<device2>(?!CPU)[A-Za-z]{1,12}\d"
          r"\S{0,80}) buffer of size (?P<bytes>\d{1,15})"
          r"|unable to allocate (?P<device3>(?!CPU)[A-Za-z]{1,12}\d\S{0,80}) buffer"
          r"|device memory allocation of size (?P<bytes2>\d{1,15}) failed"
          r"|(?:ErrorOutOfDeviceMemory|cuda error:? out of memory|hipErrorOutOfMemory)"
          r"|(?:CUDA|ROCm|HIP) error.{0,20}: out of memory|kIOGPUCommandBufferCallbackErrorOutOf"),
    _rule("host-memory", "Host memory does not suffice", "The system refused {size}.",
          "Close other programs, lower `context`, `cache_ram` or `n_cpu_moe`, or choose a smaller "
          "quantisation.",
          log=r"std::bad_alloc|mmap failed: cannot allocate|mlock.{0,80}cannot allocate"
          r"|failed to allocate (?:CPU\S{0,80}|\S{0,40}_Host) buffer of size (?P<bytes>\d{1,15})"
          r"|unable to allocate CPU\S* buffer|DefaultCPUAllocator|cannot allocate memory"
          r"|failed to allocate (?:buffer for kv cache|compute (?:pp |tg )?buffers)"),
    # The driver and the GPU
    _rule("cuda-driver", "The NVIDIA driver is too old for this engine",
          "CUDA could not start with it.",
          "Update the driver, or choose an image for an older CUDA with `llm-studio image use`.",
          log=r"cuda driver version is insufficient|unsupported display driver"
          r"|device kernel image is invalid|provided ptx was compiled"),
    _rule("gpu-unsupported", "This engine was not built for this GPU",
          "It holds no code for the GPU's generation.",
          "Build an image for it with `llm-studio image build`, or choose another with "
          "`llm-studio image use`.",
          log=r"no kernel image is available|invalid device function|unsupported gpu architecture"),
    _rule("gpu-lost", "The GPU failed", "The driver reports an error of the device.",
          "See `dmesg` for `Xid`; restart the machine if `nvidia-smi` cannot see the GPU.",
          log=r"cuda error:? (?:an illegal memory access|unspecified launch failure|unknown error"
          r"|uncorrectable ecc)|DeviceLostError|ErrorDeviceLost|gpu is lost"),
    # Files beside the model: what fails in them would else be blamed on the model
    _rule("lora", "The LoRA adapter cannot be used",
          "{file} is missing, or made for another model.",
          "Check `server.lora`; an adapter fits only the model that it was trained on.",
          log=r"failed to load lora adapter '(?P<file>[^'\n]{1,300})'$"
          r"|llama_adapter_lora_init: failed to open '(?P<file2>[^'\n]{1,300})'"),
    _rule("projector", "The projector cannot be used",
          "{file} is missing, or made for another model.",
          "Check `model.mmproj`; take the mmproj file from the model's own repository, and a newer "
          "engine if it is new.",
          log=rf"failed to load multimodal model, {_FILE}$|failed to load CLIP model from "
          r"(?P<file2>\S{1,300})|clip_init: failed to load model '(?P<file3>[^'\n]{1,300})'"
          r"|clip_init: failed|mismatch between text model .{0,60}mmproj"),
    _rule("draft", "The draft model cannot be used", "{file} is missing or damaged.",
          "Check `model.draft`; without it the model serves too, only slower.",
          log=rf"failed to load draft model,? {_FILE}$|draft model.{{0,80}}not compatible"
          r"|vocab.{0,40}draft.{0,60}(?:match|compatible)"),
    _rule("template", "The chat template cannot be used", "Its reader says: {detail}",
          "Set another with `server.chat_template` or `chat_template_file`, or "
          "`server.jinja = false`.",
          log=r"chat template is not supported|common_chat_templates_init: error: (?P<detail>.+)"
          r"|chat template parsing error|failed to (?:initialize|apply) (?:chat )?template"),
    # The model file
    _rule("model-unreadable", "The model file may not be read",
          "The engine has no right to read {file}.",
          "Make it readable for everyone (`chmod a+r FILE`; the container runs as another user).",
          log=rf"failed to open (?:GGUF file )?{_FILE} \(permission denied\)"),
    _rule("shard-missing", "A part of the model is missing", "{file} is not there.",
          "Fetch all parts with `llm-studio get`, into one folder.",
          log=r"failed to load GGUF split from (?P<file>\S{1,300})"
          r"|GGUF file '?(?P<file2>[^'\n]{1,300}-of-\d{5}\.gguf)'? \(no such file"
          r"|invalid split|illegal split file"),
    _rule("model-missing", "The model file is missing", "{file} is not there.",
          "Check `model.file` and the models folders (`llm-studio files`), or fetch it with "
          "`llm-studio get`.",
          log=rf"failed to open (?:GGUF file )?{_FILE} \(no such file"
          r"|failed to open (?P<file2>[^:\n]{1,300}): no such file"
          r"|gguf_init_from_file: failed to open '(?P<file3>[^'\n]{1,300})'"),
    _rule("model-truncated", "The model file is incomplete",
          "It ends before its data does, so it was cut or its download was.", _AGAIN,
          log=r"not within the file bounds|corrupted or incomplete|exceeds remaining file size"
          r"|failed to read magic|failed to read (?:key-value|tensor) |unexpectedly reached end"),
    _rule("model-not-gguf", "The model file is no GGUF file",
          "Its first bytes are those of something else.",
          f"llama.cpp reads GGUF alone. {_AGAIN}",
          log=r"invalid magic characters|bad magic|not a GGUF file"),
    _rule("model-too-new", "The engine is too old for this model file",
          "The file is of a GGUF version that it does not know.",
          f"{_NEWER}.", log=r"this GGUF file is version|unsupported (?:GGUF|file) version"
          r"|invalid ggml type|has invalid type"),
    _rule("architecture-unknown", "The engine does not know this kind of model",
          "It has no architecture {name}; models that are newer than the engine are unknown to it.",
          f"{_NEWER}.",
          log=r"unknown (?:model )?architecture:? *'?(?P<name>[^'\n]{1,60})'?"
          r"|unknown pre-tokenizer type: *'?(?P<name2>[^'\n]{1,60})'?"),
    _rule("tensor-missing", "The model file does not fit the engine",
          "A weight is missing or of another shape: {tensor}.",
          f"{_NEWER}. If it stays so, the file is damaged or badly converted: take another.",
          log=r"tensor '(?P<tensor>[^'\n]{1,100})' (?:not found|has wrong shape)"
          r"|missing tensor:? *'?(?P<tensor2>[^'\n]{0,100})"
          r"|(?P<tensor3>wrong number of tensors; expected \d{1,9}, got \d{1,9})"),
    # Settings
    _rule("cache-needs-flash", "This cache type needs flash attention",
          "Values in the cache can be quantised with flash attention alone.",
          'Set `server.flash_attention = "on"`, or `server.cache_type_v = "f16"`.',
          log=r"quantized V cache.{0,60}requires? ?flash|V cache quantization requires flash"
          r"|quantized V cache was requested"),
    _rule("cache-type", "This cache type does not suit the model",
          "Its blocks do not divide the model's heads.",
          'Set `server.cache_type_k` and `cache_type_v` to `"f16"`.',
          log=r"cache type \S{1,20} with block size \d{1,9} does not divide"),
    _rule("flag-unknown", "The engine does not know an argument", "It has no {flag}.",
          f"Remove it from `server.args`, or see `llm-studio check ID`. {_NEWER}.",
          log=r"invalid argument:? +(?P<flag>-\S{1,80})|unrecognized (?:option|argument)s?:? *"
          r"'?(?P<flag2>-[^'\s]{1,80})"
          r"|error: (?P<flag3>--?\S{1,80}): (?:the embedded engine has no|the wheel )"),
    _rule("value-bad", "The engine refuses a value", "It says of {flag}: {detail}.",
          "Correct it in the profile (`llm-studio edit ID`); `llm-studio show ID` tells which "
          "setting gives this argument.",
          log=r"error while handling argument \"(?P<flag>[^\"\n]{1,80})\": *(?P<detail>.{1,200})"
          r"|error: (?P<flag2>--?[^:\s]{1,80}): (?P<detail2>.{1,200})"
          r"|expected value for argument(?: (?P<flag3>\S{1,80}))?"),
    _rule("library-missing", "A library of the system is missing",
          "The engine needs {file}, which is not installed.",
          "Install it with the system's packages: `libgomp.so.1` is in `libgomp1` (Debian, "
          "Ubuntu), `libgomp` (Fedora, Alpine) or `gcc-libs` (Arch); those of CUDA belong to its "
          "toolkit. Or use Docker.",
          log=r"(?P<file>lib[\w.+-]{1,80}\.so[\d.]{0,20}): cannot open shared object file"),
    _rule("embedded-missing", "There is no engine on this machine",
          "Neither llama-server nor the embedded engine is installed.",
          "Install it with `pip install xllamacpp`, put llama-server on the PATH, or use Docker.",
          log=r"the embedded engine is not installed|No module named '?xllamacpp"),
    _rule("rpc-unreachable", "Another machine does not answer", "There is no server at {address}.",
          "Start the RPC server there, of the same build, or remove `--rpc` from `server.args`.",
          log=r"failed to connect to (?P<address>\S{1,200}:\d{1,5})|rpc.{0,40}version mismatch"),
    # Ended by a fault of its own, and the log does not tell why
    _rule("cpu-unsupported", "The engine cannot run on this processor",
          "It used an instruction that the processor does not have.",
          "Use an image or a build for older processors (`llm-studio image use`).",
          exits=(132,), log=r"illegal instruction"),
    _rule("crashed", "The engine crashed", "It touched memory that was not its own (segfault).",
          f"Start it again; if it stays so, change what was changed last, or: {_NEWER}.",
          exits=(139, 135), log=r"segmentation fault"),
    _rule("aborted", "The engine gave up", "It met a state that it takes for impossible.",
          f"{_NEWER}; `llm-studio logs` has the details.",
          exits=(134, 133, 136), log=r"GGML_ASSERT|GGML_ABORT|terminate called"),
)  # fmt: skip
