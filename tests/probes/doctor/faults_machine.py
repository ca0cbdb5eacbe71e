"""Too little memory, limits, disks and folders that keep models out."""

from __future__ import annotations

import stat

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.machine import GiB, Machine, permission_denied

from llm_studio.probes.doctor.system import Memory, Space, Speed
from llm_studio.settings import load_settings

# Machine


@case("machine.memory", WARNING, "1.0 GiB available: little is free", "ps aux --sort=-rss | head")
def _(m: Machine) -> None:
    m.has_memory = Memory(32 * GiB, 1 * GiB)


@case("machine.memory", WARNING, "4.0 GiB, 3.0 GiB available")
def _(m: Machine) -> None:
    m.has_memory = Memory(4 * GiB, 3 * GiB, 8 * GiB, 8 * GiB)


@case("machine.memory", WARNING, "7.5 of 8.0 GiB swap in use", "swapon --show")
def _(m: Machine) -> None:
    m.has_memory = Memory(32 * GiB, 8 * GiB, 8 * GiB, GiB // 2)


@case("machine.memory", WARNING, "no swap", "sudo mkswap /swapfile")
def _(m: Machine) -> None:
    m.has_memory = Memory(12 * GiB, 8 * GiB)


UNLIMITED = 'sudo systemctl set-property "user-$(id -u).slice" MemoryMax=infinity'


@case("machine.memory.limit", WARNING, "may use 8.0 GiB of them", UNLIMITED)
def _(m: Machine) -> None:
    m.files["/sys/fs/cgroup/memory.max"] = f"{8 * GiB}\n"  # as a container sees it


@case("machine.memory.limit", WARNING, "may use 16.0 GiB of them", UNLIMITED)
def _(m: Machine) -> None:
    m.files |= {
        "/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
        "/sys/fs/cgroup/user.slice/user-1000.slice/memory.max": f"{16 * GiB}\n",
        "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope/memory.max": "max\n",
    }


@case(
    "machine.memory.overcommit", WARNING, "overcommit_memory = 2",
    "sudo sysctl vm.overcommit_memory=0",
)  # fmt: skip
def _(m: Machine) -> None:
    m.files["/proc/sys/vm/overcommit_memory"] = "2\n"


@case("machine.limits.files", WARNING, "may open 256 files", "ulimit -n 4096")
def _(m: Machine) -> None:
    m.limited["files"] = 256


@case("machine.limits.files", FAULT, "may open 64 files", "ulimit -n 4096")
def _(m: Machine) -> None:
    m.limited["files"] = 64


@case("machine.limits.address", FAULT, "4.0 GiB of address space", "ulimit -v unlimited")
def _(m: Machine) -> None:
    m.limited["address_space"] = 4 * GiB


@case("machine.limits.processes", WARNING, "100 processes", "ulimit -u 4096")
def _(m: Machine) -> None:
    m.limited["processes"] = 100


# Models and disks


@case("models.folder.folder", FAULT, "/models: there is no such folder", "findmnt")
def _(m: Machine) -> None:
    m.without("/models")


@case("models.folder.folder", FAULT, "/models: Permission denied", "namei -l /models")
def _(m: Machine) -> None:
    m.files["/models"] = permission_denied()


@case("models.folder.folder", FAULT, "is a file, not a folder", "llm-studio config models /")
def _(m: Machine) -> None:
    m.modes["/models"] = stat.S_IFREG | 0o644


@case("models.folder.folder", FAULT, "you may not look into it", "sudo chmod a+rX /models")
def _(m: Machine) -> None:
    m.closed.add("/models")


@case("models.folder.folder", WARNING, "there is no folder yet", "mkdir -p /home/ada/studio/models")
def _(m: Machine) -> None:
    m.settings = load_settings({"LLM_STUDIO_HOME": "/home/ada/studio"})
    m.model_files = []


@case("models.folder", WARNING, "/models: no model file (GGUF) is there", "llm-studio files")
def _(m: Machine) -> None:
    m.model_files = []


@case("models.folder.file", FAULT, "you may not read qwen.gguf", "sudo chmod a+r /models/qwen.gguf")
def _(m: Machine) -> None:
    m.closed.add("/models/qwen.gguf")


@case("models.speed", WARNING, "120 MB/s", "lsblk -d -o NAME,ROTA,SIZE,MODEL")
def _(m: Machine) -> None:
    m.read_speed = Speed(120_000_000, 1.0, "read directly, past the page cache")


@case("models.speed", WARNING, "90 MB/s over the network (nfs4)", "lsblk -d …")
def _(m: Machine) -> None:
    m.files["/proc/self/mounts"] = "nas:/models /models nfs4 rw 0 0\n"
    m.read_speed = Speed(90_000_000, 1.0, "read directly, past the page cache")


@case("models.speed", WARNING, "from Windows' disk through WSL", "mkdir -p ~/models")
def _(m: Machine) -> None:
    m.wsl()
    m.files["/proc/self/mounts"] = "C:\\134 /models 9p rw 0 0\n"
    m.read_speed = Speed(200_000_000, 1.0, "read after asking the system to drop it from memory")


@case("disk.free.models", WARNING, "/models: 5.0 GiB free", "df -h /models")
def _(m: Machine) -> None:
    m.spaces["/models"] = Space(100 * GiB, 5 * GiB)


@case("disk.free.docker", WARNING, "/var/lib/docker: 2.0 GiB free", "docker image prune")
def _(m: Machine) -> None:
    m.spaces["/var/lib/docker"] = Space(100 * GiB, 2 * GiB)


@case("disk.free.state", FAULT, "0.0 GiB free", "df -h /home/ada/studio/state")
def _(m: Machine) -> None:
    m.spaces["/home/ada/studio/state"] = Space(100 * GiB, 1 << 20)


@case("disk.free.read-only", FAULT, "mounted read-only", "sudo mount -o remount,rw /home")
def _(m: Machine) -> None:
    m.files["/proc/self/mounts"] = "/dev/sda1 / ext4 rw 0 0\n/dev/sda2 /home ext4 ro 0 0\n"
