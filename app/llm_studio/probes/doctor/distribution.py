"""Which system this is, and the commands that mend things on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llm_studio.probes.doctor.system import System, first_line

Family = Literal["debian", "ubuntu", "fedora", "arch", "suse", "macos", "other"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A system as far as its commands differ from those of others."""

    family: Family
    name: str
    wsl: bool = False


def distribution(system: System) -> Distribution:
    """What os-release says; unknown ones count as what they say that they are like."""
    if system.platform == "darwin":
        version = system.run("sw_vers", "-productVersion").out.strip()
        return Distribution("macos", f"macOS {version}".strip())
    kernel = first_line(system, "/proc/sys/kernel/osrelease").lower()
    told = _os_release(system)
    words = [told.get("ID", ""), *told.get("ID_LIKE", "").split()]
    return Distribution(
        next((family for word in words if (family := _FAMILIES.get(word))), "other"),
        told.get("PRETTY_NAME") or "Linux",
        "microsoft" in kernel,
    )


_FAMILIES: Mapping[str, Family] = {
    "ubuntu": "ubuntu", "debian": "debian", "fedora": "fedora", "rhel": "fedora",
    "centos": "fedora", "arch": "arch", "archlinux": "arch", "suse": "suse", "opensuse": "suse",
}  # fmt: skip


def _os_release(system: System) -> dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            lines = system.read(path).splitlines()
        except OSError:
            continue
        pairs = (re.fullmatch(r"([A-Z_]+)=\"?([^\"]*)\"?", line.strip()) for line in lines)
        return {pair[1]: pair[2] for pair in pairs if pair}
    return {}


def install_driver(here: Distribution) -> tuple[tuple[str, ...], str]:
    """How NVIDIA's driver comes, or is updated: commands, and what to do besides."""
    if here.wsl:
        return ("wsl.exe --shutdown",), (
            "First install or update the NVIDIA driver in Windows (nvidia.com/drivers); "
            "never install one inside WSL."
        )
    again = "Restart the machine afterwards."
    match here.family:
        case "ubuntu":
            return ("sudo ubuntu-drivers install",), again
        case "debian":
            return (
                "sudo apt-get install -y linux-headers-amd64 nvidia-driver",
            ), f"It is in Debian's non-free section, which has to be enabled. {again}"
        case "fedora":
            return (
                "sudo dnf install -y akmod-nvidia xorg-x11-drv-nvidia-cuda",
            ), f"The packages are RPM Fusion's, which has to be enabled. {again}"
        case "arch":
            return ("sudo pacman -Syu --needed nvidia-open",), again
        case "suse":
            return ("sudo zypper install --auto-agree-with-licenses nvidia-open",), again
    return (), f"Install the driver from nvidia.com/drivers. {again}"


def install_docker(here: Distribution) -> tuple[tuple[str, ...], str]:
    start = ("sudo systemctl enable --now docker", 'sudo usermod -aG docker "$USER"')
    again = "Log out and in again, so that the group counts."
    match here.family:
        case "ubuntu" | "debian":
            return ("sudo apt-get install -y docker.io", *start), again
        case "fedora":
            return ("sudo dnf install -y moby-engine", *start), again
        case "arch":
            return ("sudo pacman -S --needed docker", *start), again
        case "suse":
            return ("sudo zypper install -y docker", *start), again
        case "macos":
            return ("brew install --cask docker-desktop",), "Then start Docker Desktop once."
    return (), "Install Docker as docs.docker.com/engine/install says."


_KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
_SOURCE = "https://nvidia.github.io/libnvidia-container"


_INSTALL = {
    "ubuntu": "sudo apt-get install -y",
    "debian": "sudo apt-get install -y",
    "fedora": "sudo dnf install -y",
    "arch": "sudo pacman -S --needed",
    "suse": "sudo zypper install -y",
}


def _package(here: Distribution, name: str, **elsewhere: str) -> tuple[str, ...]:
    """A package of the system's own, which some families call otherwise."""
    install = _INSTALL.get(here.family)
    return (f"{install} {elsewhere.get(here.family, name)}",) if install else ()


def install_bubblewrap(here: Distribution) -> tuple[str, ...]:
    return _package(here, "bubblewrap")


def install_toolkit(here: Distribution) -> tuple[str, ...]:
    """The NVIDIA Container Toolkit, from NVIDIA's own repository where the system has none."""
    match here.family:
        case "ubuntu" | "debian":
            return (
                f"curl -fsSL {_SOURCE}/gpgkey | sudo gpg --dearmor -o {_KEYRING}",
                f"curl -fsSL {_SOURCE}/stable/deb/nvidia-container-toolkit.list"
                f" | sed 's#deb https://#deb [signed-by={_KEYRING}] https://#'"
                " | sudo tee /etc/apt/sources.list.d/nvidia-container-toolkit.list",
                "sudo apt-get update",
                "sudo apt-get install -y nvidia-container-toolkit",
            )
        case "fedora":
            return (
                f"curl -fsSL {_SOURCE}/stable/rpm/nvidia-container-toolkit.repo"
                " | sudo tee /etc/yum.repos.d/nvidia-container-toolkit.repo",
                "sudo dnf install -y nvidia-container-toolkit",
            )
        case "arch":
            return ("sudo pacman -S --needed nvidia-container-toolkit",)
        case "suse":
            return (
                f"sudo zypper ar {_SOURCE}/stable/rpm/nvidia-container-toolkit.repo",
                "sudo zypper --gpg-auto-import-keys install -y nvidia-container-toolkit",
            )
    return ()


def install_openmp(here: Distribution) -> tuple[str, ...]:
    """The library that llama.cpp computes with on several cores (libgomp)."""
    return _package(here, "libgomp1", fedora="libgomp", arch="gcc-libs")


def update(here: Distribution, *packages: str) -> tuple[str, ...]:
    """Newer versions of packages that are installed."""
    words = " ".join(packages)
    match here.family:
        case "ubuntu" | "debian":
            return ("sudo apt-get update", f"sudo apt-get install -y --only-upgrade {words}")
        case "fedora":
            return (f"sudo dnf upgrade -y {words}",)
        case "arch":
            return ("sudo pacman -Syu",)
        case "suse":
            return (f"sudo zypper update -y {words}",)
        case "macos":
            return (f"brew upgrade {words}",)
    return ()


def start_docker(here: Distribution) -> tuple[str, ...]:
    if here.family == "macos":
        return ("open -a Docker",)
    return ("sudo service docker start",) if here.wsl else ("sudo systemctl start docker",)


def restart_docker(here: Distribution) -> tuple[str, ...]:
    if here.family == "macos":
        return ("osascript -e 'quit app \"Docker\"'", "open -a Docker")
    return ("sudo service docker restart",) if here.wsl else ("sudo systemctl restart docker",)


def set_clock(here: Distribution) -> tuple[str, ...]:
    if here.family == "macos":
        return ("sudo sntp -sS time.apple.com",)
    return ("sudo hwclock --hctosys",) if here.wsl else ("sudo timedatectl set-ntp true",)
