"""The one place that calls NVIDIA's library: answers or None, and failures in words.

pynvml raises for everything that a GPU, a driver or a machine does not have. Most of it only
means "not here"; some means that the GPU, or the whole driver, is gone.
"""

from __future__ import annotations

import contextlib
import time
from _ctypes import dlclose
from typing import Any

import pynvml

from llm_studio.text import untrusted_line

MUTE = 60.0
"""Seconds for which a GPU is not asked again what it said it does not know."""
_UNKNOWN_HERE = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
}
_GONE = {
    pynvml.NVML_ERROR_GPU_IS_LOST: (
        "The GPU is lost: it no longer answers on the PCI bus",
        "Reboot. If it happens again, check its power cable and slot; `sudo dmesg | grep Xid` "
        "tells more.",
    ),
    pynvml.NVML_ERROR_RESET_REQUIRED: (
        "The GPU must be reset before it can be used",
        "End the programs that use it, then:  sudo nvidia-smi --gpu-reset  (or reboot).",
    ),
    pynvml.NVML_ERROR_UNINITIALIZED: ("The GPU's driver was unloaded", "It is looked for again."),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "The GPU's driver was unloaded",
        "It is looked for again.",
    ),
    pynvml.NVML_ERROR_GPU_NOT_FOUND: ("The GPU was taken away", "It is looked for again."),
}


class Gone(Exception):
    """The GPU does not answer at all."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    @classmethod
    def because(cls, error: pynvml.NVMLError) -> Gone:
        if error.value in _GONE:
            return cls(*_GONE[error.value])
        return cls(f"The GPU does not answer: {told(error)}", "`nvidia-smi` tells more.")


def open_driver(*, may_reload: bool = False) -> str | None:
    """Start to talk to the driver: None if that worked, else why not; nothing if there is none.

    `may_reload` is for whoever alone uses the library here: it may be one that was since replaced,
    together with the driver, and is then loaded anew.
    """
    try:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            if not may_reload or error.value != pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
                raise
            _unload()
            pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return ""
        if error.value == pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            return (
                "The NVIDIA driver was updated and its kernel module was not: its GPUs cannot be "
                "used until you reboot or reload the module."
            )
        if error.value == pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return (
                "The NVIDIA driver does not answer: its kernel module is not loaded. "
                "`sudo modprobe nvidia` loads it, or says why not."
            )
        if error.value == pynvml.NVML_ERROR_NO_PERMISSION:
            return (
                "The NVIDIA driver does not answer: this user may not open /dev/nvidiactl. "
                "`ls -l /dev/nvidia*` shows who may."
            )
        return f"The NVIDIA driver does not answer: {told(error)}. `nvidia-smi` tells more."
    return None


def _unload() -> None:
    """Let go of the library; pynvml loads it once, and for good."""
    library, pynvml.nvmlLib = pynvml.nvmlLib, None
    pynvml._nvmlGetFunctionPointer_cache.clear()
    if library is not None:
        dlclose(library._handle)


def close_driver() -> None:
    with contextlib.suppress(pynvml.NVMLError):  # it was not open, or is gone
        pynvml.nvmlShutdown()


class Handle:
    """One GPU (or MIG instance) as the driver knows it."""

    def __init__(self, handle: Any) -> None:
        self.raw = handle
        self.answered = False
        """Whether anything was answered since this was set to False."""
        self._muted: dict[tuple[str, tuple[Any, ...]], float] = {}
        self._last: pynvml.NVMLError | None = None

    def ask(self, function: str, *arguments: Any) -> Any:
        """What the function says of this GPU, or None where it says nothing. Raises Gone."""
        if self._muted and self._muted.get((function, arguments), 0.0) > time.monotonic():
            return None
        try:
            found = getattr(pynvml, function)(self.raw, *arguments)
        except pynvml.NVMLError as error:
            if error.value in _GONE:
                raise Gone.because(error) from error
            if error.value in _UNKNOWN_HERE:
                self._muted[function, arguments] = time.monotonic() + MUTE
            else:
                self._last = error
            return None
        except (ValueError, AttributeError):  # no text, or a pynvml that lacks the function
            return None
        self.answered = True
        return found

    def require_an_answer(self) -> None:
        """Raises Gone where not one question was answered."""
        if not self.answered:
            raise Gone.because(self._last or pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN))


def told(error: pynvml.NVMLError) -> str:
    return untrusted_line(str(error)).lower()
