"""Real engines that wait for the test before they load: then "loading" lasts as long as needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.e2e.seen import LIMIT, ContainerHandle, docker
from tests.standins.engine_truth import IMAGE

HELD_IMAGE = "llm-studio/test-held:1"
_HOLD = """#!/bin/sh
# A llama-server that waits for the test before it loads a model that is called so.
held=
for word; do
    case $word in held*) held=1 ;; esac
done
[ -n "$held" ] && { [ -p GATE ] || mkfifo GATE; } && read _ <GATE
exec ENGINE "$@"
"""


class Gate(Protocol):
    """Where a held engine waits."""

    def open(self) -> None:
        """Returns once it goes on."""


@dataclass
class FileGate(Gate):
    path: Path

    def __post_init__(self) -> None:
        os.mkfifo(self.path)

    def open(self) -> None:
        self.path.write_text("go\n")


@dataclass
class ContainerGate(Gate):
    engine: Callable[[], ContainerHandle]

    def open(self) -> None:
        docker("exec", self.engine().name, "sh", "-c", "echo go >/tmp/gate")


def write_held_server(path: Path, gate: FileGate) -> None:
    """A llama-server that waits at the gate."""
    embedded = f"{sys.executable} -m llm_studio.engines.embedded"
    path.write_text(_HOLD.replace("GATE", str(gate.path)).replace("ENGINE", embedded))
    path.chmod(0o755)


def build_held_image() -> None:
    script = _HOLD.replace("GATE", "/tmp/gate").replace("ENGINE", "llama-server")
    dockerfile = f"FROM {IMAGE}\nENTRYPOINT {json.dumps(['sh', '-c', script, 'held'])}\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", HELD_IMAGE, "-"],
        input=dockerfile, text=True, check=True, capture_output=True, timeout=LIMIT,
    )  # fmt: skip
