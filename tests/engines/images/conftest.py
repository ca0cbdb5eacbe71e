"""A registry for these tests, and what lies in it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import pytest
from tests.standins.engine_truth import require_engine
from tests.standins.registry import Registry, kept_clean


@pytest.fixture
def registry() -> Iterator[Registry]:
    require_engine()
    with kept_clean(Registry()) as registry:
        yield registry


@pytest.fixture
def layers() -> list[bytes]:
    """Contents that no other test has, so that Docker has to fetch them."""
    source = random.Random(uuid.uuid4().int)
    return [source.randbytes(700_000) for _ in range(3)]
