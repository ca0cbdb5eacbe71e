"""Other GPU packages in Python environments: do they have a GPU build, and one that fits?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llm_studio.probes.doctor.cuda import makes_code_for, runs, told
from llm_studio.probes.doctor.environments import Environment, environments, metadata
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.nvidia import Nvidia, nvidia
from llm_studio.probes.doctor.system import System
from llm_studio.probes.doctor.torch import torch_in

KNOWN = (
    "vllm", "llama-cpp-python", "xllamacpp", "onnxruntime-gpu", "onnxruntime", "jax", "flash-attn",
    "bitsandbytes",
)  # fmt: skip
LARGE = 150 << 20
NEVER = "No compiler is needed for this, nor the CUDA toolkit."


@dataclass(frozen=True, slots=True)
class Place:
    """One environment of a machine with an NVIDIA GPU."""

    system: System
    environment: Environment
    driver: Nvidia

    @property
    def where(self) -> str:
        return self.environment.told

    @property
    def major(self) -> int:
        return self.driver.cuda[0] if self.driver.cuda else 12

    @property
    def tell(self) -> Callable[..., Finding]:
        return fault if self.environment.matters else warning

    def names(self, package: str, *folders: str) -> list[str]:
        """Files beside a package's code."""
        site = self.environment.packages[package].site
        found: list[str] = []
        for folder in folders:
            try:
                found += self.system.names(site / folder)
            except OSError:
                continue
        return found


def look(system: System) -> Iterator[Finding]:
    driver, everywhere = nvidia(system), environments(system)
    seen: dict[str, int] = {}
    found: list[Finding] = []
    for environment in everywhere:
        for name in KNOWN:
            if name in environment.packages:
                seen[name] = seen.get(name, 0) + 1
        if driver.usable:
            place = Place(system, environment, driver)
            for rule in RULES:
                found += rule(place)
    told_ = ", ".join(f"{name} in {count}" for name, count in seen.items())
    yield from found or [ok(told_ or f"none; environments looked at: {len(everywhere)}")]


def _onnxruntime(place: Place) -> Iterator[Finding]:
    packages = place.environment.packages
    gpu = packages.get("onnxruntime-gpu")
    if gpu is None:
        return
    if "onnxruntime" in packages:
        yield place.tell(
            f"{place.where}: onnxruntime and onnxruntime-gpu are both there",
            "They are files of the same names; the one without GPU support wins.",
            (
                place.environment.uninstall("onnxruntime onnxruntime-gpu"),
                place.environment.install("onnxruntime-gpu"),
            ),
            NEVER,
        )
        return
    needs = re.search(r"nvidia-cuda-runtime-cu(\d+)", metadata(place.system, gpu))
    numbers = [int(part) for part in re.findall(r"\d+", gpu.base)[:2]]
    major = int(needs[1]) if needs else 11 if numbers < [1, 19] else 12
    if major > place.major:
        yield place.tell(
            f"{place.where}: onnxruntime-gpu {gpu.version} is built for CUDA {major}, the driver "
            f"offers CUDA {place.major}",
            "It falls back to the processor, with a warning that is easily missed.",
            (
                place.environment.install(
                    "'onnxruntime-gpu<1.19'"
                    if place.major < 12
                    else "'onnxruntime-gpu>=1.19,<1.24'"
                ),
            ),
            NEVER,
        )


def _jax(place: Place) -> Iterator[Finding]:
    packages = place.environment.packages
    if "jax" not in packages:
        return
    plugins = [name for name in packages if re.fullmatch(r"jax-cuda\d+-plugin", name)]
    command = place.environment.install(f'"jax[cuda{min(max(place.major, 12), 13)}]"')
    if not plugins:
        yield warning(
            f"{place.where}: jax {packages['jax'].version} has no plug-in for CUDA",
            "It runs on the processor.",
            (command,),
            NEVER,
        )
        return
    plugin, library = packages[plugins[0]], packages.get("jaxlib")
    if int(re.findall(r"\d+", plugin.name)[0]) > place.major:
        yield place.tell(
            f"{place.where}: {plugin.name} wants a newer driver; {place.driver.driver} offers "
            f"CUDA {place.major}",
            "jax finds no GPU.",
            (command,),
            NEVER,
        )
    elif library and library.base != plugin.base:
        yield place.tell(
            f"{place.where}: jaxlib {library.version} and {plugin.name} {plugin.version} are of "
            "different versions",
            "jax refuses the plug-in and runs on the processor.",
            (command,),
            NEVER,
        )


