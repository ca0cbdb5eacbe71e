"""Names of images as people type them."""

from __future__ import annotations

import pytest

from llm_studio.engines.images.reference import OFFICIAL, Reference
from llm_studio.errors import UsageError

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server-cuda13", Reference(OFFICIAL, "server-cuda13")),
        ("server", Reference(OFFICIAL, "server")),
        ("full-vulkan-b11063", Reference(OFFICIAL, "full-vulkan-b11063")),
        ("nginx:1.27", Reference("nginx", "1.27")),
        ("localhost:5000/a/b:c", Reference("localhost:5000/a/b", "c")),
        ("127.0.0.1:5000/a:c", Reference("127.0.0.1:5000/a", "c")),
        (f"ghcr.io/x/y@{DIGEST}", Reference("ghcr.io/x/y", "", DIGEST)),
        (f"ghcr.io/x/y:t@{DIGEST}", Reference("ghcr.io/x/y", "t", DIGEST)),
    ],
)
def test_names(text: str, expected: Reference) -> None:
    found = Reference.parse(text)
    assert found == expected
    assert Reference.parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "nginx", "ghcr.io/ggml-org/llama.cpp", "A/b:c", "a:b:c", "--help", "a b:c", "a:b\n", "a:",
     "a/../b:c", "http://a/b:c", f"a@{DIGEST[:-1]}", "a\x1b[m:b", "x" * 500 + ":a"],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert "\x1b" not in caught.value.sentence
    assert caught.value.hint
