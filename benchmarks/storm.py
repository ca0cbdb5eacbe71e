"""An engine that prints 50,000 lines a second, and what the studio is like meanwhile.

`GET /status` is asked every 10 ms over the studio's socket, and counted from the moment at which it
was due: an answer that is late delays those after it, and they say so. An idle studio is asked in
the same way at the same time, which shows what is the machine's part. Every line is accounted for:
in memory, dropped from it, or told to be missing.
"""

from __future__ import annotations

import argparse
import importlib
import io
import re
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.row import Row, shown
from benchmarks.trial import Trial, docker_here, trial

RATE, SECONDS, WHOLE = 50_000, 6, 20
EVERY = 0.01
GOAL_MS, GROWTH_GOAL_MIB = 50.0, 64.0
"""The log's memory holds 16 MiB of text, and what waits to be read as much."""
CAUGHT_UP = 30.0
SERVER = Path(__file__).parents[1] / "tests/standins/storm_server.pl"
BASE, IMAGE = "debian:sid-slim", "llm-studio/benchmark-storm"


def measure(arguments: Sequence[str] = ()) -> Iterator[Row]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true", help=f"{WHOLE} s instead of {SECONDS} s")
    parser.add_argument("--rate", type=int, default=RATE, help="lines a second")
    options = parser.parse_args(list(arguments))
    seconds = WHOLE if options.whole else SECONDS
    print(f"A storm of {options.rate:,} lines a second for {seconds} s")
    yield from storm("process", options.rate, seconds)
    if docker_here(BASE):
        with image():
            yield from storm("docker", options.rate, seconds)
    else:
        print(f"  docker    left out, there is no Docker engine with {BASE} here")


def storm(kind: str, rate: int, seconds: int) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        trial(Path(folder) / "idle") as idle,
        trial(Path(folder) / "home", llama_server=str(SERVER), image=IMAGE) as studio,
    ):
        idle.start()
        studio.profile("storm", kind)
        studio.start()
        studio.serve("storm")
        time.sleep(1)  # what it says of its start is in the log by then
        before = studio.client.ask("GET", "/logs?since=-1")["last"]
        quiet = studio.process.memory_info().rss
        address = studio.status()["engine"]["address"]
        begin = urllib.request.Request(f"{address}/storm?rate={rate}&seconds={seconds}")
        urllib.request.urlopen(begin, timeout=10).close()
        used = studio.processor()
        with ThreadPoolExecutor(2) as both:
            answers, calm = both.map(asked_all_the_time, (studio, idle), (seconds, seconds))
        used = (studio.processor() - used) / seconds
        lines, logged, missing, gaps = accounted(studio, before)
    print(f"  {kind}: status {answers}; an idle studio meanwhile {calm}; {used:.0%} of a core")
    late, beside = answers.at(0.95), calm.at(0.95)
    what = f"{rate // 1000},000 lines/s, {kind}"
    yield Row(
        f"{what}: status",
        f"p95 {late:.1f} ms",
        f"an idle studio: {beside:.1f} ms",
        late / beside,
        f"{GOAL_MS:g} ms",
        late <= GOAL_MS,
    )
    growth = (answers.memory - quiet) / 2**20
    yield Row(
        f"{what}: memory",
        f"{growth:+.0f} MiB at most",
        f"at rest: {quiet / 2**20:.0f} MiB",
        answers.memory / quiet,
        f"+{GROWTH_GOAL_MIB:g} MiB",
        growth <= GROWTH_GOAL_MIB,
    )
    yield Row(
        f"{what}: lines read",
        f"{logged:,}, {'gaps told' if gaps else f'told missing {missing:,}'}",
        f"written: {lines:,}",
        logged / lines,
        "none silently",
        lines == logged + missing or bool(gaps and lines > logged),
    )


class Answers:
    """How long each answer took since its question was due, and the studio's memory at most."""

    def __init__(self, late: list[float], memory: int) -> None:
        self._late = sorted(late)
        self.memory = memory

    def at(self, part: float) -> float:
        return self._late[int(len(self._late) * part)] * 1000

    def __str__(self) -> str:
        worst = self._late[-1] * 1000
        return f"p50 {self.at(0.5):.1f} ms, p95 {self.at(0.95):.1f} ms, worst {worst:.0f} ms"


def asked_all_the_time(studio: Trial, seconds: int) -> Answers:
    late: list[float] = []
    process, most = studio.process, 0
    due = begun = time.perf_counter()
    while due - begun < seconds:
        due += EVERY
        time.sleep(max(due - time.perf_counter(), 0))
        studio.status()
        late.append(time.perf_counter() - due)
        most = max(most, process.memory_info().rss)
    return Answers(late, most)


def accounted(studio: Trial, before: int) -> tuple[int, int, int, int]:
    """Lines that the engine wrote, that were read, and that are told to be missing: counted, or
    in gaps where only Docker knows how many."""
    deadline = time.monotonic() + CAUGHT_UP
    written = None
    while written is None:
        for line in studio.client.ask("GET", "/logs?since=-20")["lines"]:
            written = written or re.search(r"storm over: (\d+) lines", line["text"])
        if time.monotonic() > deadline:
            raise RuntimeError("the end of the storm is not read")
        time.sleep(0.05)
    page = studio.client.ask("GET", f"/logs?since={before}&limit=1")
    last = studio.client.ask("GET", "/logs?since=-1")["last"]
    assert page["dropped"] + len(all_lines(studio, before)) == last - before
    with urllib.request.urlopen(f"{studio.status()['api']}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    gaps, missing = (
        int(metrics.partition(f"\nllm_studio_{name} ")[2].split()[0])
        for name in ("log_gaps_total", "log_lines_missing_total")
    )
    return int(written[1]) + 1, last - before - gaps, missing, gaps


def all_lines(studio: Trial, since: int) -> list[Any]:
    found: list[Any] = []
    while page := studio.client.ask("GET", f"/logs?since={since}&limit=10000")["lines"]:
        found += page
        since = page[-1]["seq"]
    return found


@contextmanager
def image() -> Iterator[None]:
    """An image in which the stand-in is the engine."""
    docker: Any = importlib.import_module("docker")
    client = docker.APIClient()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        recipe = f'FROM {BASE}\nCOPY server /server\nENTRYPOINT ["/server"]\n'.encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        archive.addfile(entry, io.BytesIO(recipe))
        archive.add(SERVER, "server")
    context.seek(0)
    for said in client.build(fileobj=context, custom_context=True, tag=IMAGE, decode=True, rm=True):
        if "error" in said:
            raise RuntimeError(said["error"])
    try:
        yield
    finally:
        client.remove_image(IMAGE, force=True)
        client.close()


if __name__ == "__main__":
    sys.exit(shown(measure(sys.argv[1:])))
