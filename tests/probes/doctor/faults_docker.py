"""Docker that does not answer, or gives containers no GPU."""

from __future__ import annotations

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.machine import Machine, gpu

from llm_studio.errors import StudioError

# Docker


@case("docker.daemon", WARNING, "Docker is not installed", "sudo apt-get install -y docker.io")
def _(m: Machine) -> None:
    m.docker.fails("Docker is not running", "There is nothing at the socket.")
    m.without("docker", "dockerd", "/var/run/docker.sock")


@case("docker.daemon", WARNING, "Docker is not installed", "sudo dnf install -y moby-engine")
def _(m: Machine) -> None:
    m.system("fedora")
    m.docker.fails("Docker is not running")
    m.without("docker", "dockerd", "/var/run/docker.sock")


@case("docker.daemon", WARNING, "Docker is not installed", "sudo pacman -S --needed docker")
def _(m: Machine) -> None:
    m.system("arch")
    m.docker.fails("Docker is not running")
    m.without("docker", "dockerd", "/var/run/docker.sock")


@case("docker.daemon", WARNING, "Docker is not installed", "brew install --cask docker-desktop")
def _(m: Machine) -> None:
    m.macos()
    m.docker.fails("Docker is not running")
    m.without("docker", "dockerd", "/var/run/docker.sock")


@case("docker.daemon", FAULT, "Docker is not running", "sudo systemctl start docker")
def _(m: Machine) -> None:
    m.docker.fails("Docker is not running", "There is nothing at the socket.")
    m.without("/var/run/docker.sock")


@case("docker.daemon", FAULT, "Docker is not running", "sudo service docker start")
def _(m: Machine) -> None:
    m.wsl()
    m.docker.fails("Docker is not running")
    m.without("/var/run/docker.sock")


@case("docker.daemon", FAULT, "Docker is not running", "docker context ls")
def _(m: Machine) -> None:
    m.wsl()  # Docker Desktop's client, without its integration
    m.docker.fails("Docker is not running")
    m.without("/var/run/docker.sock", "dockerd")


@case("docker.daemon", FAULT, "Docker is not running", "open -a Docker")
def _(m: Machine) -> None:
    m.macos()
    m.docker.fails("Docker is not running")
    m.without("/var/run/docker.sock")


@case("docker.daemon", FAULT, "Its service has failed", "sudo journalctl -u docker …")
def _(m: Machine) -> None:
    m.docker.fails("Docker has stopped")
    m.prints("systemctl is-active docker", "failed\n", 3)


@case("docker.daemon", FAULT, "Its service is masked", "sudo systemctl unmask --now docker")
def _(m: Machine) -> None:
    m.docker.fails("Docker is not running")
    m.without("/var/run/docker.sock")
    m.prints("systemctl is-enabled docker", "masked\n", 1)


@case("docker.daemon", FAULT, "Docker has stopped", "systemctl --user enable --now docker")
def _(m: Machine) -> None:
    m.docker.where = "unix:///run/user/1000/docker.sock (rootless Docker)"
    m.docker.fails("Docker has stopped")
    m.files["/run/user/1000/docker.sock"] = ""


@case("docker.daemon", FAULT, "You may not use Docker", 'sudo usermod -aG docker "$USER"')
def _(m: Machine) -> None:
    m.docker.fails("You may not use Docker", "Access is denied.")
    m.unwritable.add("/var/run/docker.sock")


@case("docker.daemon", FAULT, "this session does not know it yet", "newgrp docker")
def _(m: Machine) -> None:
    m.docker.fails("You may not use Docker")
    m.unwritable.add("/var/run/docker.sock")
    m.prints("getent group docker", "docker:x:998:grace,ada\n")


@case("docker.daemon", FAULT, "Docker answers slowly", "sudo systemctl restart docker")
def _(m: Machine) -> None:
    m.docker.fails("Docker answers slowly", "It did not answer in time.")


@case("docker.daemon", FAULT, "There is no Docker context 'work'", "docker context use default")
def _(m: Machine) -> None:
    m.docker.where = StudioError("There is no Docker context 'work'", why="config.json names it.")


