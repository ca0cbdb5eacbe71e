"""Broken GPUs and drivers."""

from __future__ import annotations

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.machine import Machine, gpu

from llm_studio.probes.doctor.nvidia import ASK
from llm_studio.probes.doctor.system import Ran

# GPU


@case("gpu.driver", WARNING, "no GPU was found")
def _(m: Machine) -> None:
    m.no_driver(12)
    m.without("/sys/bus/pci")


@case("gpu.driver", FAULT, "this container was started without the GPU")
def _(m: Machine) -> None:
    m.no_driver(12)
    m.files["/.dockerenv"] = ""


@case("gpu.driver", FAULT, "its libraries are not installed", "sudo ubuntu-drivers install")
def _(m: Machine) -> None:
    m.no_driver(12)


@case("gpu.driver", FAULT, "no driver for it", "sudo ubuntu-drivers install")
def _(m: Machine) -> None:
    m.no_driver(12)
    m.without("/proc/driver/nvidia")
    m.card("0000:01:00.0", "0x10de", "")
    m.card("0000:05:00.0", "0x10de", "")


@case(
    "gpu.driver", FAULT, "run by nouveau",
    "sudo apt-get install -y linux-headers-amd64 nvidia-driver",
)  # fmt: skip
def _(m: Machine) -> None:
    m.system("debian")
    m.no_driver(12)
    m.card("0000:01:00.0", "0x10de", "nouveau")


@case(
    "gpu.driver", FAULT, "run by nouveau",
    "sudo dnf install -y akmod-nvidia xorg-x11-drv-nvidia-cuda",
)  # fmt: skip
def _(m: Machine) -> None:
    m.system("fedora")
    m.no_driver(12)
    m.card("0000:01:00.0", "0x10de", "nouveau")


@case("gpu.driver", FAULT, "run by nouveau", "sudo pacman -Syu --needed nvidia-open")
def _(m: Machine) -> None:
    m.system("arch")
    m.no_driver(12)
    m.card("0000:01:00.0", "0x10de", "nouveau")


@case("gpu.driver", FAULT, "run by nouveau", "sudo zypper install …")
def _(m: Machine) -> None:
    m.system("suse")
    m.no_driver(12)
    m.card("0000:01:00.0", "0x10de", "nouveau")


@case("gpu.driver", FAULT, "no driver for it", "sudo ubuntu-drivers install")
def _(m: Machine) -> None:
    m.system("mint")  # known as what it says that it is like
    m.no_driver(12)
    m.card("0000:01:00.0", "0x10de", "")
    m.card("0000:05:00.0", "0x10de", "")


@case("gpu.driver", FAULT, "kernel still runs the old one (580.95.05)", "sudo reboot")
def _(m: Machine) -> None:
    m.no_driver(18)


@case("gpu.driver", FAULT, "kernel still runs the old one", "wsl.exe --shutdown")
def _(m: Machine) -> None:
    m.wsl()
    m.no_driver(18)


@case("gpu.driver", FAULT, "WSL has no NVIDIA driver", "wsl.exe --shutdown")
def _(m: Machine) -> None:
    m.wsl()
    m.no_driver(9)


@case("gpu.driver", FAULT, "not loaded; Secure Boot is on", "sudo mokutil --import …")
def _(m: Machine) -> None:
    m.no_driver(9)
    m.without("/proc/driver/nvidia")
    m.card("0000:01:00.0", "0x10de", "")
    m.card("0000:05:00.0", "0x10de", "")
    m.prints("mokutil --sb-state", "SecureBoot enabled\n")


@case("gpu.driver", FAULT, "installed, but not loaded", "sudo dkms autoinstall")
def _(m: Machine) -> None:
    m.no_driver(9)
    m.without("/proc/driver/nvidia")
    m.card("0000:01:00.0", "0x10de", "")
    m.card("0000:05:00.0", "0x10de", "")


@case("gpu.driver", FAULT, "installed, but not loaded", "sudo modprobe nvidia")
def _(m: Machine) -> None:
    m.no_driver(9)
    m.without("/proc/driver/nvidia", "dkms")
    m.card("0000:01:00.0", "0x10de", "")
    m.card("0000:05:00.0", "0x10de", "")


@case("gpu.driver", FAULT, "reserved for virtual machines", "lspci -nnk -d 10de:")
def _(m: Machine) -> None:
    m.no_driver(9)
    m.card("0000:01:00.0", "0x10de", "vfio-pci")


