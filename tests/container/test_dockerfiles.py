"""The files that images are made from: linted, and held to rules of our own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_studio.engines.images.build import arguments_of, folder, variants

FOLDER = Path(__file__).parents[2] / "container"
FILES = sorted(FOLDER.glob("*.Dockerfile"))
WITHOUT_PINS = "DL3008"
"""Debian keeps no old versions, so a pin of a package breaks the build within weeks."""


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each instruction and its text, continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word, text) for word, text in found]


def last_stage(path: Path) -> list[tuple[str, str]]:
    found = instructions(path)
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def test_they_are_found_by_the_program() -> None:
    assert folder() == FOLDER
    assert variants() == ["cpu", "cuda", "sandbox", "vulkan"]
    assert {"LLAMA_REVISION", "CUDA_VERSION", "CUDA_ARCHITECTURES"} <= set(arguments_of("cuda"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_hadolint_finds_nothing(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not there for this machine")
    done = subprocess.run(
        [hadolint, "--no-color", "--ignore", WITHOUT_PINS, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_rules(path: Path) -> None:
    found = instructions(path)
    for word, text in found:
        if word == "FROM":
            image = text.split()[0]
            assert ":" in image, "a base without a tag is another one every day"
            assert not image.endswith(":latest")
        if word == "RUN":
            assert not re.search(r"(curl|wget)[^|]*\|\s*(ba)?sh", text)
            assert "--no-install-recommends" in text or "apt-get install" not in text
            assert "rm -rf /var/lib/apt/lists/*" in text or "apt-get install" not in text
            assert not re.search(r"\bapt install|apt-get (dist-)?upgrade|\bsudo\b", text)
        if word in ("CMD", "ENTRYPOINT"):
            assert text.startswith("["), "a shell would take the signals that are for the server"
        assert word not in ("ADD", "MAINTAINER")
    last = last_stage(path)
    [user] = [text for word, text in last if word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    [health] = [text for word, text in last if word == "HEALTHCHECK"]
    served = [text for word, text in last if word == "EXPOSE"]
    assert ("LLAMA_ARG_PORT}/health" in health) if served else health == "NONE"
    environment = " ".join(text for word, text in last if word == "ENV")
    assert all(f"LLAMA_ARG_PORT={port}" in environment for port in served)
    labels = " ".join(text for word, text in last if word == "LABEL")
    assert {"title", "created"} <= set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels))


def test_the_cuda_image_is_compiled_from_a_pinned_revision() -> None:
    text = (FOLDER / "cuda.Dockerfile").read_text()
    assert re.search(r"^ARG LLAMA_REVISION=b\d+$", text, re.MULTILINE)
    for part in ("-DGGML_CUDA=ON", "-DGGML_RPC=ON", "target=/ccache", "rpc-server"):
        assert part in text
    for program in ("llama-server", "llama-bench", "llama-fit-params"):
        assert f"build/bin/{program}" in text
    labels = text.partition("LABEL ")[2]
    for label in ("image.revision", "image.created", "llm-studio.architectures"):
        assert label in labels


def test_the_compose_example_is_locked_down() -> None:
    yaml: Any = pytest.importorskip("yaml")
    service = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["llama"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0")
    [models] = service["volumes"]
    assert models["read_only"]
    assert not models["bind"]["create_host_path"]
    assert not service["image"].endswith(("latest}", "server-cuda13}"))
