"""Is there a GPU, and does its driver answer?"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from llm_studio.probes.doctor.cuda import told
from llm_studio.probes.doctor.distribution import Distribution, distribution, install_driver
from llm_studio.probes.doctor.finding import Check, Finding, Group, fault, ok, warning
from llm_studio.probes.doctor.hardware import AMD, INTEL, NVIDIA, Card, of, windows_gpu
from llm_studio.probes.doctor.nvidia import Nvidia, nvidia
from llm_studio.probes.doctor.system import System, exists, first_line

_WHY = "Without its driver no engine can use the GPU."


def look(system: System) -> Iterator[Finding]:
    if system.platform == "darwin":
        yield _apple(system)
        return
    here, driver, present = distribution(system), nvidia(system), of(system, NVIDIA)
    if not driver.trouble:
        yield _answers(driver, present)
    elif present or windows_gpu(system) or driver.trouble not in ("no library", "not asked"):
        yield _silent(system, driver, present, here)
    elif not of(system, AMD) and not of(system, INTEL):
        yield warning(
            "no GPU was found",
            "Models run on the processor: small ones are usable, large ones are slow.",
            advice="If there is one, see whether it is passed in to this virtual machine or "
            "container (docker run --gpus all).",
        )
    else:
        yield _others(system)


def _answers(driver: Nvidia, present: tuple[Card, ...]) -> Finding:
    names = ", ".join(gpu.name or gpu.told for gpu in driver.gpus)
    cuda = f", CUDA {told(driver.cuda)}" if driver.cuda else ""
    found = f"NVIDIA {driver.driver}{cuda}: {names}"
    if not driver.gpus:
        return fault(
            f"the NVIDIA driver {driver.driver} runs, but sees no GPU",
            "It may be too new for the GPU (580 is the last for Maxwell, Pascal and Volta), or the "
            "GPU is turned off, or given to a virtual machine.",
            ("nvidia-smi -L", "sudo dmesg | grep -i -e nvrm -e nvidia"),
        )
    if len(driver.gpus) < len(present):
        return warning(
            f"{found}; {len(present)} NVIDIA cards are on the bus",
            "One that the driver does not serve is not used.",
            ("sudo dmesg | grep -i -e nvrm -e nvidia",),
        )
    return ok(found)


def _silent(
    system: System, driver: Nvidia, present: tuple[Card, ...], here: Distribution
) -> Finding:
    commands, advice = install_driver(here)
    match driver.trouble:
        case "mismatch":
            version = _module(system)
            return fault(
                "the NVIDIA driver was updated, but the kernel still runs the old one"
                + (f" ({version})" if version else ""),
                "Until they are the same again, no program can use the GPU.",
                ("wsl.exe --shutdown",) if here.wsl else ("sudo reboot",),
            )
        case "denied":
            return fault(
                "the NVIDIA driver runs, but you may not use it",
                f"{_WHY} The rights of /dev/nvidia* keep you out.",
                ("ls -l /dev/nvidia*", 'sudo usermod -aG video,render "$USER"'),
                "Log out and in again, so that the groups count.",
            )
        case "hangs" | "crashed":
            verb = "hangs" if driver.trouble == "hangs" else "crashes whoever asks it"
            return fault(
                f"the NVIDIA driver {verb}",
                "So it is with a GPU that has failed or fallen off the bus.",
                ("sudo dmesg | grep -i xid", "sudo reboot"),
            )
        case "not asked":
            return warning(
                f"the NVIDIA driver could not be asked: {driver.told}",
                "Whether it works is not known; llm-studio asks it with the package nvidia-ml-py.",
                ("nvidia-smi", f"{sys.executable} -m pip install --force-reinstall nvidia-ml-py"),
            )
        case "other":
            return fault(
                f"the NVIDIA driver fails: {driver.told}", _WHY, ("nvidia-smi", "sudo reboot")
            )
    if here.wsl:
        return fault("WSL has no NVIDIA driver from Windows", _WHY, commands, advice)
    bound = next((card.driver for card in present if card.driver), "")
    if bound == "vfio-pci":
        return fault(
            "the GPU is reserved for virtual machines (vfio-pci)",
            "This system leaves it alone, so no engine here can use it.",
            ("lspci -nnk -d 10de:",),
            "Take its id out of vfio-pci's options in /etc/modprobe.d, then restart.",
        )
    if bound == "nouveau":
        return fault(
            "the GPU is run by nouveau, not by NVIDIA's driver",
            "nouveau draws windows, but runs no CUDA.",
            commands,
            advice,
        )
    if bound == "nvidia" and driver.trouble == "no library":
        return _no_library(system, commands, advice)
    if driver.trouble == "not loaded" and not exists(system, "/proc/driver/nvidia/version"):
        return _not_loaded(system, here)
    return fault("there is an NVIDIA GPU, but no driver for it", _WHY, commands, advice)


def _no_library(system: System, commands: tuple[str, ...], advice: str) -> Finding:
    if exists(system, "/.dockerenv") or exists(system, "/run/.containerenv"):
        return fault(
            "this container was started without the GPU that the machine has",
            "NVIDIA's library and device files are put into a container only when it is asked for.",
            advice="Start the container again with --gpus all, or run llm-studio outside of it.",
        )
    return fault(
        "the NVIDIA driver is in the kernel, but its libraries are not installed",
        "Programs reach the GPU through libcuda and libnvidia-ml.",
        commands,
        advice,
    )


def _not_loaded(system: System, here: Distribution) -> Finding:
    """Installed, but not in the kernel: mostly unsigned, or not built for the new kernel."""
    if "enabled" in system.run("mokutil", "--sb-state").out.lower():
        keys = {
            "debian": "/var/lib/dkms/mok.pub",
            "ubuntu": "/var/lib/shim-signed/mok/MOK.der",
            "fedora": "/etc/pki/akmods/certs/public_key.der",
        }
        key = keys.get(here.family, "/var/lib/dkms/mok.pub")
        return fault(
            "the NVIDIA driver is installed, but not loaded; Secure Boot is on",
            "Secure Boot refuses a driver whose signature it does not know.",
            (f"sudo mokutil --import {key}", "sudo reboot"),
            "Choose “Enroll MOK” in the blue screen while it starts.",
        )
    if system.which("dkms"):
        return fault(
            "the NVIDIA driver is installed, but not loaded",
            "Most likely it was not built for the kernel that runs now.",
            ("sudo dkms autoinstall", "sudo modprobe nvidia"),
        )
    return fault(
        "the NVIDIA driver is installed, but not loaded",
        _WHY,
        ("sudo modprobe nvidia", "sudo dmesg | grep -i nvidia"),
    )


def _module(system: System) -> str:
    words = first_line(system, "/proc/driver/nvidia/version").split()
    return next((word for word in words if word.count(".") >= 1 and word[0].isdigit()), "")


def _others(system: System) -> Finding:
    amd, intel = of(system, AMD), of(system, INTEL)
    without = [card for card in (*amd, *intel) if not card.driver]
    if without:
        return fault(
            f"the GPU at {without[0].address} has no driver in this kernel",
            _WHY,
            ("sudo dmesg | grep -i -e amdgpu -e i915 -e ' xe '",),
            "A newer kernel, and its firmware packages, bring one.",
        )
    names = " and ".join(
        f"{len(found)} {vendor} ({found[0].driver})"
        for vendor, found in (("AMD", amd), ("Intel", intel))
        if found
    )
    return ok(f"{names}; llama.cpp uses them through ROCm, SYCL or Vulkan")


def _apple(system: System) -> Finding:
    chip = system.run("sysctl", "-n", "machdep.cpu.brand_string").out.strip()
    if system.machine == "arm64":
        return ok(f"{chip or 'Apple Silicon'}; llama.cpp uses its GPU through Metal")
    return warning(
        f"{chip or 'a Mac with an Intel processor'}",
        "llama.cpp uses the GPUs of Apple Silicon; here models run on the processor.",
        advice="Choose small models: `llm-studio list --here`.",
    )


CHECK = Check("gpu.driver", "GPU driver", Group.GPU, 10, look)
