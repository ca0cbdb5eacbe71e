"""Does llama-server in a container see the GPUs? Tried, with the image that is here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.distribution import distribution, restart_docker
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.image import image_of
from llm_studio.probes.doctor.nvidia import nvidia
from llm_studio.probes.doctor.system import System

_WHY = "What is served from this image runs on the processor, or not at all."
_DEVICE = re.compile(r"^\s+(CUDA|ROCm|Vulkan|SYCL)\d+: (.+?) \(", re.MULTILINE)


def look(system: System) -> Iterator[Finding]:
    usable = nvidia(system).usable
    if not usable:
        yield ok("not tried: no NVIDIA GPU answers")
        return
    try:
        name, inspected = system.docker.image()
        if inspected is None:
            yield ok("not tried: the image is not on this machine")
            return
        if image_of(name, inspected).backend == "cpu":
            yield ok("not tried: the image is one without GPU support")
            return
    except StudioError:
        yield ok("not tried: Docker does not answer, or the image is not known")
        return
    try:
        printed = system.docker.devices()
    except StudioError as error:
        said = error.why if error.why not in error.what else ""
        yield _refused(system, f"{error.what}. {said}".strip(), error)
        return
    devices = [each[1] for each in _DEVICE.findall(printed)]
    if "out of memory" in printed:
        yield warning(
            "not told: the memory of the GPUs is full, so a second program could not try them",
            "A model that is served now takes it; whether others could be is not known.",
            ("nvidia-smi", "llm-studio status"),
        )
    elif "invalid argument" in printed:
        yield ok("not tried: the image's llama-server is too old to list its devices")
    elif not devices:
        yield _unseen(system, printed)
    elif len(devices) < len(usable):
        yield fault(
            f"a container sees {len(devices)} of {len(usable)} GPUs: {', '.join(devices)}",
            "Models are planned for all of them, and will not fit.",
            ("nvidia-smi -L", f"docker run --rm --gpus all {shlex.quote(name)} --list-devices"),
        )
    else:
        yield ok(f"tried: a container sees {', '.join(devices)}")


def _refused(system: System, told: str, error: StudioError) -> Finding:
    here = distribution(system)
    text = f"{error.what} {error.why}".lower()
    if "unsatisfied condition" in text or "cuda>=" in text:
        return fault(
            told,
            "The image wants a newer driver than this one.",
            ("llm-studio image list",),
            "Update the driver, or choose an image for an older CUDA.",
        )
    if "select device driver" in text or "containers cannot use" in text:
        return fault(
            told,
            _WHY,
            ("sudo nvidia-ctk runtime configure --runtime=docker", *restart_docker(here)),
            "If nvidia-ctk is not there, docker.toolkit says how it is installed.",
        )
    if "cgroup" in text or "operation not permitted" in text:
        return fault(
            told,
            "The toolkit may not change control groups, as in rootless Docker.",
            ("sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",),
        )
    return fault(told, _WHY, restart_docker(here), error.hint)


def _unseen(system: System, printed: str) -> Finding:
    """llama-server ran, and found no GPU; it often says why."""
    reason = re.search(r"failed to initialize CUDA: (.+)", printed)
    said = reason[1].strip() if reason else ""
    told = "a container starts, but llama-server in it sees no GPU"
    if "insufficient for CUDA" in said or "forward compatib" in said:
        return fault(
            f"{told}: {said}",
            "The image's CUDA is newer than the driver.",
            ("llm-studio image list",),
            "Update the driver, or choose an image for an older CUDA.",
        )
    if "unknown error" in said or "no CUDA-capable device" in said:
        return fault(
            f"{told}: {said}",
            "The container did not get the GPU's device files.",
            (
                "sudo nvidia-modprobe -u -c=0",
                "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
                *restart_docker(distribution(system)),
            ),
        )
    return fault(
        f"{told}{': ' + said if said else ''}",
        _WHY,
        ("llm-studio image list",),
        "Choose an image with CUDA: llm-studio image use",
    )


CHECK = Check("docker.gpu", "GPU in a container", Group.DOCKER, 50, look, limit=45)
