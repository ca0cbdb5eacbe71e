"""What travels: the same shapes for the command line's --json, the API and the terminal UI."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProfileSummary(Wire):
    """A profile in a listing."""

    id: str
    name: str
    state: str
    """"available", "missing", "incomplete", "unusable", "template" or "broken"; of one that is
    served, that of its engine."""
    context: int | None
    """Tokens it would be served with on this machine."""
    fit: str | None
    """"one-gpu", "split", "experts-on-cpu", "layers-on-cpu", "cpu" or "too-big"."""
    badge: str
    """The fit in words for people."""
    speed: float | None
    """Tokens per second, as measured here; null until it was."""
    size: int | None
    """Bytes of the model file."""
    summary: str
    tags: list[str]
    repo: str | None
    file: str | None
    shipped: bool
    path: str
    problems: list[str]
    parameters: str | None = None
    """Like "8.2B"; null where no file tells."""
    quantisation: str | None = None
    slots: int | None = None
    """Requests at a time; null where the server decides."""
    slot_context: int | None = None
    """Of `context`, what one request may have."""
    tools: bool | None = None
    """Whether the template in the model file knows tools; null where none tells."""


class ShownValue(Wire):
    """One value of a profile, and who set it."""

    key: str
    value: str
    origin: str
    """"profile", "inherited from ID", "default" or "fit"."""


class DeviceMemory(Wire):
    """What a profile would take of one device, in bytes; an estimate."""

    name: str
    weights: int
    context: int
    compute: int
    other: int
    room: int
    """What it may take."""
    free: int
    total: int


class ProfileFinding(Wire):
    """One thing that is wrong with a profile, or could be better."""

    level: str
    key: str
    what: str
    why: str


class ShownArgument(Wire):
    """Some words of the engine's command line, and where they come from."""

    words: list[str]
    key: str
    origin: str


class ProfileDetail(Wire):
    """Everything that is known of one profile on this machine."""

    summary: ProfileSummary
    own: bool
    """Whether its file is the user's, so that it can be changed and thrown away."""
    facts: list[tuple[str, str]]
    values: list[ShownValue]
    devices: list[DeviceMemory]
    """The GPUs, then this machine's own memory; none where nothing can be planned."""
    largest_context: int | None
    trained_context: int | None
    cache_type_k: str
    cache_type_v: str
    advice: list[str]
    findings: list[ProfileFinding]
    command: list[ShownArgument]
    environment: dict[str, str]


class ModelFileSummary(Wire):
    """A model file that no profile names."""

    name: str
    size: int
    place: str
    """"folder" for a models folder; else the program whose cache it lies in."""
    path: str = ""
    quantisation: str | None
    parameters: str | None
    problem: str


class EngineStatus(Wire):
    kind: str
    instance: str
    detail: str
    address: str | None
    since: float
    adopted: bool
    command: list[str]


class FailureStatus(Wire):
    """Why it is not as wished, and what to do."""

    cause: str
    what: str
    why: str
    hint: str
    exit_code: int | None
    out_of_memory: bool
    last_lines: list[str]


class StudioStatus(Wire):
    pid: int
    version: str
    since: float


class ServingStatus(Wire):
    """One engine: what is served by it, and what is wished for."""

    state: str
    """"stopped", "starting", "loading", "ready", "draining", "stopping", "failed" or "asleep"."""
    profile: str | None
    desired: str | None
    engine: EngineStatus | None
    detail: str
    stage: str | None
    progress: float | None
    failure: FailureStatus | None
    since: float
    running: int
    waiting: int
    held: dict[str, int] = {}
    """Bytes that its end gives back, by the GPU's UUID; those of the host are under ""."""


class Status(ServingStatus):
    """The main engine, those beside it, and the studio."""

    gateway: str
    api: str
    version: int
    """Counts the changes."""
    beside: list[ServingStatus]
    studio: StudioStatus


class JobStatus(Wire):
    id: str
    kind: str
    title: str
    state: str
    started: float
    ended: float | None
    fraction: float | None
    message: str
    result: object
    error: str
    hint: str


