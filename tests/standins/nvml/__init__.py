"""A driver of NVIDIA's that does as a script says; the real pynvml talks to it."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pynvml
import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")


@functools.cache
def build(*flags: str) -> Path:
    """The folder with the library in it, for LD_LIBRARY_PATH. Built once a process."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI"):
            raise RuntimeError("no C compiler, which CI must have")
        pytest.skip("no C compiler, so there is no stand-in for NVIDIA's library")
    folder = Path(tempfile.mkdtemp(prefix="fake-nvml-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "libnvidia-ml.so.1"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", *flags]
    options += ["-Wl,-soname,libnvidia-ml.so.1", "-o", str(library)]
    subprocess.run([compiler, *options, str(SOURCE), "-lpthread"], check=True)
    return folder


@dataclass
class FakeDriver:
    """A script that the library follows, and the environment in which it is found."""

    script: Path
    flags: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = build(*self.flags)
        self.say(*self.lines)

    def say(self, *lines: str) -> None:
        """From now on this is so, whoever asks."""
        self.lines = list(lines)
        new = self.script.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(self.script)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have pynvml use it in this process."""
        library = ctypes.CDLL(str(self.folder / "libnvidia-ml.so.1"))
        monkeypatch.setenv("FAKE_NVML_SCRIPT", str(self.script))
        monkeypatch.setattr(pynvml, "nvmlLib", library)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_NVML_SCRIPT": str(self.script)}