@case("gpu.driver", FAULT, "you may not use it", 'sudo usermod -aG video,render "$USER"')
def _(m: Machine) -> None:
    m.no_driver(4)


@case("gpu.driver", FAULT, "hangs", "sudo dmesg | grep -i xid")
def _(m: Machine) -> None:
    m.ran[ASK] = Ran(None, trouble="slow")


@case("gpu.driver", WARNING, "could not be asked: ModuleNotFoundError", "nvidia-smi")
def _(m: Machine) -> None:
    m.ran[ASK] = Ran(1, "Traceback …\nModuleNotFoundError: No module named 'pynvml'\n")


@case("gpu.driver", WARNING, "could not be asked: Permission denied", "nvidia-smi")
def _(m: Machine) -> None:
    m.ran[ASK] = Ran(None, "Permission denied", "denied")


@case("gpu.driver", FAULT, "crashes whoever asks it", "sudo reboot")
def _(m: Machine) -> None:
    m.ran[ASK] = Ran(-11, "")


@case("gpu.driver", FAULT, "the NVIDIA driver fails: error 999", "nvidia-smi")
def _(m: Machine) -> None:
    m.no_driver(999)


@case("gpu.driver", FAULT, "sees no GPU", "nvidia-smi -L")
def _(m: Machine) -> None:
    m.driver["gpus"] = []


@case("gpu.driver", WARNING, "2 NVIDIA cards are on the bus", "sudo dmesg | grep …")
def _(m: Machine) -> None:
    del m.driver["gpus"][1]


@case("gpu.driver", FAULT, "0000:03:00.0 has no driver in this kernel", "sudo dmesg | grep …")
def _(m: Machine) -> None:
    m.no_driver(12)
    m.without("/sys/bus/pci")
    m.card("0000:03:00.0", "0x1002", "")


@case("gpu.driver", WARNING, "Intel(R) Core(TM) i9")
def _(m: Machine) -> None:
    m.macos()
    m.machine = "x86_64"
    m.prints("sysctl -n machdep.cpu.brand_string", "Intel(R) Core(TM) i9-9980HK CPU\n")


@case("gpu.health.gpu1", FAULT, "GPU 1 is lost: GPU is lost", "sudo dmesg | grep -i xid")
def _(m: Machine) -> None:
    m.driver["gpus"][1] = {"error": 15, "told": "GPU is lost"}


@case("gpu.health.gpu0", FAULT, "compute mode Prohibited", "sudo nvidia-smi -i 0 -c DEFAULT")
def _(m: Machine) -> None:
    m.driver["gpus"][0]["compute_mode"] = 2


@case(
    "gpu.health.gpu0", FAULT, "broken memory that it could not replace",
    "nvidia-smi -q -i 0 -d ROW_REMAPPER",
)  # fmt: skip
def _(m: Machine) -> None:
    m.driver["gpus"][0]["rows_failed"] = True


@case("gpu.health.gpu0", WARNING, "when it is reset", "sudo reboot")
def _(m: Machine) -> None:
    m.driver["gpus"][0]["rows_pending"] = True


@case(
    "gpu.health.gpu0", FAULT, "waits for the NVLink fabric",
    "sudo systemctl enable --now nvidia-fabricmanager",
)  # fmt: skip
def _(m: Machine) -> None:
    m.driver["gpus"] = [gpu("H200", (9, 0), fabric=2)]


@case("gpu.rights.uvm", FAULT, "/dev/nvidia-uvm is missing", "sudo nvidia-modprobe -u -c=0")
def _(m: Machine) -> None:
    m.without("/dev/nvidia-uvm")


@case(
    "gpu.rights.nvidia", FAULT, "may not open NVIDIA's device files",
    'sudo usermod -aG video,render "$USER"',
)  # fmt: skip
def _(m: Machine) -> None:
    m.unwritable.add("/dev/nvidiactl")


def amd(m: Machine) -> None:
    m.no_driver(12)
    m.without("/sys/bus/pci", "/dev/nvidia")
    m.card("0000:03:00.0", "0x1002", "amdgpu")
    m.files |= {"/dev/dri/renderD128": "", "/dev/kfd": ""}


@case("gpu.rights.render", FAULT, "/dev/dri/renderD128", 'sudo usermod -aG render,video "$USER"')
def _(m: Machine) -> None:
    amd(m)
    m.unwritable.add("/dev/dri/renderD128")


@case("gpu.rights.kfd", FAULT, "/dev/kfd", 'sudo usermod -aG render,video "$USER"')
def _(m: Machine) -> None:
    amd(m)
    m.unwritable.add("/dev/kfd")
