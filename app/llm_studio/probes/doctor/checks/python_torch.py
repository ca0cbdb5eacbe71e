"""Which Python environments have PyTorch, and does its build fit driver and GPUs?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from llm_studio.probes.doctor.cuda import DRIVER_FOR, makes_code_for, runs, told, wheels_for
from llm_studio.probes.doctor.distribution import distribution, install_driver
from llm_studio.probes.doctor.environments import (
    Environment,
    environments,
    metadata,
    requirement,
)
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.hardware import AMD, of
from llm_studio.probes.doctor.nvidia import Nvidia, nvidia
from llm_studio.probes.doctor.system import System
from llm_studio.probes.doctor.torch import INDEX, Build, reinstall, torch_in

NEVER = "The package alone is wrong: never build PyTorch from source for this."
_PINNING = ("torchvision", "torchaudio", "vllm", "xformers")
ROCM = "rocm6.4"


def look(system: System) -> Iterator[Finding]:
    driver, everywhere = nvidia(system), environments(system)
    with_torch = [(each, build) for each in everywhere if (build := torch_in(system, each))]
    found: list[Finding] = []
    for environment, build in with_torch:
        judged = [*_build(system, environment, build, driver)]
        found += judged or [*_companions(system, environment, build, driver)]
    if found:
        yield from found
    elif with_torch:
        places = "; ".join(f"{build.told}, in {each.prefix}" for each, build in with_torch[:4])
        more = f" and {len(with_torch) - 4} more" if len(with_torch) > 4 else ""
        yield ok(places + more)
    else:
        yield ok(f"no PyTorch; environments looked at: {len(everywhere)}")


def _build(
    system: System, environment: Environment, build: Build, driver: Nvidia
) -> Iterator[Finding]:
    tell = fault if environment.matters else warning
    where = f"{environment.told}: {build.told}"
    if not driver.usable:
        if build.backend == "cuda" and of(system, AMD):
            yield warning(
                f"{where}, but the GPU is AMD's",
                "torch.cuda.is_available() is False: it runs on the processor.",
                (reinstall(environment, ROCM),),
                NEVER,
            )
        return
    wheels = wheels_for(driver.cuda, driver.capabilities) if driver.cuda else None
    commands = (_command(system, environment, wheels),) if wheels else ()
    commands_driver, advice = install_driver(distribution(system))
    if build.backend in ("cpu", "rocm"):
        yield warning(
            f"{where}, but there is an NVIDIA GPU",
            "torch.cuda.is_available() is False: it runs on the processor.",
            commands or commands_driver,
            NEVER if commands else advice,
        )
    elif build.cuda and driver.cuda and not runs(build.cuda, driver.cuda):
        oldest = DRIVER_FOR.get(build.cuda[0], "")
        yield tell(
            f"{where}, but the driver {driver.driver} offers CUDA {told(driver.cuda)}",
            "CUDA does not start: “the NVIDIA driver on your system is too old”"
            + (f"; that build wants {oldest} or newer." if oldest else "."),
            commands or commands_driver,
            NEVER if commands else advice,
        )
    elif build.cuda:
        for gpu in driver.usable:
            if gpu.capability and not _made_for(build, gpu.capability):
                yield tell(
                    f"{where}, which holds no code for {gpu.told} ({told(gpu.capability)})",
                    "It fails with “no kernel image is available for execution on the device”.",
                    commands or commands_driver,
                    NEVER if commands else advice,
                )
                break


def _made_for(build: Build, capability: tuple[int, int]) -> bool:
    assert build.cuda is not None
    if not makes_code_for(build.cuda, capability):
        return False
    # PyTorch leaves Maxwell and Pascal out of its builds for CUDA 12.8 and 12.9 since 2.8.
    version = tuple(int(part) for part in re.findall(r"\d+", build.version)[:2])
    return not (build.cuda >= (12, 8) and version >= (2, 8) and capability < (7, 0))


def _command(system: System, environment: Environment, wheels: str) -> str:
    """Conda's packages are mended by conda; pip would leave two of them."""
    package = environment.packages["torch"]
    if metadata(system, package, "INSTALLER").strip() == "conda" or ".egg-info" in package.info:
        major = wheels[2:4]
        return (
            f"conda install -y -p {shlex.quote(str(environment.prefix))} -c conda-forge "
            f"pytorch-gpu 'cuda-version={major}'"
        )
    return reinstall(environment, wheels)


def _companions(
    system: System, environment: Environment, build: Build, driver: Nvidia
) -> Iterator[Finding]:
    """Packages of compiled code that go with one version of PyTorch, and fail with any other."""
    tell = fault if environment.matters else warning
    for name in _PINNING:
        package = environment.packages.get(name)
        if package is None:
            continue
        wanted = requirement(system, package, "torch").partition("+")[0]
        if wanted and wanted != build.version:
            wheels = f"cu{build.cuda[0]}{build.cuda[1]}" if build.cuda else "cpu"
            command = (
                reinstall(environment, wheels)
                if name in ("torchvision", "torchaudio")
                else environment.install(f"torch=={wanted} --index-url {INDEX}/{wheels}")
            )
            yield tell(
                f"{environment.told}: {name} {package.version} is made for torch {wanted}, "
                f"but torch {build.version} is there",
                "It fails when it is imported (“undefined symbol”, or an operator is missing).",
                (command,),
                NEVER,
            )
        local = re.fullmatch(r"cu(\d+)\d", package.local)
        if local and build.cuda and int(local[1]) != build.cuda[0]:
            yield tell(
                f"{environment.told}: {name} {package.version} is built for CUDA {local[1]}, "
                f"torch for CUDA {told(build.cuda)}",
                "It refuses to be imported beside that torch.",
                (reinstall(environment, f"cu{build.cuda[0]}{build.cuda[1]}"),)
                if name != "vllm"
                else (environment.install("vllm"),),
                NEVER,
            )


CHECK = Check("python.torch", "PyTorch", Group.PYTHON, 10, look, limit=15)
