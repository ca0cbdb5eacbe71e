"""What decides which build of llama.cpp fits, read from a driver that says what it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pynvml
import pytest

from llm_studio.probes.accelerators import Accelerators, NvidiaGpu, accelerators


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The answers of NVML, by function; an error is raised."""
    answers: dict[str, Any] = {
        "nvmlInit": None,
        "nvmlShutdown": None,
        "nvmlDeviceGetCount": 2,
        "nvmlDeviceGetName": b"NVIDIA \x1b[31mRTX 4090",
        "nvmlDeviceGetCudaComputeCapability": (8, 9),
        "nvmlSystemGetCudaDriverVersion": 12080,
        "nvmlSystemGetDriverVersion": "570.86.15",
        "nvmlDeviceGetHandleByIndex": 0,
    }

    def answering(name: str) -> Any:
        def answer(*_: object) -> Any:
            if isinstance(answers[name], Exception):
                raise answers[name]
            return answers[name]

        return answer

    for name in answers:
        monkeypatch.setattr(pynvml, name, answering(name))
    return answers


def found(tmp_path: Path) -> Accelerators:
    return accelerators(tmp_path)


def test_nvidias_gpus_and_driver(driver: dict[str, Any], tmp_path: Path) -> None:
    told = found(tmp_path)
    assert told.nvidia == (NvidiaGpu("NVIDIA ␛[31mRTX 4090", (8, 9)),) * 2
    assert (told.driver, told.driver_cuda, told.trouble) == ("570.86.15", (12, 8), "")


def test_no_driver_is_no_trouble(driver: dict[str, Any], tmp_path: Path) -> None:
    driver["nvmlInit"] = pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    assert (found(tmp_path).nvidia, found(tmp_path).trouble) == ((), "")


@pytest.mark.parametrize("where", ["nvmlInit", "nvmlDeviceGetCudaComputeCapability"])
def test_a_driver_that_fails_is_told(driver: dict[str, Any], tmp_path: Path, where: str) -> None:
    driver[where] = pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    told = found(tmp_path)
    assert told.nvidia == ()
    assert told.trouble.startswith("The NVIDIA driver does not")
