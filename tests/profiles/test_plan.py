"""A profile on this machine: its state, its GPUs, and what a listing tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Home
from tests.profiles.planning import library_of, model_in, plan_of, write_model

from llm_studio.models.architecture import Architecture
from llm_studio.models.fit import DEFAULT_MARGIN
from llm_studio.models.memory import Footprint, MiB
from llm_studio.profiles.plan import fit_request
from llm_studio.profiles.server import ServerSettings
from llm_studio.profiles.summary import summarise

FILE = '[model]\nfile = "tiny.gguf"\n'


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("nonsense", "broken"),
        ("", "template"),
        ('[engine]\nkind = "external"\nurl = "http://x"', "available"),
        ('[model]\nfile = "gone.gguf"', "missing"),
        (FILE, "available"),
        ('[model]\nfile = "part-00001-of-00002.gguf"', "incomplete"),
        ('[model]\nfile = "junk.gguf"', "unusable"),
        ('[model]\nfile = "mmproj-x.gguf"', "unusable"),
    ],
)
def test_the_state_of_a_profile(home: Home, text: str, state: str) -> None:
    home.model()
    home.model("part-00001-of-00002.gguf", metadata={})
    home.model("mmproj-x.gguf", metadata={"general.architecture": "clip"})
    (home.models / "junk.gguf").write_bytes(b"GGUF junk")
    plan = plan_of(text, library_of(home.models))
    assert plan.state == state
    summary = summarise(plan)
    assert summary.state == state
    assert (summary.fit is not None) == (state == "available" and "file" in text)
    assert bool(summary.problems) == (text == "nonsense" or "junk" in text)


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ("", ["GPU 0", "GPU 1"]),
        ('gpus = "all"', ["GPU 0", "GPU 1"]),
        ('gpus = "none"', []),
        ("gpus = [1]", ["GPU 1"]),
        ('gpus = ["1", "GPU-0"]', ["GPU 1", "GPU 0"]),
        ("gpus = []", []),
    ],
)
def test_a_profile_is_planned_for_the_gpus_that_it_names(
    home: Home, gpus: str, expected: list[str]
) -> None:
    home.model()
    plan = plan_of(f"{FILE}[engine]\n{gpus}", library_of(home.models), gpus=(24, 16))
    assert [device.name for device in plan.devices] == expected
    assert plan.fit is not None
    assert plan.fit.verdict == ("one-gpu" if expected else "cpu")


@pytest.mark.parametrize("gpus", ["[7]", '["GPU-nope"]'])
def test_a_gpu_that_is_not_there(home: Home, gpus: str) -> None:
    home.model()
    plan = plan_of(f"{FILE}[engine]\ngpus = {gpus}", library_of(home.models))
    assert plan.fit is None
    assert plan.trouble is not None
    assert plan.trouble.what.startswith("There is no GPU")
    assert "There is no GPU" in summarise(plan).problems[0]


def test_the_processor_alone_where_devices_says_none(home: Home) -> None:
    home.model()
    plan = plan_of(f'{FILE}[server]\ndevices = ["none"]', library_of(home.models))
    assert plan.devices == ()


@pytest.mark.parametrize(
    ("settings", "context", "placed", "margins"),
    [
        ({}, None, False, (DEFAULT_MARGIN,)),
        ({"context": "auto"}, None, False, (DEFAULT_MARGIN,)),
        ({"context": 0}, 131072, False, (DEFAULT_MARGIN,)),
        ({"context": 4096}, 4096, False, (DEFAULT_MARGIN,)),
        ({"fit_target": [128, 1024]}, None, False, (128 * MiB, 1024 * MiB)),
        ({"fit": False}, None, True, (0,)),
        ({"gpu_layers": 5}, None, True, (DEFAULT_MARGIN,)),
        ({"gpu_layers": "all"}, None, True, (DEFAULT_MARGIN,)),
        ({"gpu_layers": "auto"}, None, False, (DEFAULT_MARGIN,)),
        ({"override_tensor": ["x=CPU"]}, None, True, (DEFAULT_MARGIN,)),
    ],
)
def test_settings_in_the_planner_s_terms(
    tmp_path: Path,
    settings: dict[str, object],
    context: int | None,
    placed: bool,
    margins: tuple[int, ...],
) -> None:
    write_model(tmp_path, "llama-3.1-8b-q4km")
    footprint = Footprint(Architecture(model_in(tmp_path).require()))
    request = fit_request(ServerSettings.model_validate(settings), footprint)
    assert (request.context, request.placed, request.margins) == (context, placed, margins)


def test_a_context_of_the_planner_s_choice_reaches_the_listing(home: Home) -> None:
    home.model(context=8192)
    assert summarise(plan_of(FILE, library_of(home.models))).context == 8192
    gone = plan_of('[model]\nfile = "gone.gguf"\n[server]\ncontext = 4096', library_of(home.models))
    assert summarise(gone).context == 4096
