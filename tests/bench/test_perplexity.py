"""Perplexity through a real server, held against llama.cpp's own program; and its comparison."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.bench.runs import figures_run
from tests.conftest import Home
from tests.standins.engine_truth import IMAGE, require_engine

from llm_studio.bench.bench import Bench
from llm_studio.bench.compare import compare
from llm_studio.bench.figures import paired
from llm_studio.bench.perplexity.suite import PerplexitySuite
from llm_studio.bench.record import Run
from llm_studio.engines.registry import create_engines
from llm_studio.errors import UsageError
from llm_studio.settings import load_settings
from llm_studio.studio.studio import Studio

pytestmark = pytest.mark.anyio
WINDOW, WINDOWS = 32, 3


@pytest.fixture
async def studio(home: Home) -> AsyncIterator[Studio]:
    home.model(context=1024)
    home.profile(
        "one",
        'name = "one"\n[model]\nfile = "tiny.gguf"\n[engine]\nkind = "process"\n'
        '[server]\ncontext = 256\nparallel = 2\nthreads = 1\ncache_type_k = "f32"\n'
        'cache_type_v = "f32"\nflash_attention = "off"\n[sampling]\nrepeat_penalty = 1.5\n',
    )
    studio = Studio(load_settings(), create_engines(load_settings()))
    yield studio
    for job in studio.stop():
        await studio.jobs.ended(job)
    await studio.close()


def text(folder: Path) -> Path:
    """With characters of several bytes, whose parts are tokens of this model."""
    dice = random.Random(1)
    words = "the harbour master wrote ünïcode every ship 船 came in".split()
    path = folder / "text.txt"
    path.write_text(" ".join(dice.choice(words) for _ in range(120)))
    return path


async def ran(studio: Studio, suite: PerplexitySuite) -> Any:
    async with asyncio.timeout(50):
        return await studio.jobs.ended(await Bench(studio).start(suite, ["one"]))


def suite(file: Path | None, length: int = WINDOW, concurrency: int = 0) -> PerplexitySuite:
    return PerplexitySuite(file=file, windows=WINDOWS, length=length, concurrency=concurrency)


def llama_perplexity(home: Home, file: Path) -> str:
    done = subprocess.run(
        [
            "docker", "run", "--rm", "--network", "none", "--volume", f"{home.root}:/home:ro",
            "--entrypoint", "llama-perplexity", IMAGE, "-m", "/home/models/tiny.gguf",
            "-f", f"/home/{file.name}", "-c", str(WINDOW), "--chunks", str(WINDOWS), "-t", "1",
            "-ctk", "f32", "-ctv", "f32", "-fa", "off",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.engine
async def test_it_is_what_llama_perplexity_says(studio: Studio, home: Home) -> None:
    require_engine()
    file = text(home.root)
    job = await ran(studio, suite(file))
    assert (job.state, job.error) == ("done", "")
    run = Bench(studio).results.get("last")
    figure = run.figures["perplexity"]
    assert (figure.of, len(figure.parts)) == (WINDOWS * (WINDOW // 2 - 1), WINDOWS)
    assert run.settings["requests at a time"] == 2
    for path in (home.models / "tiny.gguf", file, home.models, *home.root.parents[:3], home.root):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    told = await asyncio.to_thread(llama_perplexity, home, file)
    found = re.search(r"PPL = ([\d.]+) \+/- ([\d.]+)", told)
    assert found, told[-2000:]
    assert figure.value == pytest.approx(float(found[1]), rel=1e-3)
    error = (figure.high - figure.low) / 2 / 1.96
    assert error == pytest.approx(float(found[2]), rel=0.35)  # theirs is even, ours a ratio's
    assert run.figures["bits per byte"].of == figure.of  # each token of this model is a byte


@pytest.mark.parametrize(
    ("raw", "why"), [(None, "needs a text"), (b"\xff\xfe", "no text in UTF-8")]
)
async def test_a_text_is_needed(studio: Studio, home: Home, raw: bytes | None, why: str) -> None:
    file = home.root / "text.txt"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(UsageError, match=why):
        await Bench(studio).start(suite(file if raw is not None else None), ["one"])
    assert not list(studio.jobs)


async def test_windows_fit_into_the_text_and_the_context(studio: Studio, home: Home) -> None:
    file = home.root / "text.txt"
    file.write_text("long enough")
    assert "fewer than a window" in (await ran(studio, suite(file))).error
    assert "shorter than a window" in (await ran(studio, suite(file, 4096))).error


def test_windows_are_compared_one_by_one() -> None:
    one = figures_run("a-1", [3.0, 4.0, 5.0, 6.0, 7.0, 8.0], tokens="t")
    slightly = figures_run("a-2", [3.1, 4.1, 5.1, 6.1, 7.1, 8.1], tokens="t")
    mixed = figures_run("a-3", [3.1, 3.9, 5.1, 5.9, 7.1, 7.9], tokens="t")
    few = figures_run("a-4", [3.1, 4.1], tokens="t")
    elsewise = figures_run("a-5", [3.1, 4.1, 5.1, 6.1, 7.1, 8.1], tokens="u")

    def verdicts(other: Run) -> dict[str, str]:
        return {each.measure: each.verdict for each in compare(one, other)}

    assert verdicts(slightly) == {"perplexity": "worse", "bits per byte": "worse"}
    assert verdicts(mixed) == {"perplexity": "tie", "bits per byte": "tie"}
    assert verdicts(few)["perplexity"] == "too few"
    # Another vocabulary: by the byte alone, and no longer one by one.
    assert verdicts(elsewise) == {"bits per byte": "tie"}
    with pytest.raises(UsageError, match="nothing in common"):
        compare(one, figures_run("a-6", [3.0] * 6, tokens="t", data="another"))


def test_chance_of_pairs() -> None:
    assert paired([1, 2, 3], [1, 2, 3]) == 1.0
    assert paired([0.0] * 6, [1.0] * 6) == pytest.approx(2 / 2**6)
    assert paired([0.0] * 40, [1.0] * 40) < 0.001
    assert paired([0.0] * 40, [1.0, -1.0] * 20) > 0.5
