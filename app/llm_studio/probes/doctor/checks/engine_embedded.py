"""Can the llama.cpp inside the xllamacpp wheel be loaded?"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from llm_studio.probes.doctor.distribution import distribution, install_openmp
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import System

_SCRIPT = "import xllamacpp; print(xllamacpp.__file__)"
TRY = (sys.executable, "-c", _SCRIPT)
"""In a process of its own: native code may crash."""
VERSION = (sys.executable, "-m", "llm_studio.engines.embedded", "--version")
_WHY = "It serves where there is neither Docker nor a llama-server."


def look(system: System) -> Iterator[Finding]:
    install = (f"{sys.executable} -m pip install --force-reinstall xllamacpp",)
    tried = system.run(*TRY, limit=12)
    if tried.code == 0:
        version = system.run(*VERSION).out.strip().removeprefix("version: ")
        told = version or "it can be loaded"
        if nvidia(system).usable and sys.platform != "darwin":
            yield ok(
                f"{told}; it runs on the processor",
                "For the GPU, use the engine `docker` or a llama-server with CUDA.",
            )
        else:
            yield ok(told)
    elif "No module named" in tried.out:
        yield warning("xllamacpp is not installed", _WHY, install)
    elif tried.code in (-4, 132):
        yield fault(
            "xllamacpp crashes: this processor lacks instructions that it uses",
            _WHY,
            ("llm-studio image pull",),
            "Use the engine `docker`: its image has code for every processor.",
        )
    elif tried.trouble == "slow":
        yield warning("xllamacpp takes too long to load", _WHY, install)
    elif "libgomp.so" in tried.out:
        yield fault(
            "xllamacpp cannot be loaded: this system lacks libgomp",
            _WHY,
            install_openmp(distribution(system)),
            "It is the OpenMP library of GCC, which minimal systems leave out.",
        )
    else:
        last = tried.out.strip().rpartition("\n")[2]
        yield fault(
            f"xllamacpp cannot be loaded: {last or f'exit code {tried.code}'}",
            _WHY,
            install,
        )


CHECK = Check("engine.embedded", "Embedded engine", Group.ENGINES, 20, look, limit=20)
