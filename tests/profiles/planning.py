"""Plans of made-up profiles for made-up model files and machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.standins.architectures import ARCHITECTURES
from tests.standins.gguf_writer import Value, write_gguf

from llm_studio.models.fit import Host
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library, ModelFile
from llm_studio.models.memory import Device, GiB
from llm_studio.profiles.catalogue import Catalogue, Source, parse_source
from llm_studio.profiles.plan import Machine, Plan


def write_model(
    folder: Path,
    architecture: str,
    name: str = "m.gguf",
    metadata: Mapping[str, Value] | None = None,
) -> Path:
    """A model's header without its vocabulary, which no rule looks at."""
    layout = ARCHITECTURES[architecture]()
    described = {"general.architecture": layout.architecture, **layout.metadata, **(metadata or {})}
    return write_gguf(folder / name, described, layout.tensors)[0]


def library_of(folder: Path) -> Library:
    with Headers(folder / "cache") as headers:
        library = Library.scan([folder], headers, caches=False)
        list(library)  # read while the cache is open
    return library


def plan_of(
    text: str,
    library: Library,
    *,
    gpus: tuple[int, ...] = (24,),
    host: int = 64,
    id_: str = "subject",
) -> Plan:
    devices = tuple(
        Device(f"GPU {index}", size * GiB, size * GiB, f"GPU-{index}")
        for index, size in enumerate(gpus)
    )
    source = parse_source(Source(id_, Path(f"{id_}.toml"), False, f'name = "X"\n{text}'))
    machine = Machine(devices, Host(host * GiB, host * GiB))
    return Plan(Catalogue([source]).get(id_), machine, library)


def model_in(folder: Path, name: str = "m.gguf") -> ModelFile:
    return library_of(folder).get(name)
