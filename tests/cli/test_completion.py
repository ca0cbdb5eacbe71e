"""Completion in real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.terminal import COMMAND
from tests.conftest import Home, Run


@pytest.mark.parametrize(
    ("typed", "found", "not_found"),
    [
        ([""], {"list", "show", "--help"}, {"base"}),
        (["s"], {"show"}, {"list"}),
        (["show", ""], {"base", "mine", "glm-flash-q4"}, {"list"}),
        (["show", "glm"], {"glm-flash-q4"}, {"base"}),
        (["show", "--j"], {"--json"}, {"--keys"}),
        (["check", "base", "gl"], {"glm-flash-q4"}, {"base"}),
        (["new", ""], {"tiny.gguf"}, {"base"}),
        (["files", "t"], {"tiny.gguf"}, set()),
        (["config", ""], {"models", "caches"}, {"base"}),
        (["config", "models", ""], set(), {"models"}),
        (["completion", ""], {"bash", "zsh", "fish"}, set()),
        (["completion", "--w"], set(), {"--words"}),
        (["bogus", ""], set(), {"list"}),
        (["list", ""], set(), {"base"}),
        ([], {"list"}, set()),
    ],
)
def test_candidates(
    run: Run, home: Home, typed: list[str], found: set[str], not_found: set[str]
) -> None:
    home.model()
    home.profile("mine", 'name = "M"')
    result = run("completion", "--words", *typed)
    words = set(result.out.split("\n"))
    assert result.code == 0
    assert found <= words
    assert not words & not_found
    assert result.err == ""


def test_a_broken_config_file_is_no_noise_at_the_prompt(run: Run, home: Home) -> None:
    home.root.mkdir()
    home.config.write_text("broken = ")
    result = run("completion", "--words", "show", "")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_a_hostile_name_is_not_offered(run: Run, home: Home) -> None:
    home.profile("a\x1b[2J", 'name = "M"')
    home.profile("a\nb", 'name = "M"')
    assert "\x1b" not in run("completion", "--words", "show", "a").out
    assert run("completion", "--words", "show", "b").out == "base\n"


def test_without_a_shell_it_tells_how_to_install(run: Run) -> None:
    result = run("completion")
    assert result.code == 2
    assert "completion bash >" in result.out + result.err


def program(home: Home) -> dict[str, str]:
    """An environment with `llm-studio` on the path."""
    folder = home.root.parent / "bin"
    folder.mkdir()
    wrapper = folder / "llm-studio"
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    wrapper.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def in_bash(home: Home, script: Path, line: str) -> list[str]:
    """What bash would offer for a line with the cursor at its end."""
    steps = (
        f"source {script}\n"
        f"COMP_WORDS=({line})\n"
        f"COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "_llm_studio\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    told = subprocess.run(
        ["bash", "--norc", "-c", steps],
        capture_output=True,
        text=True,
        env=program(home),
        check=True,
    )
    assert told.stderr == ""
    return told.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("llm-studio sho", ["show"]),
        ("llm-studio show zeb", ["zebra"]),
        ("llm-studio show --js", ["--json"]),
        ("llm-studio files with", [r"with\ space.gguf"]),
        ("llm-studio files sub/", ["sub/model:v2.gguf"]),
        # bash splits the line at colons, and replaces only what follows the last.
        ("llm-studio files sub/model : v", ["v2.gguf"]),
        ("llm-studio files sub/model :", ["v2.gguf"]),
        ("llm-studio show nothing-of-that-name", []),
    ],
)
def test_bash(run: Run, home: Home, tmp_path: Path, line: str, expected: list[str]) -> None:
    home.model("with space.gguf")
    home.model("sub/model:v2.gguf")
    home.profile("zebra", 'name = "M"')
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash").out)
    assert [each for each in in_bash(home, script, line) if each] == expected


def test_bash_runs_nothing_that_a_file_name_says(run: Run, home: Home, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    home.model(f"m$(touch {marker.name}).gguf")
    home.model("m`touch marker`.gguf")
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash").out)
    told = subprocess.run(
        ["bash", "--norc", "-c",
         f"cd {tmp_path}; source {script}; COMP_WORDS=(llm-studio files m); COMP_CWORD=2\n"
         '_llm_studio; printf "%s" "${COMPREPLY[@]}"'],
        capture_output=True, text=True, env=program(home), check=False,
    )  # fmt: skip
    assert not marker.exists(), told.stderr
    assert r"m\$\(touch\ marker\).gguf" in told.stdout


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")]
)
def test_the_script_is_sound(run: Run, home: Home, tmp_path: Path, shell: str, check: str) -> None:
    script = tmp_path / f"completion.{shell}"
    script.write_text(run("completion", shell).out)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its completion script was not parsed")
    told = subprocess.run([shell, check, str(script)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
