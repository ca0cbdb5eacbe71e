"""A studio with a home of its own, as a benchmark has it: started, asked, ended with all it did."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.client import Client
from llm_studio.errors import StudioError
from llm_studio.place import socket_path

PROGRAM = str(Path(sys.executable).with_name("llm-studio"))
PATIENCE = 60.0


class Trial:
    """One home with a tiny model, and the studio that runs there."""

    def __init__(self, home: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if "LLM_STUDIO" not in name}
        # As installed: nothing is compiled again at each start.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = {
            **kept,
            "LLM_STUDIO_HOME": str(home),
            "LLM_STUDIO_GATEWAY_PORT": "0",
            "LLM_STUDIO_API_PORT": "0",
            "LLM_STUDIO_CACHES": "off",
            **{f"LLM_STUDIO_{name.upper()}": value for name, value in settings.items()},
        }
        self.home = home
        self.client = Client(socket_path(home / "state"))
        self._studio: subprocess.Popen[bytes] | None = None
        (home / "models").mkdir(parents=True)
        write_tiny_llama(home / "models/tiny.gguf")

    def profile(self, id_: str, kind: str) -> None:
        path = self.home / "profiles" / f"{id_}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f'name = "{id_}"\n[model]\nfile = "tiny.gguf"\n[engine]\nkind = "{kind}"\n'
            "[server]\ncontext = 2048\nparallel = 1\n"
        )

    def start(self) -> float:
        """Start the studio; seconds from then until it has answered for the first time."""
        begun = time.perf_counter()
        self._studio = subprocess.Popen(
            [PROGRAM, "serve"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                self.status()
            except StudioError:
                if self._studio.poll() is not None or time.perf_counter() - begun > PATIENCE:
                    raise
                time.sleep(0.002)
            else:
                return time.perf_counter() - begun

    def status(self) -> Any:
        return self.client.ask("GET", "/status")

    @property
    def process(self) -> psutil.Process:
        assert self._studio is not None
        return psutil.Process(self._studio.pid)

    def processor(self) -> float:
        """Seconds of a core that the studio has used."""
        times = self.process.cpu_times()
        return times.user + times.system

    def serve(self, id_: str) -> float:
        """Serve a profile; seconds until it is ready."""
        begun = time.perf_counter()
        told = self.client.ask("POST", "/switch?wait=true", {"model": id_}, timeout=PATIENCE)
        took = time.perf_counter() - begun
        if not told["success"]:
            raise RuntimeError(f"{id_} is not served: {told['job']}")
        return took

    def kill(self) -> None:
        """The studio is gone at once; what it started goes on."""
        assert self._studio is not None
        self._studio.kill()
        self._studio.wait()

    def end(self) -> None:
        if self._studio is not None and self._studio.poll() is None:
            self.client.ask("POST", "/stop?wait=true", timeout=PATIENCE)
            self._studio.terminate()
            self._studio.wait(PATIENCE)


@contextmanager
def trial(home: Path, **settings: str) -> Iterator[Trial]:
    made = Trial(home, **settings)
    try:
        yield made
    finally:
        made.end()


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    took = time.perf_counter() - begun
    if done.stderr:  # whoever failed fast is no measure
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return took


def docker_here(image: str) -> bool:
    """Whether there is a Docker engine with this image."""
    try:
        return not subprocess.run(
            ["docker", "image", "inspect", image], capture_output=True, check=False
        ).returncode
    except OSError:
        return False
