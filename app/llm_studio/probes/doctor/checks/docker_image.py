"""Is the engine's image here, made for this processor, for the driver and for the GPUs?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.cuda import DRIVER_FOR, covers, makes_code_for, needed_for, runs, told
from llm_studio.probes.doctor.distribution import distribution, install_driver
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.image import Image, image_of
from llm_studio.probes.doctor.nvidia import Nvidia, nvidia
from llm_studio.probes.doctor.system import System

_CHOOSE = ("llm-studio image list", "llm-studio image pull")


def look(system: System) -> Iterator[Finding]:
    try:
        system.docker.info()
    except StudioError:
        yield ok("not known: Docker does not answer")
        return
    try:
        name, inspected = system.docker.image()
    except StudioError as error:
        yield fault(
            f"{error.what}. {error.why}".strip(),
            "Engines of kind `docker` do not start while it is unknown from which image.",
            ("llm-studio image list",),
            error.hint,
        )
        return
    if inspected is None:
        yield warning(
            f"{name} is not on this machine",
            "Engines of kind `docker` start from it.",
            ("llm-studio image pull",),
            "Or build it: llm-studio image build",
        )
        return
    image = image_of(name, inspected)
    driver = nvidia(system)
    problems = [*_processor(system, inspected, name), *_driver(system, image, driver, name)]
    problems += _generation(image, driver, name)
    yield from problems or [ok(f"{name}{', ' + image.told if image.told else ''}")]


def _processor(system: System, inspected: Mapping[str, Any], name: str) -> Iterator[Finding]:
    made_for = str(inspected.get("Architecture") or "")
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(system.machine, system.machine)
    if made_for and made_for != ours:
        yield fault(
            f"{name} is made for {made_for}, this machine is {ours}",
            "It does not start, or runs emulated, many times slower.",
            (f"docker pull --platform linux/{ours} {shlex.quote(name)}",),
            part="processor",
        )


def _driver(system: System, image: Image, driver: Nvidia, name: str) -> Iterator[Finding]:
    if not driver.usable:
        return
    if image.backend == "cpu":
        yield warning(
            f"{name} runs on the processor alone, but there is a GPU",
            "Models in it do not use the GPU.",
            _CHOOSE,
            "Choose one with CUDA: llm-studio image use",
            part="backend",
        )
        return
    if image.cuda is None or driver.cuda is None:
        return
    commands, advice = install_driver(distribution(system))
    if not runs(image.cuda, driver.cuda):
        oldest = DRIVER_FOR.get(image.cuda[0])
        yield fault(
            f"{name} needs CUDA {told(image.cuda)}; the driver {driver.driver} offers "
            f"{told(driver.cuda)}",
            "Containers of it are refused, or find no GPU"
            + (f"; its CUDA wants the driver {oldest} or newer." if oldest else "."),
            commands,
            f"{advice} Or choose an image for CUDA {driver.cuda[0]}: llm-studio image list",
            part="cuda",
        )
    elif image.required and driver.cuda < image.required:
        yield warning(
            f"{name} asks for CUDA {told(image.required)}; the driver {driver.driver} offers "
            f"{told(driver.cuda)}",
            "It would run, but the NVIDIA Container Toolkit may refuse to start it.",
            commands,
            f"{advice} Or choose an older image: llm-studio image list",
            part="cuda",
        )


def _generation(image: Image, driver: Nvidia, name: str) -> Iterator[Finding]:
    for gpu in driver.usable:
        if gpu.capability is None or image.backend == "cpu":
            continue
        number = told(gpu.capability)
        if image.architectures:
            how = covers(image.architectures, gpu.capability)
            if not how:
                yield fault(
                    f"{name} holds no code for {gpu.told}: it is made for "
                    f"{', '.join(image.architectures)}, the GPU is {number}",
                    "The engine starts and fails with “no kernel image is available”.",
                    ("llm-studio image build",),
                    "That builds one for this machine's GPUs. Or choose: llm-studio image list",
                    part="generation",
                )
            elif how == "jit":
                yield warning(
                    f"{name} holds no ready code for {gpu.told} ({number})",
                    "The driver translates it at the first start, which takes minutes.",
                    ("llm-studio image build",),
                    part="generation",
                )
        elif image.cuda and not makes_code_for(image.cuda, gpu.capability):
            yield fault(
                f"{name} is built with CUDA {told(image.cuda)}, which makes no code for "
                f"{gpu.told} ({number})",
                f"That GPU needs {needed_for(gpu.capability)}.",
                _CHOOSE,
                part="generation",
            )


CHECK = Check("docker.image", "Engine image", Group.DOCKER, 40, look, limit=14)
