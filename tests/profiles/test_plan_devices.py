"""What a plan makes of named devices, overrides, adapters and contradicting arguments."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.conftest import Home, Run
from tests.standins.architectures import write_architecture

from llm_studio.models.memory import GiB, MiB

MODEL = "qwen3-30b-a3b-q4km"


@pytest.fixture
def profile(home: Home) -> Path:
    home.models.mkdir(parents=True, exist_ok=True)
    write_architecture(MODEL, home.models)
    return home.profile("p", text())


def text(server: str = "", engine: str = "") -> str:
    return (
        f'name = "P"\n[model]\nfile = "{MODEL}.gguf"\n[engine]\n{engine}\n'
        f"[server]\ncontext = 32768\nparallel = 1\n{server}\n"
    )


def planned(run: Run, profile: Path, gpus: str, server: str = "", engine: str = "") -> dict:  # type: ignore[type-arg]
    profile.write_text(text(server, engine))
    told: dict = run("show", "p", "--json", "--gpus", gpus).json  # type: ignore[type-arg]
    return told


def test_a_named_device_is_the_one_that_is_planned_for(run: Run, profile: Path) -> None:
    told = planned(run, profile, "80G,24G", 'devices = ["CUDA1"]')
    assert [device["name"] for device in told["memory"]["devices"]] == ["GPU 1"]
    assert told["badge"] == "GPU 1"
    assert "--device" in told["command"]


@pytest.mark.parametrize(
    ("server", "engine", "what"),
    [
        ('devices = ["CUDA5"]', "", "There is no device CUDA5"),
        ("", "gpus = [3]", "There is no GPU 3"),
        ('override_tensor = ["(=CPU"]', "", "no regular expression"),
    ],
)
def test_what_cannot_be_planned_is_shown_all_the_same(
    run: Run, profile: Path, server: str, engine: str, what: str
) -> None:
    told = planned(run, profile, "24G", server, engine)
    assert told["fit"] is None
    assert what in told["problems"][0]
    assert told["command"][0] == "llama-server"
    assert what in run("show", "p", "--gpus", "24G").out
    assert what in run("check", "p", "--gpus", "24G").out


def test_an_override_to_the_host_is_the_same_as_cpu_moe(run: Run, profile: Path) -> None:
    by_rule = planned(run, profile, "8G", "cpu_moe = true")["memory"]
    by_name = planned(run, profile, "8G", r'override_tensor = ["ffn_.*_exps=CPU"]')["memory"]
    assert by_name["devices"][0]["weights"] == by_rule["devices"][0]["weights"]
    assert by_name["host"]["weights"] == by_rule["host"]["weights"]


def test_an_imagined_gpu_has_needs_of_its_own_too(run: Run, profile: Path) -> None:
    device = planned(run, profile, "24G")["memory"]["devices"][0]
    assert device["room"] == 24 * GiB - 1024 * MiB - 512 * MiB


def test_the_margin_of_the_chosen_gpu_is_passed_on(run: Run, profile: Path) -> None:
    told = planned(run, profile, "16G,24G", "fit_target = [128, 1024]")
    command = told["command"]
    assert command[command.index("--main-gpu") + 1] == "1"
    assert command[command.index("--fit-target") + 1] == "1024"


def test_arguments_that_overrule_the_plan_are_told(run: Run, profile: Path) -> None:
    profile.write_text(text('args = ["-c", "1000000", "--no-warmup"]'))
    shown = run("show", "p", "--gpus", "24G").out
    assert "`args` sets -c itself" in shown
    assert "--no-warmup itself" not in shown


def test_a_server_of_somebody_else_has_neither_fit_nor_command(run: Run, profile: Path) -> None:
    engine = 'kind = "external"\nurl = "http://127.0.0.1:9"'
    told = planned(run, profile, "24G", "", engine)
    assert told["fit"] is None
    assert told["command"] is None


def test_an_adapter_is_counted(run: Run, profile: Path, home: Home) -> None:
    from tests.standins.gguf_writer import TensorSpec, write_gguf

    metadata = {"general.type": "adapter", "general.architecture": "qwen3moe"}
    write_gguf(home.models / "a.gguf", metadata, [TensorSpec("x", (1024, 1024))])
    device = planned(run, profile, "24G", 'lora = ["a.gguf:-0.5"]')["memory"]["devices"][0]
    assert device["other"] >= 4 * MiB
    command = run("show", "p", "--command").out
    assert f"{home.models / 'a.gguf'}:-0.5" in shlex.split(command)


def test_a_template_with_lines_can_be_pasted(run: Run, profile: Path) -> None:
    profile.write_text(text('chat_template = "a\\nb\'c"'))
    assert r"$'a\u000ab\'c'" in run("show", "p", "--command").out
