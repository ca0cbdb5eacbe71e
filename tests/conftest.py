"""What all tests share: a home of their own, profiles and model files in it, the command line."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.standins.gguf_writer import TensorSpec, Value, write_gguf
from tests.standins.tiny_model import write_tiny_llama

from llm_studio.cli import main

settings.register_profile("modest", max_examples=60, deadline=None)
settings.load_profile("modest")

_FORGOTTEN = (
    "LLM_STUDIO_MODELS", "LLM_STUDIO_CACHES", "HF_HUB_CACHE", "VISUAL", "EDITOR", "NO_COLOR",
    "COLUMNS",
)  # fmt: skip


def pytest_configure() -> None:
    gc.disable()  # nothing that collecting tests makes is garbage


def pytest_collection_finish() -> None:
    gc.enable()
    _let_go()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    yield
    _let_go()


def _let_go() -> None:
    """What a test left is collected in its own name, which an open file or socket is told in; what
    stays is looked through no more. Else a third of all time goes into looking through it."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Home:
    """One user's folders."""

    root: Path
    profiles: Path
    models: Path
    state: Path
    config: Path

    def profile(self, id_: str, text: str | bytes) -> Path:
        """Write one of the user's own profiles."""
        self.profiles.mkdir(parents=True, exist_ok=True)
        path = self.profiles / f"{id_}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def model(
        self,
        name: str = "tiny.gguf",
        *,
        metadata: Mapping[str, Value] | None = None,
        context: int = 4096,
    ) -> Path:
        """Write a model file of no size, with more metadata if wanted."""
        path = self.models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if metadata is None:
            return write_tiny_llama(path, context=context, blocks=1)
        written: dict[str, Value] = {
            "general.architecture": "llama",
            "general.file_type": 15,
            "llama.block_count": 2,
            "llama.context_length": context,
            "llama.embedding_length": 64,
            "llama.attention.head_count": 4,
            "llama.vocab_size": 256,
            **metadata,
        }
        tensors = [TensorSpec(f"blk.{block}.ffn_up.weight", (64, 64)) for block in range(2)]
        return write_gguf(path, written, [TensorSpec("token_embd.weight", (64, 256)), *tensors])[0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Everything under a folder of the test; nothing of the real user is read or written."""
    root, user = tmp_path / "studio", tmp_path / "user"
    user.mkdir()
    places = {
        "LLM_STUDIO_HOME": root,
        "HOME": user,
        "XDG_CONFIG_HOME": user / "config",
        "XDG_CACHE_HOME": user / "cache",
        "XDG_DATA_HOME": user / "data",
        "XDG_STATE_HOME": user / "state",
        "HF_HOME": user / "huggingface",
        "OLLAMA_MODELS": user / "ollama",
        "LLAMA_CACHE": user / "llama",
    }
    for name, place in places.items():
        monkeypatch.setenv(name, str(place))
    for name in _FORGOTTEN:
        monkeypatch.delenv(name, raising=False)
    return Home(root, root / "profiles", root / "models", root / "state", root / "config.toml")


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as stop:  # argparse's way out
            code = stop.code if isinstance(stop.code, int) else 1
        told = capsys.readouterr()
        return Result(code, told.out, told.err)

    return run
