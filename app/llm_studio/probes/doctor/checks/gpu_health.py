"""Is each GPU that the driver knows fit for work?"""

from __future__ import annotations

from collections.abc import Iterator

from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.nvidia import Gpu, nvidia
from llm_studio.probes.doctor.system import System


def look(system: System) -> Iterator[Finding]:
    told = nvidia(system)
    if not told.gpus:
        yield ok("nothing to look at: no NVIDIA GPU answers")
        return
    findings = [finding for gpu in told.gpus for finding in _of(gpu)]
    yield from findings or [ok(f"{len(told.gpus)} of {len(told.gpus)} answer and report no error")]


def _of(gpu: Gpu) -> Iterator[Finding]:
    part = f"gpu{gpu.index}"
    if gpu.lost:
        yield fault(
            f"{gpu.told} is lost: {gpu.lost}",
            "The driver has no contact with it any more; heat, power or its slot may be why.",
            ("sudo dmesg | grep -i xid", "sudo reboot"),
            part=part,
        )
    if gpu.prohibited:
        yield fault(
            f"{gpu.told} is set to run no programs (compute mode Prohibited)",
            "No engine can start on it.",
            (f"sudo nvidia-smi -i {gpu.index} -c DEFAULT",),
            part=part,
        )
    if gpu.rows_failed:
        yield fault(
            f"{gpu.told} has broken memory that it could not replace",
            "Results may be wrong and programs may crash.",
            (f"nvidia-smi -q -i {gpu.index} -d ROW_REMAPPER",),
            "Have it replaced under its warranty.",
            part=part,
        )
    elif gpu.rows_pending:
        yield warning(
            f"{gpu.told} will replace broken memory when it is reset",
            "Until then the broken part is left out or may fail.",
            ("sudo reboot",),
            part=part,
        )
    if gpu.fabric_waits:
        yield fault(
            f"{gpu.told} waits for the NVLink fabric",
            "On machines with NVSwitch CUDA starts only once the fabric manager runs.",
            ("sudo systemctl enable --now nvidia-fabricmanager",),
            part=part,
        )


CHECK = Check("gpu.health", "GPU health", Group.GPU, 20, look)