class RequestEntry(Wire):
    """A request to the gateway: what it took, and never what was asked or answered."""

    seq: int
    route: str
    client: str
    profile: str
    model: str
    image: str
    started: float
    seconds: float
    first_token: float | None
    prompt_tokens: int | None
    cached_tokens: int | None
    generated_tokens: int | None
    prompt_speed: float | None
    speed: float | None
    status: int
    outcome: str
    session: str = ""
    """The agent's session that it belongs to."""
    stop: str = ""
    """Why the answer ended, in the words of its API."""
    trouble: str = ""
    """"too-long" (the prompt) or "tool-call" (one that could not be read)."""
    held: float | None = None
    """Seconds before the engine had it: for a place, or for a switch."""


class AgentStatus(Wire):
    """A coding agent, and how it stands with it on this machine."""

    id: str
    title: str
    possible: bool
    """Whether it can work on a local model at all."""
    launched: bool
    """Whether it is launched from here; else it lives in an editor."""
    installed: bool
    path: str
    version: str
    tested: str
    """The version that really ran; empty where only what is written for it was looked at."""
    old: bool
    install: str
    note: str
    fence: str = ""
    """What is put around it here: "bubblewrap", "container", "own" for its own sandbox, "none";
    empty where it is not launched from here."""
    unfenced: str = ""
    """Why there is none, or no better one than its own."""


class AgentSession(Wire):
    """One run of an agent."""

    id: str
    agent: str
    directory: str
    profile: str
    context: int
    protection: str
    started: float
    ended: float | None
    alive: bool
    activity: str
    """"answering", "idle", or "ended"."""
    requests: int
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    last: float | None
    """When its last request ended."""
    summary: str
    advice: list[str]


class LogEntry(Wire):
    seq: int
    time: float
    source: str
    level: str
    text: str


class LogPage(Wire):
    lines: list[LogEntry]
    dropped: int
    last: int


class HubOffer(Wire):
    """A model in a repository, as one quantisation."""

    name: str
    size: int
    files: int
    projector: bool
    missing: int
    """Shards that the repository itself lacks."""


class HubRepository(Wire):
    """A repository of a hub."""

    repository: str
    downloads: int | None = None
    offers: list[HubOffer] = []


class ImageFinding(Wire):
    """One thing that an image was tested for."""

    step: str
    passed: bool
    told: str


class ImageCheck(Wire):
    """How the acceptance test of an image went."""

    passed: bool
    at: float
    version: str
    model: str
    """What it was tested with; speeds of different models cannot be compared."""
    findings: list[ImageFinding]
    prompt_speed: float | None = None
    speed: float | None = None
    """Tokens per second, as the engine measured them."""


class ImageStatus(Wire):
    """A container image of llama.cpp."""

    id: str
    name: str
    tags: list[str]
    digest: str | None
    size: int | None
    created: str
    revision: str | None
    """Of llama.cpp, if the image tells."""
    origin: str
    """"pulled", "built", or "found" on this machine."""
    state: str
    """"in use", "before" (what `rollback` goes back to), "here", or "gone" from Docker."""
    check: ImageCheck | None


class ImageListing(Wire):
    images: list[ImageStatus]
    engine: str
    """What the next engine is started with, unless its profile names another."""
    engine_why: str
    recommended: str | None
    """What fits this machine; null where nothing official does."""
    recommended_why: str


class ImageUsed(Wire):
    """An image that came into use, and what to know about that."""

    image: ImageStatus
    warnings: list[str]


class ImageKept(Wire):
    name: str
    why: str


class ImagesRemoved(Wire):
    """What a clean-up did."""

    removed: list[str]
    kept: list[ImageKept]
    freed: int
    """Bytes, by Docker's own count of its layers."""


class GpuProcess(Wire):
    """A program that uses a GPU."""

    pid: int
    name: str = ""
    memory: int | None = None
    """Bytes on the GPU."""
    engine: bool = False
    """Whether it is the studio's own engine."""


class MigInstance(Wire):
    """A part of a GPU that was divided."""

    uuid: str = ""
    name: str = ""
    memory_total: int | None = None
    memory_used: int | None = None


