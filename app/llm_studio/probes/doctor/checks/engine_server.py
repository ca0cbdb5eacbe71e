"""Is there a llama-server, does it start, and does it see the GPUs?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from llm_studio.probes.doctor.distribution import distribution
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import System, exists

_WHY = "Engines of kind `process` start it."


def look(system: System) -> Iterator[Finding]:
    chosen = system.settings.llama_server
    path = chosen or system.which("llama-server")
    if not path:
        install = {"macos": "brew install llama.cpp"}.get(distribution(system).family)
        yield ok(
            "none on PATH; the embedded engine serves in its place",
            f"To have it too: {install}" if install else "",
        )
        return
    if chosen and not exists(system, chosen):
        yield fault(
            f"{path} is not there",
            f"The setting `llama_server` names it. {_WHY}",
            ("llm-studio config llama_server --unset",),
        )
        return
    ran = system.run(path, "--version", limit=8)
    if ran.trouble == "denied":
        yield fault(
            f"{path} cannot be run: {ran.out}",
            _WHY,
            (f"chmod +x {shlex.quote(path)}", f"file {shlex.quote(path)}"),
        )
        return
    if ran.code != 0:
        yield _fails(system, path, ran.out, ran.code, slow=ran.trouble == "slow")
        return
    version = re.search(r"version:\s*(.+)", ran.out)
    told = f"{path}, {version[1].strip()}" if version else path
    yield from _devices(system, path, told)


def _fails(system: System, path: str, out: str, code: int | None, *, slow: bool) -> Finding:
    missing = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object", out)
    if missing:
        library = missing[1]
        return fault(
            f"{path} does not start: {library} is missing",
            "It was built against CUDA's libraries, or others, that are not here."
            if library.startswith(("libcu", "libnv"))
            else _WHY,
            (f"ldd {shlex.quote(path)} | grep 'not found'",),
            "Install the package that has it, or take another build: "
            "llm-studio config llama_server --unset",
        )
    old = re.search(r"version [`'](GLIBC(?:XX)?_[\d.]+)' not found", out)
    if old:
        return fault(
            f"{path} does not start: it needs {old[1]}",
            "It was built for a newer system than this one.",
            ("llm-studio config llama_server --unset",),
            "Take a build for this system, or the engine `docker`.",
        )
    if code in (-4, 132):
        return fault(
            f"{path} does not start: this processor lacks instructions that it uses",
            "It was built for a newer processor.",
            ("llm-studio config llama_server --unset",),
            "Take a build for all processors, or the engine `docker`.",
        )
    said = "it takes too long" if slow else out.strip().partition("\n")[0]
    return fault(f"{path} does not start: {said}", _WHY, (f"{shlex.quote(path)} --version",))


def _devices(system: System, path: str, told: str) -> Iterator[Finding]:
    if not nvidia(system).usable:
        yield ok(told)
        return
    ran = system.run(path, "--list-devices", limit=8)
    if ran.code != 0 or "out of memory" in ran.out:  # too old to tell, or the GPU is full
        yield ok(f"{told}; whether it sees the GPU is not known")
        return
    if re.search(r"^\s+(CUDA|Vulkan|ROCm)\d+:", ran.out, re.MULTILINE):
        yield ok(f"{told}; it sees the GPU")
        return
    yield warning(
        f"{told}; it sees no GPU",
        "It was built without CUDA, or cannot start it: its models run on the processor.",
        ("llm-studio image pull",),
        'Use the engine `docker` with a CUDA image, or a build with CUDA (engine.kind = "docker" '
        "in the profile).",
    )


CHECK = Check("engine.server", "llama-server", Group.ENGINES, 10, look, limit=18)