@case("docker.daemon", FAULT, "is open to everybody", "unset DOCKER_HOST")
def _(m: Machine) -> None:
    m.docker.where = StudioError("tcp://10.0.0.5:2375 is open to everybody on the way")


@case("docker.daemon", WARNING, "that of another machine", "unset DOCKER_HOST")
def _(m: Machine) -> None:
    m.docker.where = "ssh://ada@box (DOCKER_HOST says so)"


@case("docker.daemon.cgroup", WARNING, "cgroup v1", "sudo grubby --update-kernel=ALL …")
def _(m: Machine) -> None:
    m.system("fedora")
    m.docker.described |= {"SecurityOptions": ["name=rootless"], "CgroupVersion": "1"}


@case("docker.versions.runc", WARNING, "runc 1.2.4 has holes")
def _(m: Machine) -> None:
    m.docker.versions["Components"][2]["Version"] = "1.2.4"


@case("docker.versions.api", FAULT, "speaks only the API 1.18")
def _(m: Machine) -> None:
    m.docker.versions["ApiVersion"] = "1.18"


@case(
    "docker.versions.toolkit", WARNING, "Toolkit 1.16.1 has holes",
    "sudo apt-get install -y --only-upgrade nvidia-container-toolkit",
)  # fmt: skip
def _(m: Machine) -> None:
    m.prints("nvidia-ctk --version", "NVIDIA Container Toolkit CLI version 1.16.1\n")


@case(
    "docker.toolkit", FAULT, "Toolkit is not installed",
    "sudo apt-get install -y nvidia-container-toolkit",
)  # fmt: skip
def _(m: Machine) -> None:
    m.without("nvidia-ctk")


@case(
    "docker.toolkit", FAULT, "Toolkit is not installed",
    "sudo dnf install -y nvidia-container-toolkit",
)  # fmt: skip
def _(m: Machine) -> None:
    m.system("fedora")
    m.without("nvidia-ctk")


@case(
    "docker.toolkit", FAULT, "Toolkit is not installed",
    "sudo pacman -S --needed nvidia-container-toolkit",
)  # fmt: skip
def _(m: Machine) -> None:
    m.system("arch")
    m.without("nvidia-ctk")


def no_runtime(m: Machine) -> None:
    m.docker.described |= {"Runtimes": {"runc": {}}, "DiscoveredDevices": None}


@case(
    "docker.toolkit", FAULT, "but Docker does not know it",
    "sudo nvidia-ctk runtime configure --runtime=docker",
)  # fmt: skip
def _(m: Machine) -> None:
    no_runtime(m)


@case("docker.toolkit", FAULT, "but Docker does not know it", "systemctl --user restart docker")
def _(m: Machine) -> None:
    no_runtime(m)
    m.docker.described["SecurityOptions"] = ["name=rootless"]


