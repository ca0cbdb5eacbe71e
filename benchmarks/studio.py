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
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.row import Row, shown
from benchmarks.trial import PATIENCE, PROGRAM, Trial, docker_here, seconds, trial

STATUS_RUNS, STATUS_GOAL = 31, 1.5
START_RUNS, START_GOAL = 5, 1.5
SWITCHES, SWITCH_GOAL = 6, 0.5
BARE = [sys.executable, "-c", "pass"]
STATUS = {
    "llm-studio status": [PROGRAM, "status"],
    "llm-studio status --json": [PROGRAM, "status", "--json"],
    "python -m … status": [sys.executable, "-m", "llm_studio", "status"],
}


def measure() -> Iterator[Row]:
    print("The studio (medians)")
    with tempfile.TemporaryDirectory() as folder, trial(Path(folder) / "home") as studio:
        for kind in ("process", "docker"):
            studio.profile(f"{kind}-one", kind)
            studio.profile(f"{kind}-two", kind)
        yield from starts(studio)
        yield from switches(studio, "process", run_process)
        yield from statuses(studio)
        yield from adoptions(studio)
        if docker_here("llm-studio/llama.cpp:cpu"):
            yield from switches(studio, "docker", run_container)
        else:
            print("  switch, docker      left out, there is no Docker engine here")


def starts(studio: Trial) -> Iterator[Row]:
    studio.start()
    rows = []
    for _ in range(START_RUNS):
        studio.end()
        rows.append((seconds(BARE, studio.environment), studio.start()))
    yield _start_row("the studio starts", rows)


def adoptions(studio: Trial) -> Iterator[Row]:
    """A studio was killed, its model serves on: the next one answers, and has taken it over."""
    rows = []
    for _ in range(START_RUNS):
        served = studio.status()["engine"]["instance"]
        studio.kill()
        rows.append((seconds(BARE, studio.environment), studio.start()))
        status = studio.status()
        assert (status["state"], status["engine"]["instance"]) == ("ready", served), status
    yield _start_row("it takes a model over", rows)


def _start_row(what: str, rows: list[tuple[float, float]]) -> Row:
    bare, ours = (median(each) for each in zip(*rows, strict=True))
    beside = f"bare Python: {bare * 1000:.1f} ms"
    goal = f"{START_GOAL:g} s"
    return Row(what, f"{ours * 1000:.0f} ms", beside, ours / bare, goal, ours <= START_GOAL)


def statuses(studio: Trial) -> Iterator[Row]:
    """Asked of a studio that serves a model; against a Python that does nothing."""
    for name, command in STATUS.items():
        seconds(command, studio.environment)
        pairs = [
            (seconds(BARE, studio.environment), seconds(command, studio.environment))
            for _ in range(STATUS_RUNS)
        ]
        bare, ours = (median(each) for each in zip(*pairs, strict=True))
        beside = f"bare Python: {bare * 1000:.1f} ms"
        row = Row(name, f"{ours * 1000:.1f} ms", beside, ours / bare)
        if command[0] == PROGRAM:
            row = replace(row, goal=f"×{STATUS_GOAL:g}", reached=ours / bare <= STATUS_GOAL)
        yield row


Direct = Callable[[Any], tuple[float, float]]


def switches(studio: Trial, kind: str, direct: Direct) -> Iterator[Row]:
    """Two profiles to and fro, in turn with the same engine started and stopped by hand."""
    studio.serve(f"{kind}-one")
    direct(studio.status()["engine"])
    rows = []
    for number in range(SWITCHES):
        whole = studio.serve(f"{kind}-{'one' if number % 2 else 'two'}")
        load, stop = direct(studio.status()["engine"])
        rows.append((whole, load, stop, whole - load - stop))
    whole, load, stop, own = (median(each) for each in zip(*rows, strict=True))
    yield Row(
        f"a switch, {kind}",
        f"{whole * 1000:.0f} ms, its own part {own * 1000:.0f} ms",
        f"the engine: load {load * 1000:.0f} ms, stop {stop * 1000:.0f} ms",
        whole / (load + stop),
        f"{SWITCH_GOAL * 1000:.0f} ms of its own",
        own <= SWITCH_GOAL,
    )


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
    sys.exit(shown(measure()))
