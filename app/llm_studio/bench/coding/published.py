"""Scores that others published for the model of a run, and how far they are of the same thing."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from llm_studio.bench.coding.tasks import SOURCES
from llm_studio.bench.record import Run

_MAKERS = "meta|mistralai|microsoft|google|deepseek-ai|bigcode|qwen"
_QUANTISED = r"(?:ud-)?(?:i?q\d\w*|tq\d\w*|mxfp4\w*|fp?16|bf16|fp?32)(?:-\w+)*"
_WHOLE = re.compile(r"(?:^|-)(?:fp?16|bf16|fp?32)(?:-|$)")


@dataclass(frozen=True, slots=True)
class Published:
    """Scores of the same model by its name."""

    model: str
    scores: dict[str, float]
    """By the names that ours have; shares."""
    title: str
    url: str
    date: str
    differs: tuple[str, ...]
    """In what they may be of something else."""

    @property
    def match(self) -> str:
        return "near" if self.differs else "exact"

    @property
    def words(self) -> str:
        scores = ", ".join(f"{name} {share:.1%}" for name, share in self.scores.items())
        how = f"{self.match} match" + (f": {'; '.join(self.differs)}" if self.differs else "")
        return f"published for {self.model}: {scores} ({self.title}, {self.date}; {how})"


def published(run: Run) -> list[Published]:
    """What is known of the model of a run of coding."""
    if run.suite not in SOURCES:
        return []
    file = _plain(run.stamp.model_file.removesuffix(".gguf"))
    found = []
    for told in _data()["score"]:
        scores = told.get(run.suite)
        if scores and re.fullmatch(_pattern(told["model"]), file):
            source = _data()["source"][told["source"]]
            found.append(
                Published(
                    told["model"],
                    {f"pass@1 {name}": value / 100 for name, value in scores.items()},
                    source["title"], source["url"], source["date"], _differs(run, source, file),
                )
            )  # fmt: skip
    return found


def _differs(run: Run, source: dict[str, Any], file: str) -> tuple[str, ...]:
    own = SOURCES[run.suite]
    found = []
    if not _WHOLE.search(file):
        found.append(f"theirs is {source['quantisation'] or 'not quantised for llama.cpp'}")
    if source["suite_version"] != own.version:
        found.append(f"their version of {own.title} is {source['suite_version'] or 'not stated'}")
    if run.settings.get("tasks") != own.count:
        found.append(f"ours is of {run.settings.get('tasks')} tasks out of {own.count}")
    if source["greedy"] and run.settings.get("temperature"):
        found.append("theirs is greedy")
    if run.settings.get("system prompt"):
        found.append("ours has a system prompt")
    return tuple(found)


def _pattern(model: str) -> str:
    """The name alone: a model that was made from another is not that one."""
    return rf"(?:(?:{_MAKERS})-)?{re.escape(_plain(model))}(?:-{_QUANTISED})?"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"-\d{5}-of-\d{5}$", "", name.lower())).strip("-")


@cache
def _data() -> dict[str, Any]:
    text = files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