def _flash_attention(place: Place) -> Iterator[Finding]:
    package = place.environment.packages.get("flash-attn")
    build = torch_in(place.system, place.environment)
    made_for = re.search(r"torch(\d+\.\d+)", package.local) if package else None
    if package and build is None:
        yield place.tell(
            f"{place.where}: flash-attn {package.version} is there, but no torch",
            "It cannot be imported.",
            (place.environment.uninstall("flash-attn"),),
        )
    elif made_for and build and not build.version.startswith(f"{made_for[1]}."):
        yield place.tell(
            f"{place.where}: flash-attn is made for torch {made_for[1]}, but torch {build.version} "
            "is there",
            "It fails when it is imported (“undefined symbol”), and so does whatever uses it.",
            (place.environment.uninstall("flash-attn"),),
            "PyTorch has the same attention of its own (scaled_dot_product_attention); or take the "
            "wheel for this torch from the project's releases. Do not build it.",
        )


def _bitsandbytes(place: Place) -> Iterator[Finding]:
    build = torch_in(place.system, place.environment)
    if "bitsandbytes" not in place.environment.packages or build is None or build.cuda is None:
        return
    libraries = place.names("bitsandbytes", "bitsandbytes")
    made_for = {match[1] for name in libraries if (match := re.search(r"_cuda(\d+)", name))}
    if made_for and f"{build.cuda[0]}{build.cuda[1]}" not in made_for:
        yield place.tell(
            f"{place.where}: bitsandbytes has no library for CUDA {told(build.cuda)}, which torch "
            "is built for",
            "Loading in 4 or 8 bits fails.",
            (place.environment.install("bitsandbytes"),),
            NEVER,
        )


def _llama_cpp_python(place: Place) -> Iterator[Finding]:
    if "llama-cpp-python" not in place.environment.packages:
        return
    libraries = place.names("llama-cpp-python", "llama_cpp/lib", "lib")
    if any("cuda" in name for name in libraries):
        return
    build = _llama_cpp_build(place.driver)
    index = f"https://abetlen.github.io/llama-cpp-python/whl/{build}"
    words = f"llama-cpp-python --only-binary llama-cpp-python --extra-index-url {index}"
    yield warning(
        f"{place.where}: llama-cpp-python is built without CUDA",
        "n_gpu_layers has no effect in it: models run on the processor.",
        (place.environment.install(words),) if build else (),
        f"{NEVER} Or let it ask the gateway, which has the GPU."
        if build
        else "Its makers publish no build for this driver and GPU: let it ask the gateway.",
    )


def _llama_cpp_build(driver: Nvidia) -> str:
    """Its makers' own builds for CUDA: one of 12.4, one of 13.0."""
    for cuda in ((13, 0), (12, 4)):
        fits = driver.cuda and runs(cuda, driver.cuda)
        if fits and all(makes_code_for(cuda, each) for each in driver.capabilities):
            return f"cu{cuda[0]}{cuda[1]}"
    return ""


def _xllamacpp(place: Place) -> Iterator[Finding]:
    package = place.environment.packages.get("xllamacpp")
    if package is None or place.driver.cuda is None:
        return
    record = metadata(place.system, package, "RECORD")
    sizes = [int(size) for size in re.findall(r"\.so[\w.]*,[^,\n]*,(\d+)$", record, re.MULTILINE)]
    # Both builds have one name; code for GPUs makes it several times as large.
    if sizes and sum(sizes) < LARGE and not re.search(r"cuda|cublas", record):
        build = "cu128" if place.driver.cuda >= (12, 8) else "cu124"
        yield warning(
            f"{place.where}: xllamacpp seems to be built without CUDA",
            "Models run on the processor in it; so they do in llm-studio's embedded engine.",
            (
                place.environment.install(
                    f"xllamacpp --index-url https://xorbitsai.github.io/xllamacpp/whl/{build}"
                ),
            ),
            NEVER,
        )


def _vllm(place: Place) -> Iterator[Finding]:
    package = place.environment.packages.get("vllm")
    if package and package.local.startswith("cpu"):
        yield warning(
            f"{place.where}: vllm {package.version} is built for the processor",
            "It does not use the GPU.",
            (place.environment.install("vllm"),),
            NEVER,
        )


RULES: tuple[Callable[[Place], Iterator[Finding]], ...] = (
    _vllm, _llama_cpp_python, _xllamacpp, _onnxruntime, _jax, _flash_attention, _bitsandbytes,
)  # fmt: skip
CHECK = Check("python.gpu", "Python GPU packages", Group.PYTHON, 20, look, limit=15)
