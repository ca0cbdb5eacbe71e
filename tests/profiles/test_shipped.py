"""The profiles that ship: sound, found, and those that users of the earlier wrapper know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from llm_studio.models.fit import Host
from llm_studio.models.headers import Headers
from llm_studio.models.library import Library
from llm_studio.models.memory import Device, GiB
from llm_studio.profiles.catalogue import Catalogue, Entry
from llm_studio.profiles.folders import files_in, shipped_folder
from llm_studio.profiles.lint import lint, shared_aliases
from llm_studio.profiles.plan import Machine, Plan

IDS = [path.stem for path in files_in(shipped_folder())]
WITHOUT_REPOSITORY = {"base", "demo", "glm-flash-exp"}
SIZES = ("8gb", "12gb", "16gb", "24gb", "48gb", "80gb")


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return Catalogue.load(Path("/nowhere"))


@pytest.fixture
def plans(shipped: Catalogue, tmp_path: Path) -> dict[str, Plan]:
    with Headers(tmp_path) as headers:
        library = Library([], headers)
    machine = Machine((Device("GPU 0", 24 * GiB, 24 * GiB),), Host(64 * GiB, 60 * GiB))
    return {entry.id: Plan(entry, machine, library) for entry in shipped}


def test_there_are_some() -> None:
    assert len(IDS) >= 30


@pytest.mark.parametrize("id_", IDS)
def test_it_is_sound_and_can_be_got(id_: str, shipped: Catalogue, plans: dict[str, Plan]) -> None:
    entry = shipped.get(id_)
    profile = entry.require()
    assert entry.shipped
    assert profile.summary
    assert (profile.model.repo is None) == (id_ in WITHOUT_REPOSITORY)
    assert (profile.model.file is None) == (id_ == "base")
    assert [finding for finding in lint(plans[id_]) if finding.level != "note"] == []
    if id_ not in ("base", "demo"):
        assert len(set(profile.tags) & set(SIZES)) == 1


def test_no_two_claim_the_same_name(plans: dict[str, Plan]) -> None:
    assert list(shared_aliases(plans.values())) == []
    names = Counter(plan.entry.require().name for plan in plans.values())
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("size", SIZES)
def test_every_size_of_memory_has_a_choice(size: str, shipped: Catalogue) -> None:
    assert len([entry for entry in shipped if size in entry.require().tags]) >= 3


# id: (context, temperature, top_p, top_k, min_p, a piece of the file's name)
WRAPPER: dict[str, tuple[int, float, float, int | None, float | None, str]] = {
    "glm-flash-q4": (131072, 1.0, 0.95, None, 0.01, "GLM-4.7-Flash-Q4_K_M"),
    "glm-flash-q8": (131072, 1.0, 0.95, None, 0.01, "GLM-4.7-Flash-Q8_0"),
    "glm-flash-exp": (131072, 1.0, 0.95, None, 0.01, "GLM-4.7-Flash"),
    "gpt-oss-120b": (131072, 1.0, 1.0, 0, None, "gpt-oss-120b"),
    "qwen3-coder-ud-q5": (262144, 1.0, 0.95, 40, 0.01, "Qwen3-Coder-Next-UD-Q5_K_XL"),
    "qwen3-next-ud-q5": (262144, 0.7, 0.8, 20, None, "Qwen3-Next-80B-A3B"),
}


@pytest.mark.parametrize("id_", WRAPPER)
def test_the_six_of_the_wrapper_are_as_its_users_know_them(id_: str, shipped: Catalogue) -> None:
    profile = shipped.get(id_).require()
    context, temperature, top_p, top_k, min_p, file = WRAPPER[id_]
    sampling = profile.sampling
    assert profile.server.context == context
    assert (sampling.temperature, sampling.top_p) == (temperature, top_p)
    if top_k is not None:
        assert sampling.top_k == top_k
    if min_p is not None:
        assert sampling.min_p == min_p
    assert file.lower() in (profile.model.file or "").lower()
    assert profile.bench.temperature == 0.0


def test_the_levels_of_reasoning_of_gpt_oss(shipped: Catalogue) -> None:
    client = shipped.get("gpt-oss-120b").require().client
    assert client.reasoning_levels == ["low", "medium", "high"]
    assert client.reasoning_level == "medium"
    assert client.reasoning_prompt == "Reasoning: {level}"


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("nemotron-3-nano-30b", "Nemotron"),
        ("devstral-small-2-24b", "Devstral"),
        ("ministral-3-14b-instruct", "Ministral"),
        ("ministral-3-14b-reasoning", "Ministral"),
    ],
)
def test_the_wrapper_s_candidates_are_there(id_: str, name: str, shipped: Catalogue) -> None:
    assert name in shipped.get(id_).require().name


def test_what_ships_sets_only_what_it_means_to(shipped: Catalogue) -> None:
    """Where layers go is for the planner: a profile must serve on other machines too."""

    def placed(entry: Entry) -> bool:
        server = entry.require().server
        return server.gpu_layers not in (None, "auto") or bool(server.tensor_split)

    assert [entry.id for entry in shipped if placed(entry)] == []
