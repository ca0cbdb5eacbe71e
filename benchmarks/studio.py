"""The studio's own speed: its answers to the command line, its start, and what a switch costs.

Each is measured in turn with what it is compared to, so that a noisy machine slows both.
"""

from __future__ import annotations

import http.client
import importlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.trial import PATIENCE, PROGRAM, Trial, docker_here, seconds, told, trial

STATUS_RUNS, STATUS_GOAL = 31, 1.5
START_RUNS, START_GOAL = 5, 1.5
SWITCHES, SWITCH_GOAL = 6, 0.5
BARE = [sys.executable, "-c", "pass"]
STATUS = {
    "status": [PROGRAM, "status"],
    "status --json": [PROGRAM, "status", "--json"],
    "python -m … status": [sys.executable, "-m", "llm_studio", "status"],
}


def main() -> int:
    print("\nThe studio (medians)")
    missed = 0
    with tempfile.TemporaryDirectory() as folder, trial(Path(folder) / "home") as studio:
        for kind in ("process", "docker"):
            studio.profile(f"{kind}-one", kind)
            studio.profile(f"{kind}-two", kind)
        missed += starts(studio)
        missed += switches(studio, "process", run_process)
        missed += statuses(studio)
        missed += adoptions(studio)
        if docker_here("llm-studio/llama.cpp:cpu"):
            missed += switches(studio, "docker", run_container)
        else:
            print("  switch, docker      left out, there is no Docker engine here")
    return missed


def starts(studio: Trial) -> int:
    studio.start()
    rows = []
    for _ in range(START_RUNS):
        studio.end()
        rows.append((seconds(BARE, studio.environment), studio.start()))
    return _start_told("start", rows)


def adoptions(studio: Trial) -> int:
    """A studio was killed, its model serves on: the next one answers, and has taken it over."""
    rows = []
    for _ in range(START_RUNS):
        served = studio.status()["engine"]["instance"]
        studio.kill()
        rows.append((seconds(BARE, studio.environment), studio.start()))
        status = studio.status()
        assert (status["state"], status["engine"]["instance"]) == ("ready", served), status
    return _start_told("start, with a model", rows)


def _start_told(name: str, rows: list[tuple[float, float]]) -> int:
    bare, ours = (median(each) for each in zip(*rows, strict=True))
    reached = ours <= START_GOAL
    print(
        f"  {name:<20}{ours * 1000:6.0f} ms  bare Python {bare * 1000:5.1f} ms  x{ours / bare:.0f}"
        f"  {told(reached, f'{START_GOAL:g} s')}"
    )
    return int(not reached)


def statuses(studio: Trial) -> int:
    """Asked of a studio that serves a model; against a Python that does nothing."""
    missed = 0
    for name, command in STATUS.items():
        seconds(command, studio.environment)
        pairs = [
            (seconds(BARE, studio.environment), seconds(command, studio.environment))
            for _ in range(STATUS_RUNS)
        ]
        bare, ours = (median(each) for each in zip(*pairs, strict=True))
        ratio = ours / bare
        goal = ""
        if command[0] == PROGRAM:
            goal = f"  {told(ratio <= STATUS_GOAL, f'x{STATUS_GOAL:g}')}"
            missed += ratio > STATUS_GOAL
        figures = f"{ours * 1000:6.1f} ms  bare Python {bare * 1000:5.1f} ms  x{ratio:.2f}"
        print(f"  {name:<20}{figures}{goal}")
    return missed


Direct = Callable[[Any], tuple[float, float]]


def switches(studio: Trial, kind: str, direct: Direct) -> int:
    """Two profiles to and fro, in turn with the same engine started and stopped by hand."""
    studio.serve(f"{kind}-one")
    direct(studio.status()["engine"])
    rows = []
    for number in range(SWITCHES):
        whole = studio.serve(f"{kind}-{'one' if number % 2 else 'two'}")
        load, stop = direct(studio.status()["engine"])
        rows.append((whole, load, stop, whole - load - stop))
    whole, load, stop, own = (median(each) for each in zip(*rows, strict=True))
    reached = own <= SWITCH_GOAL
    figures = (
        f"{whole * 1000:6.0f} ms  engine: load {load * 1000:.0f} ms, stop {stop * 1000:.0f} ms"
    )
    print(
        f"  {f'switch, {kind}':<20}{figures}  own {own * 1000:.0f} ms"
        f"  {told(reached, f'{SWITCH_GOAL:g} s')}"
    )
    return int(not reached)


def run_process(engine: Any) -> tuple[float, float]:
    """Seconds until the same command serves, and until it has ended."""
    command = list(engine["command"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command[command.index("--port") + 1] = str(port)
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_ready(port)
        ready = time.perf_counter()
        child.terminate()
        child.wait(PATIENCE)
        return ready - begun, time.perf_counter() - ready
    finally:
        child.kill()
        child.wait()


def run_container(engine: Any) -> tuple[float, float]:
    """The same for a container of the same making."""
    docker: Any = importlib.import_module("docker")
    client = docker.APIClient()
    name = f"llm-studio-{engine['instance']}"
    like = client.inspect_container(name)
    config = {**like["Config"], "HostConfig": like["HostConfig"], "Labels": {}}
    config.pop("Hostname", None)
    begun = time.perf_counter()
    made = client.create_container_from_config(config)["Id"]
    try:
        client.start(made)
        ports = client.inspect_container(made)["NetworkSettings"]["Ports"]
        _until_ready(int(ports["8080/tcp"][0]["HostPort"]))
        ready = time.perf_counter()
        client.stop(made, timeout=10)
        return ready - begun, time.perf_counter() - ready
    finally:
        client.remove_container(made, force=True, v=True)
        client.close()


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if time.monotonic() > deadline:
            raise RuntimeError("the engine does not serve")
        time.sleep(0.002)


if __name__ == "__main__":
    sys.exit(main())