@case(
    "docker.toolkit", FAULT, "not set up for rootless Docker",
    "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.described["SecurityOptions"] = ["name=rootless"]


@case(
    "docker.toolkit", FAULT, "is of the driver 570.133.07, but 580.95.05 runs",
    "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
)  # fmt: skip
def _(m: Machine) -> None:
    m.files["/etc/cdi/nvidia.yaml"] = "- hostPath: /usr/lib64/libcuda.so.570.133.07\n"


@case("docker.toolkit", FAULT, "Docker Desktop for Linux", "docker context use default")
def _(m: Machine) -> None:
    m.docker.described["OperatingSystem"] = "Docker Desktop"


@case(
    "docker.toolkit.reload", WARNING, "may lose the GPU",
    "sudo nvidia-ctk system create-dev-char-symlinks --create-all",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.described["DiscoveredDevices"] = None
    m.without("/dev/char")


@case("docker.image", WARNING, "is not on this machine", "llm-studio image pull")
def _(m: Machine) -> None:
    m.docker.inspected = None


@case("docker.image", FAULT, "Cannot read images.json", "llm-studio image list")
def _(m: Machine) -> None:
    m.docker.inspected = StudioError("Cannot read images.json", why="It is damaged.")


@case(
    "docker.image.processor", FAULT, "is made for arm64, this machine is amd64",
    "docker pull --platform linux/amd64 ghcr.io/ggml-org/llama.cpp:server-cuda",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.inspected["Architecture"] = "arm64"


@case("docker.image.backend", WARNING, "runs on the processor alone", "llm-studio image list")
def _(m: Machine) -> None:
    m.docker.name, m.docker.inspected["Config"] = "llm-studio/llama.cpp:cpu", {}


@case(
    "docker.image.cuda", FAULT, "needs CUDA 13.0; the driver 570.133.07 offers 12.8",
    "sudo ubuntu-drivers install",
)  # fmt: skip
def _(m: Machine) -> None:
    m.driver |= {"driver": "570.133.07", "cuda": 12080}
    m.docker.inspected["Config"]["Env"] = ["CUDA_VERSION=13.0.1"]


@case("docker.image.cuda", WARNING, "asks for CUDA 12.8", "sudo ubuntu-drivers install")
def _(m: Machine) -> None:
    m.driver |= {"driver": "550.54", "cuda": 12040, "gpus": [gpu("RTX 4090", (8, 9))]}


@case("docker.image.generation", FAULT, "holds no code for GPU 1", "llm-studio image build")
def _(m: Machine) -> None:
    m.docker.inspected["Config"]["Labels"] = {"cuda.architectures": "86-real,89-real"}


@case("docker.image.generation", WARNING, "no ready code for GPU 1", "llm-studio image build")
def _(m: Machine) -> None:
    m.docker.inspected["Config"]["Labels"] = {"cuda.architectures": "86;89"}


@case(
    "docker.image.generation", FAULT, "CUDA 13.0, which makes no code for GPU 0",
    "llm-studio image list",
)  # fmt: skip
def _(m: Machine) -> None:
    m.driver["gpus"] = [gpu("GeForce GTX 1080 Ti", (6, 1))]
    m.docker.inspected["Config"] = {"Env": ["CUDA_VERSION=13.0.0"], "Labels": None}


@case(
    "docker.image.generation", FAULT, "CUDA 12.4, which makes no code for GPU 1",
    "llm-studio image list",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.inspected["Config"] = {"Env": ["CUDA_VERSION=12.4.1"], "Labels": {}}


@case("docker.gpu", WARNING, "the memory of the GPUs is full", "nvidia-smi")
def _(m: Machine) -> None:
    m.docker.listed = "ggml_cuda_init: found 2 CUDA devices:\nCUDA error: out of memory\n"


@case("docker.gpu", FAULT, "sees no GPU", "llm-studio image list")
def _(m: Machine) -> None:
    m.docker.listed = "Available devices:\n  (none)\n"


@case("docker.gpu", FAULT, "unknown error", "sudo nvidia-modprobe -u -c=0")
def _(m: Machine) -> None:
    m.docker.listed = (
        "ggml_cuda_init: failed to initialize CUDA: unknown error\nAvailable devices:\n  (none)\n"
    )


@case("docker.gpu", FAULT, "insufficient for CUDA runtime", "llm-studio image list")
def _(m: Machine) -> None:
    m.docker.listed = (
        "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA "
        "runtime version\nAvailable devices:\n  (none)\n"
    )


@case("docker.gpu", FAULT, "a container sees 1 of 2 GPUs", "nvidia-smi -L")
def _(m: Machine) -> None:
    m.docker.listed = "Available devices:\n  CUDA0: NVIDIA RTX 4090 (24076 MiB, 1 MiB free)\n"


@case(
    "docker.gpu", FAULT, "Containers cannot use the GPUs",
    "sudo nvidia-ctk runtime configure --runtime=docker",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.listed = StudioError(
        "Containers cannot use the GPUs of this machine",
        why='could not select device driver "" with capabilities: [[gpu]]',
    )


@case("docker.gpu", FAULT, "unsatisfied condition", "llm-studio image list")
def _(m: Machine) -> None:
    m.docker.listed = StudioError(
        "Docker refused",
        why="nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0",
    )


@case(
    "docker.gpu", FAULT, "operation not permitted",
    "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
)  # fmt: skip
def _(m: Machine) -> None:
    m.docker.listed = StudioError(
        "Docker refused", why="nvidia-container-cli: bpf_prog_query: operation not permitted"
    )
