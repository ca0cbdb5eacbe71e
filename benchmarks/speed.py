"""Whether our figures are true: a tiny model's speed through the server beside llama-bench's, and
beside llama-batched-bench's for several requests at a time.

Both run in containers of the same image, in turn, so that other load hits both alike. What is
compared are all values of all rounds: where their ranges do not even touch, one of them is wrong.
The server samples each token and sends it, which llama-bench does not; with so small a model that
shows.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.tiny_model import write_tiny_llama

from benchmarks.row import Row, shown
from benchmarks.trial import Trial, trial

IMAGE = os.environ.get("LLM_STUDIO_TEST_IMAGE", "llm-studio/llama.cpp:cpu")
ROUNDS = 2
USERS = (1, 2)
PAIRS = (
    ("reading a prompt", "engine_prompt_speed", "prompt_speed"),
    ("generating", "engine_speed", "speed"),
)
PROFILE = """\
name = "speed"
[model]
file = "larger.gguf"
[engine]
kind = "docker"
[server]
context = 4096
parallel = 2
threads = 1
"""


def measure() -> Iterator[Row]:
    print("Speed through the server and by llama-bench (tok/s)")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with trial(Path(folder) / "home", image=IMAGE) as studio:
            runs: list[Any] = []
            batched: dict[int, list[float]] = {count: [] for count in USERS}
            for _ in range(ROUNDS):
                runs += _measured(studio)
                for count, speed in _batched(studio.home / "models", runs[0]):
                    batched[count].append(speed)
    yield from _compare_users(runs, batched)
    for what, ours, theirs in PAIRS:
        server, alone = _values(runs, "server", ours), _values(runs, "llama-bench", theirs)
        yield _beside(f"bench: {what}", server, "llama-bench", alone)
    loads = sorted({load for run in runs for point in run["points"] for load in point["disturbed"]})
    for load in loads:
        print(f"  meanwhile {load}: a range is wider for it")


def _measured(studio: Trial) -> list[Any]:
    path = studio.home / "profiles" / "speed.toml"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(PROFILE)
        larger = studio.home / "models/larger.gguf"
        write_tiny_llama(larger, blocks=8, embedding=256, heads=8, feed_forward=640)
        for each in (studio.home, *studio.home.rglob("*")):
            each.chmod(each.stat().st_mode | (0o055 if each.is_dir() else 0o044))
        studio.start()
    body = {"profiles": ["speed"], "quick": True}
    job = studio.client.ask("POST", "/bench/speed", body)
    job = studio.client.ask("GET", f"/jobs/{job['id']}?wait=true", timeout=300)
    if job["state"] != "done":
        raise RuntimeError(job["error"])
    return [studio.client.ask("GET", f"/bench/{run['id']}") for run in job["result"]["runs"]]


def _batched(models: Path, run: Any) -> Iterator[tuple[int, float]]:
    """Tokens that llama-batched-bench generates a second, as we count them: the time to read the
    prompts belongs to it."""
    point = next(point for point in run["points"] if point["kind"] == "users")
    words = ["-m", "/models/larger.gguf", "-c", "4096", "-t", "1", "--output-format", "jsonl"]
    words += ["-npp", str(point["prompt"]), "-ntg", str(point["answer"])]
    words += ["-npl", ",".join(map(str, USERS))]
    command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{models}:/models:ro"]
    command += ["--entrypoint", "llama-batched-bench", IMAGE, *words]
    for _ in range(2):  # it measures each once
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                told = json.loads(line)
                yield told["pl"], told["pl"] * told["tg"] / told["t"]


def _compare_users(runs: list[Any], batched: dict[int, list[float]]) -> Iterator[Row]:
    for count in USERS:
        server = [
            value
            for run in runs
            for point in run["points"]
            if point["kind"] == "users" and point["users"] == count
            for value in point["measures"]["total_speed"]["values"]
        ]
        yield _beside(f"bench: {count} at a time", server, "llama-batched-bench", batched[count])


def _beside(what: str, server: list[float], tool: str, alone: list[float]) -> Row:
    if not server or not alone:
        return Row(what, "not measured on both sides", goal="measured", reached=False)
    return Row(
        what,
        f"{_range(server)} tok/s",
        f"{tool}: {_range(alone)}",
        max(server) / max(alone),
        "the ranges touch",
        min(server) <= max(alone) and min(alone) <= max(server),
    )


def _values(runs: list[Any], source: str, measure: str) -> list[float]:
    """Of empty contexts, and of one request at a time."""
    return [
        value
        for run in runs
        for point in run["points"]
        if point["source"] == source and point["users"] == 1 and not point["depth"]
        for value in point["measures"].get(measure, {"values": []})["values"]
    ]


def _range(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:,.0f} ({min(values):,.0f} to {max(values):,.0f})"


if __name__ == "__main__":
    sys.exit(shown(measure()))
