"""Images of these tests: each removed at the end, with whatever else its test pulled."""

from __future__ import annotations

import random
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from tests.standins.engine_truth import require_engine
from tests.standins.registry import Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    require_engine()
    with Registry() as registry:
        yield registry
    listed = subprocess.run(
        ["docker", "images", "--all", "--quiet", "--no-trunc", f"{registry.address}/*"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    digests = subprocess.run(
        ["docker", "images", "--digests", "--format", "{{.Repository}} {{.ID}}", "--no-trunc"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ids = {*listed.stdout.split()} | {
        line.split()[1] for line in digests.stdout.splitlines() if registry.address in line
    }
    if ids:
        subprocess.run(["docker", "rmi", "--force", *ids], check=False, capture_output=True)


@pytest.fixture
def layers() -> list[bytes]:
    """Contents that no other test has, so that Docker has to fetch them."""
    source = random.Random(uuid.uuid4().int)
    return [source.randbytes(700_000) for _ in range(3)]
