"""The workstation of the pictures: its GPUs, its models, and what they measured.

What is planned for it (sizes, fit, memory, commands) is the program's own work, on model files of
true layout whose weights are a hole in the file. Readings and speeds are made up, and the
pictures say so.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.standins.architectures import write_architecture

from llm_studio.models.fit import Host
from llm_studio.models.memory import Device, GiB, MiB
from llm_studio.profiles.plan import Machine
from llm_studio.settings import load_settings
from llm_studio.studio.shelf import Shelf, Wish

GPUS = (
    ("NVIDIA GeForce RTX 4090", 24_564 * MiB),
    ("NVIDIA GeForce RTX 5070 Ti", 16_303 * MiB),
)
MACHINE = Machine(
    tuple(
        Device(f"GPU {index}", total, total - 420 * MiB, model=name, overhead=330 * MiB)
        for index, (name, total) in enumerate(GPUS)
    ),
    Host(64 * GiB, 52 * GiB),
)
FILES = {
    "glm-4.7-flash-q4km": "GLM-4.7-Flash/GLM-4.7-Flash-Q4_K_M.gguf",
    "gpt-oss-120b-mxfp4": "GPT-OSS-120b/gpt-oss-120b-F16.gguf",
    "gpt-oss-20b-mxfp4": "gpt-oss-20b/gpt-oss-20b-MXFP4.gguf",
    "qwen3-30b-a3b-q4km": ("Qwen3-Coder-30B-A3B-Instruct/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"),
    "llama-3.1-8b-q4km": "Meta-Llama-3.1-8B-Instruct/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
    "llama-3.3-70b-q4km": "Llama-3.3-70B-Instruct/Llama-3.3-70B-Instruct-Q4_K_M.gguf",
    "qwen3-32b-q4km": "Qwen3-32B-Q4_K_M.gguf",
    "gemma-3-12b-q4km": "gemma-3-12b-it-Q4_K_M.gguf",
}
OWN = {
    "qwen3-32b": 'name = "Qwen3 32B Q4_K_M"\nsummary = "Careful answers, both GPUs"\n'
    'tags = ["chat", "reasoning"]\n[model]\nfile = "Qwen3-32B-Q4_K_M.gguf"\n'
    '[server]\nparallel = 1\ncache_type_k = "q8_0"\ncache_type_v = "q8_0"\n',
    "draft-broken": 'name = "Draft"\n[server]\ncontxt = 4096\n',
}
SPEEDS = {
    "glm-flash-q4": 96.4, "gpt-oss-20b": 171.2, "gpt-oss-120b": 27.8, "qwen3-coder-30b-a3b": 138.6,
    "llama-3.1-8b": 118.3, "qwen3-32b": 31.9,
}  # fmt: skip
SHOWN_AS = "/data/models"


class Workstation(Shelf):
    """The profiles and files of this user, planned for the machine above."""

    def __init__(self, home: Path) -> None:
        self.home = home
        settings = load_settings()
        super().__init__(settings, held=lambda _: {})
        settings.paths.profiles.mkdir(parents=True, exist_ok=True)
        for id_, text in OWN.items():
            (settings.paths.profiles / f"{id_}.toml").write_text(text)
        for key, name in FILES.items():
            path = home / "models" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(write_architecture(key, home), path)

    def _machine(self, id_: str = "") -> Machine:
        return MACHINE

    def listing(self, *, bare: bool = False) -> list[dict[str, Any]]:
        """Every profile; where nothing is here yet, none but the shipped ones."""
        found = [each.model_dump(mode="json") for each in self.summaries()]
        if bare:
            missing = {"state": "missing", "fit": None, "badge": "", "size": None}
            return [
                {**each, **(missing if each["file"] and each["id"] != "demo" else {})}
                for each in found
                if each["shipped"]
            ]
        return list(self._placed([{**each, "speed": SPEEDS.get(each["id"])} for each in found]))

    def files(self) -> list[dict[str, Any]]:
        return list(self._placed([each.model_dump() for each in self.files_without_profile()]))

    def one(self, id_: str, context: int | None, cache_type: str | None) -> Any:
        wish = Wish(context, cache_type)
        told = self.detail(id_, wish if wish != Wish() else None).model_dump(mode="json")
        told["summary"]["speed"] = SPEEDS.get(id_)
        return self._placed(told)

    def _placed(self, told: Any) -> Any:
        """As it would be told if the files lay where such files lie."""
        text = json.dumps(told)
        for here, there in ((f"{self.home}/models", SHOWN_AS), (str(self.home), "~/llm-studio")):
            text = text.replace(here, there)
        return json.loads(text)
