"""What NVIDIA's driver says, as JSON. A process of its own: a lost GPU can hang or crash it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pynvml


def main() -> int:
    print(json.dumps(_asked()))
    return 0


def _asked() -> dict[str, Any]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return {"error": error.value, "told": str(error)}
    told: dict[str, Any] = {
        "driver": _or_none(pynvml.nvmlSystemGetDriverVersion),
        "cuda": _or_none(pynvml.nvmlSystemGetCudaDriverVersion_v2),
        "gpus": [],
    }
    for index in range(_or_none(pynvml.nvmlDeviceGetCount) or 0):
        try:
            told["gpus"].append(_gpu(pynvml.nvmlDeviceGetHandleByIndex(index)))
        except pynvml.NVMLError as error:
            told["gpus"].append({"error": error.value, "told": str(error)})
    return told


def _gpu(handle: Any) -> dict[str, Any]:
    rows = _or_none(lambda: pynvml.nvmlDeviceGetRemappedRows(handle))
    return {
        "name": _text(pynvml.nvmlDeviceGetName(handle)),
        "capability": _or_none(lambda: pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        "compute_mode": _or_none(lambda: pynvml.nvmlDeviceGetComputeMode(handle)),
        "rows_pending": bool(rows and rows[2]),
        "rows_failed": bool(rows and rows[3]),
        "fabric": _or_none(lambda: _fabric(handle)),
    }


def _fabric(handle: Any) -> int:
    info = pynvml.c_nvmlGpuFabricInfo_t()
    pynvml.nvmlDeviceGetGpuFabricInfo(handle, info)
    return int(info.state)


def _or_none(ask: Callable[[], Any]) -> Any:
    """One value; what this driver or GPU does not know hides nothing else."""
    try:
        return _text(ask())
    except (pynvml.NVMLError, AttributeError, TypeError):
        return None


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    sys.exit(main())
