"""Which image a machine gets: by make, driver and generation of its GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_studio.probes.accelerators import Accelerators, NvidiaGpu, accelerators
from llm_studio.studio.image_choice import choose

PASCAL = NvidiaGpu("GTX 1080 Ti", (6, 1))
TURING = NvidiaGpu("RTX 2080", (7, 5))
ADA = NvidiaGpu("RTX 4090", (8, 9))
BLACKWELL = NvidiaGpu("RTX 5070 Ti", (12, 0))
KEPLER = NvidiaGpu("Tesla K80", (3, 7))


def nvidia(
    driver: str, cuda: tuple[int, int], *gpus: NvidiaGpu, machine: str = "x86_64"
) -> Accelerators:
    return Accelerators(machine, "Linux", gpus, driver, cuda)


@pytest.mark.parametrize(
    ("found", "tag", "told"),
    [
        (nvidia("580.65", (13, 0), ADA, BLACKWELL), "server-cuda13", "Driver 580.65 runs"),
        (nvidia("590.10", (13, 1), TURING), "server-cuda13", "every GPU"),
        (nvidia("580.65", (13, 0), ADA, machine="aarch64"), "server-cuda13", "13.0"),
        (nvidia("580.65", (13, 0), PASCAL, BLACKWELL), "server-cuda", "no code for GTX 1080 Ti"),
        (nvidia("570.12", (12, 8), ADA, BLACKWELL), "server-cuda", "CUDA 13 needs driver 580"),
        (nvidia("575.5", (12, 9), PASCAL), "server-cuda", "compute capability 6.1"),
        (nvidia("550.54", (12, 4), ADA), "", "update the driver to 570"),
        (nvidia("470.22", (11, 4), KEPLER), "server", "until the driver is newer"),
        (nvidia("515.1", (11, 7), ADA), "server", "until the driver is newer"),
        (Accelerators("x86_64", amd=("gfx1100",)), "server-rocm", "ROCm supports"),
        (Accelerators("x86_64", amd=("gfx1100", "gfx803")), "server-vulkan", "gfx1100, gfx803"),
        (Accelerators("aarch64", amd=("gfx1100",)), "server-vulkan", "Vulkan does"),
        (Accelerators("x86_64"), "server", "No GPU was found"),
        (Accelerators("aarch64"), "server", "No GPU was found"),
        (Accelerators("arm64", "Darwin"), "server", "Metal"),
        (Accelerators("s390x"), "server-s390x", "s390x"),
        (Accelerators("riscv64"), "", "riscv64"),
        (Accelerators("x86_64", trouble="The NVIDIA driver does not answer: x"), "server", "until"),
    ],
)  # fmt: skip
def test_the_choice(found: Accelerators, tag: str, told: str) -> None:
    choice = choose(found)
    assert choice.tag == tag
    assert choice.reference.rpartition(":")[2] == tag
    assert told in choice.why
    assert choice.why.endswith(".")


def test_what_to_build_is_for_the_gpus_at_hand() -> None:
    choice = choose(nvidia("580.65", (13, 0), BLACKWELL, ADA, ADA))
    assert choice.variant == "cuda"
    assert choice.arguments == {"CUDA_ARCHITECTURES": "89;120", "CUDA_VERSION": "13.0.1"}
    old = choose(nvidia("550.54", (12, 4), ADA)).arguments
    assert (old["CUDA_VERSION"], old["UBUNTU_VERSION"]) == ("12.4.1", "22.04")
    assert choose(nvidia("572.1", (12, 7), ADA)).arguments["CUDA_VERSION"] == "12.6.3"
    assert choose(Accelerators("x86_64", amd=("gfx803",))).variant == "vulkan"
    assert choose(Accelerators("riscv64")).variant == "cpu"


def test_amds_gpus_are_read_from_their_driver(tmp_path: Path) -> None:
    for number, version in enumerate((0, 110001, 90010)):
        (tmp_path / str(number)).mkdir()
        text = f"cpu_cores_count 0\ngfx_target_version {version}\n"
        (tmp_path / str(number) / "properties").write_text(text)
    assert accelerators(tmp_path).amd == ("gfx1101", "gfx90a")