class GpuSample(Wire):
    """One reading of a GPU. Each field on its own may be null: not known on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """As the history's series call it: `nvidia0`."""
    kind: str
    index: int
    time: float = 0.0
    stale: bool = False
    """The driver did not answer in time, so these are the figures of `time`."""
    fault: str = ""
    """Why there are no figures: it is lost, must be reset …"""
    hint: str = ""
    name: str = ""
    uuid: str = ""
    pci: str = ""
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    """Bytes."""
    utilisation: float | None = None
    """Percent of the time in which it computed."""
    memory_load: float | None = None
    """Percent of the time in which its memory was read or written."""
    temperature: float | None = None
    memory_temperature: float | None = None
    """°C."""
    fan: float | None = None
    """Percent."""
    power: float | None = None
    power_limit: float | None = None
    """Watts."""
    clock: float | None = None
    memory_clock: float | None = None
    """MHz."""
    throttle: list[str] | None = None
    """Why it runs slower than it could, in words; empty if it does not."""
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_sent: float | None = None
    pcie_received: float | None = None
    """Bytes per second."""
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    """Memory errors since the driver was loaded."""
    xid: int | None = None
    """NVIDIA's number of the last fault that the driver reported, and"""
    xid_time: float | None = None
    mig: list[MigInstance] | None = None
    processes: list[GpuProcess] | None = None


class HostSample(Wire):
    """One reading of the machine, and of the engine's process on it."""

    time: float = 0.0
    stale: bool = False
    cpu: float | None = None
    """Percent of all cores together."""
    cores: list[float] | None = None
    load: float | None = None
    memory_total: int | None = None
    memory_available: int | None = None
    memory_used: int | None = None
    swap_total: int | None = None
    swap_used: int | None = None
    disk: str = ""
    """The models folder, whose disk it is."""
    disk_total: int | None = None
    disk_free: int | None = None
    received: float | None = None
    sent: float | None = None
    """Bytes per second over the network."""
    engine_memory: int | None = None
    """Bytes that the engine's process has for itself in host memory."""
    engine_mapped: int | None = None
    """Bytes of mapped files (the model's above all) that it has in host memory."""


class DeviceSplit(Wire):
    """What the engine allocated on a device, as its log told. Bytes."""

    device: str
    weights: int
    context: int
    compute: int


class EngineSample(Wire):
    """One reading of the engine; each field on its own may be null."""

    time: float = 0.0
    stale: bool = False
    profile: str = ""
    instance: str = ""
    speed: float | None = None
    """Tokens per second that are generated now, of all requests together."""
    prompt_speed: float | None = None
    """Tokens per second that are read now."""
    slots: int | None = None
    busy: int | None = None
    queue: int | None = None
    """Requests that wait inside the engine."""
    running: int = 0
    waiting: int = 0
    """Requests at the gateway."""
    context: int | None = None
    """Tokens that fit into a slot."""
    context_used: int | None = None
    """Tokens in the fullest slot that works now."""
    slot_tokens: list[int] = []
    """Tokens in each slot, 0 in one that rests; empty where the engine does not tell."""
    cache_hits: float | None = None
    """The part of all prompt tokens that the cache still held, since the engine started."""
    draft_acceptance: float | None = None
    """The part of drafted tokens that were accepted, since the engine started."""
    memory: list[DeviceSplit] = []


class Mark(Wire):
    """Something that happened, to be shown beside the curves."""

    seq: int
    time: float
    kind: str
    """"loaded", "switched", "adopted", "stopped", "asleep", "failed", "crashed"; and alerts: "gpu",
    "throttled", "hot", "memory-hot", "memory", "burst"."""
    level: str
    """"info", "warning" or "error"."""
    about: str
    """What it is of: a profile, or a GPU's id."""
    text: str
    over: bool = False
    """An alert that has ended."""


class Sample(Wire):
    """What the machine and the engine do, at one moment."""

    seq: int
    time: float
    gpus: list[GpuSample] = []
    host: HostSample
    engine: EngineSample | None = None
    beside: list[EngineSample] = []
    """Engines that serve other profiles beside the main one."""
    notes: list[str] = []
    """What is wrong with a GPU driver, in words."""
    alerts: list[Mark] = []
    """Those that have begun and not ended."""


class Curve(Wire):
    """One series: a value a point, null where there was none."""

    min: list[float | None]
    mean: list[float | None]
    max: list[float | None]


class HistoryPage(Wire):
    """A part of the history."""

    resolution: float
    """Seconds that a point stands for; more than was asked for where nothing finer is kept."""
    times: list[float]
    series: dict[str, Curve]
    marks: list[Mark]
    known: list[str]
    """Every series that there is in the range."""
