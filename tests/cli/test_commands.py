"""What the commands answer: results on stdout, the rest on stderr, and the promised exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Home, Run
from tests.standins.gguf_writer import TensorSpec, Value, write_gguf

from llm_studio.cli import overview
from llm_studio.cli.commands import COMMANDS

OWN = '[model]\nfile = "tiny.gguf"\n[server]\nparallel = 1\n'


# Help


def test_the_help_lists_every_command_within_a_terminal() -> None:
    lines = overview().splitlines()
    assert all(len(line) <= 100 for line in lines)
    for command in COMMANDS:
        assert any(line.split()[:1] == [command.name] for line in lines)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help(run: Run, words: list[str]) -> None:
    assert run(*words).out == overview() + "\n"


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_command_has_help(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: llm-studio {name}")
    assert run("help", name).out == result.out


@pytest.mark.parametrize("words", [["--version"], ["-V"]])
def test_the_version(run: Run, words: list[str]) -> None:
    from llm_studio import __version__

    assert run(*words).out == f"llm-studio {__version__}\n"


# Usage: 2, with a suggestion where one is near


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["confg"], "Did you mean 'config'?"),
        (["zzz"], "`llm-studio --help` lists the commands."),
        (["--bogus"], "There is no option '--bogus'"),
        (["help", "lst"], "Did you mean 'list'?"),
        (["\x1b[2J"], "There is no command '␛[2J'"),
        (["list", "--bogus"], "has no option"),
        (["list", "--her"], "has no option"),
        (["list", "extra"], "takes no 'extra'"),
        (["list", "--gpus", "huge"], "'huge' is no size"),
        (["list", "--gpus", "-5"], "'-5' is no size"),
        (["list", "--gpus", "24,,16"], "is no size"),
        (["show"], "Which profile?"),
        (["new"], "required"),
        (["edit"], "required"),
        (["edit", "base", "nonsense"], "'nonsense' sets nothing"),
        (["edit", "base", "=5"], "'=5' sets nothing"),
        (["config", "caches", "maybe"], "caches cannot be 'maybe'"),
        (["config", "models", "relative"], "absolute path"),
        (["config", "models", ""], "expected folders"),
        (["config", "--unset"], "--unset goes with one key"),
        (["config", "models", "/a", "--unset"], "--unset goes with one key"),
        (["completion", "tcsh"], "There is no shell 'tcsh'"),
    ],
)
def test_a_call_that_cannot_work(run: Run, words: list[str], told: str) -> None:
    result = run(*words)
    assert result.code == 2
    assert told in result.err
    assert result.out == ""
    assert "\x1b" not in result.err


# Not found: 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show", "glm-flsh-q4"], "Did you mean 'glm-flash-q4'?"),
        (["show", "zzz"], "`llm-studio list` shows them all."),
        (["check", "glm-flsh-q4"], "Did you mean 'glm-flash-q4'?"),
        (["edit", "bsae", "server.context=1"], "Did you mean 'base'?"),
        (["files", "~nobody-at-all/x.gguf"], "There is no model file"),
        (["new", "~nobody-at-all/x.gguf"], "There is no model file"),
        (["files", "tiny.guf"], "Did you mean 'tiny.gguf'?"),
        (["new", "gone.gguf"], "There is no model file 'gone.gguf'"),
        (["files", "x" * 5000], "There is no model file 'xxx"),
        (["new", "tiny.gguf/x"], "There is no model file 'tiny.gguf/x'"),
        (["new", "x" * 5000], "There is no model file 'xxx"),
        (["new", "tiny.gguf", "--extends", "bsae"], "Did you mean 'base'?"),
        (["import", "/nowhere/models.conf"], "There is no file"),
        (["config", "model"], "Did you mean 'models'?"),
    ],
)
def test_what_is_not_there(run: Run, home: Home, words: list[str], told: str) -> None:
    home.model()
    result = run(*words)
    assert result.code == 4
    assert told in result.err
    assert result.out == ""
    assert not home.profiles.exists()


def test_a_command_that_there_cannot_be_yet_is_not_ready(run: Run) -> None:
    result = run("show", "base", "--command")
    assert result.code == 3
    assert result.out == ""


# Lists


def test_the_list_as_json(run: Run, home: Home) -> None:
    home.model(context=8192)
    home.profile("mine", f'name = "Mine"\nsummary = "S"\ntags = ["t"]\n{OWN}')
    home.profile("broken", "name = ")
    result = run("list", "--json", "--gpus", "24G")
    assert result.code == 0
    told = {each["id"]: each for each in result.json}
    mine = told["mine"]
    assert mine | {
        "id": "mine", "name": "Mine", "state": "available", "context": 8192, "fit": "one-gpu",
        "speed": None, "summary": "S", "tags": ["t"], "file": "tiny.gguf", "shipped": False,
        "problems": [],
    } == mine  # fmt: skip
    assert {"id", "name", "state", "context", "fit", "speed"} <= set(told["glm-flash-q4"])
    assert told["broken"]["state"] == "broken"
    assert "broken.toml:1" in told["broken"]["problems"][0]
    assert told["glm-flash-q4"]["state"] == "missing"
    assert result.json[0]["id"] == "mine"  # what can be served comes first


def test_the_list_narrowed(run: Run, home: Home) -> None:
    home.model()
    home.profile("mine", f'name = "Mine"\ntags = ["a", "b"]\n{OWN}')
    assert [each["id"] for each in run("list", "--here", "--json").json] == ["mine", "demo"]
    both = run("list", "--tag", "a", "--tag", "b", "--json").json
    assert [each["id"] for each in both] == ["mine"]
    assert run("list", "--tag", "a", "--tag", "zzz", "--json").json == []


def test_without_a_command_the_profiles_are_listed(run: Run) -> None:
    assert run().out == run("list").out


def test_the_list_on_stdout_is_the_table_alone(run: Run, home: Home) -> None:
    home.profile("broken", "name = ")
    result = run("list", "--gpus", "none")
    lines = result.out.splitlines()
    assert lines[0].split()[:5] == ["ID", "NAME", "CONTEXT", "SIZE", "FIT"]
    assert all("broken.toml" not in line for line in lines)
    assert "broken.toml:1: " in result.err
    assert "\x1b" not in result.out + result.err


def test_a_home_that_holds_nothing_works(run: Run, home: Home) -> None:
    assert run("list").code == 0
    assert run("files").out == ""
    assert run("files", "--json").json == []
    assert run("check").code == 0


# show


def test_a_profile_with_its_origins(run: Run, home: Home) -> None:
    home.model()
    home.profile("mine", f'name = "Mine"\nextends = "base"\n{OWN}context = 2048\n')
    result = run("show", "mine", "--gpus", "24G")
    assert result.code == 0
    rows = {line.split()[0]: line.split(maxsplit=2) for line in result.out.splitlines() if line}
    assert rows["server.context"][1:] == ["2048", "profile"]
    assert rows["server.cache_type_k"][1:] == ["q8_0", "inherited from base"]
    assert f"Model file: {home.models / 'tiny.gguf'}" in result.out
    assert "Fit: " in result.out
    told = run("show", "mine", "--json", "--gpus", "24G").json
    assert told["values"]["server.context"] == {"value": 2048, "origin": "profile"}
    assert told["values"]["server.cache_type_k"]["origin"] == "inherited from base"
    assert told["memory"]["devices"][0]["total"] > 0
    assert told["command"][:3] == ["llama-server", "--model", str(home.models / "tiny.gguf")]


def test_the_command_can_be_pasted_into_a_shell(run: Run, home: Home) -> None:
    import shlex

    home.model("a b/tiny.gguf")
    home.profile("mine", 'name = "M"\n[model]\nfile = "a b/tiny.gguf"\n[server]\nargs = ["$(x)"]')
    result = run("show", "mine", "--command", "--gpus", "none")
    assert result.out.count("\n") == 1
    assert (
        shlex.split(result.out) == run("show", "mine", "--json", "--gpus", "none").json["command"]
    )
    long = run("show", "mine", "--gpus", "none").out.partition("Command\n")[2]
    assert shlex.split(long.replace("\\\n", "")) == shlex.split(result.out)


def test_a_broken_profile_cannot_be_shown(run: Run, home: Home) -> None:
    home.profile("broken", 'name = "B"\n[server]\ncontxt = 1\n')
    result = run("show", "broken")
    assert result.code == 1
    assert "broken.toml:3: server.contxt: unknown key. Did you mean 'context'?" in result.err
    assert result.out == ""


def test_every_key_is_listed(run: Run) -> None:
    keys = run("show", "--keys", "--json").json
    assert {"section", "key", "argument", "doc"} == set(keys[0])
    listed = run("show", "--keys").out
    assert all(each["key"] in listed for each in keys)
    assert "--ctx-size" in listed


# check


@pytest.mark.parametrize(
    ("text", "words", "code", "told"),
    [
        (f'name = "M"\n{OWN}', [], 0, "mine: ok"),
        ("name = ", [], 1, "mine: error"),
        (f'name = "M"\n{OWN}cache_type_k = "q4_0"', [], 0, "mine: warning"),
        (f'name = "M"\n{OWN}cache_type_k = "q4_0"', ["--strict"], 1, "mine: warning"),
        (f'name = "M"\n{OWN}cache_type_v = "q8_0"\nflash_attention = "off"', [], 1, "mine: error"),
    ],
)  # fmt: skip
def test_checking(run: Run, home: Home, text: str, words: list[str], code: int, told: str) -> None:
    home.model()
    home.profile("mine", text)
    result = run("check", *words, "--gpus", "24G")
    assert result.code == code
    assert result.out.splitlines()[0] == told
    assert run("check", "mine", *words, "--gpus", "24G").code == code
    [checked] = run("check", "mine", "--json", "--gpus", "24G").json
    assert (checked["id"], checked["valid"]) == ("mine", text.startswith('name = "'))
    assert all(set(each) == {"level", "key", "what", "why"} for each in checked["findings"])


def test_everything_that_ships_is_checked_on_request(run: Run) -> None:
    result = run("check", "--all", "--json", "--gpus", "24G")
    assert result.code == 0
    assert len(result.json) >= 30


# files


def test_files_as_a_table_and_as_json(run: Run, home: Home) -> None:
    home.model("Org/a.gguf", metadata={"general.name": "A"})
    (home.models / "junk.gguf").write_bytes(b"junk")
    result = run("files")
    assert result.out.splitlines()[0].split() == [
        "FILE",
        "SIZE",
        "ARCH",
        "QUANT",
        "TRAINED",
        "WHERE",
    ]
    assert "junk.gguf: " in result.err
    told = {each["name"]: each for each in run("files", "--json").json}
    assert told["Org/a.gguf"]["trained_context"] == 4096
    assert told["Org/a.gguf"]["quantisation"] == "Q4_K_M"
    assert told["junk.gguf"]["problem"]


@pytest.mark.parametrize("by_path", [False, True])
def test_one_file(run: Run, home: Home, by_path: bool) -> None:
    path = home.model(
        "a.gguf", metadata={"tokenizer.chat_template": "{{ x }}\n", "general.name": "A"}
    )
    name = str(path) if by_path else "a.gguf"
    assert "tokenizer.chat_template" in run("files", name).out
    assert "token_embd.weight" in run("files", name, "--tensors").out
    assert run("files", name, "--template").out == "{{ x }}\n\n"
    told = run("files", name, "--json", "--tensors").json
    assert told["metadata"]["general.name"] == "A"
    assert told["tensors"][0]["shape"] == [64, 256]


def test_a_damaged_file_fails(run: Run, home: Home) -> None:
    home.models.mkdir(parents=True)
    (home.models / "junk.gguf").write_bytes(b"GGUF" + b"\xff" * 40)
    assert run("files", "junk.gguf").code == 1
    assert run("files", str(home.models / "junk.gguf"), "--json").code == 1
    assert run("files", "junk.gguf", "--template").code == 1


@pytest.mark.parametrize("command", ["files", "new"])
def test_a_file_that_may_not_be_looked_at(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    closed, stat = tmp_path / "closed" / "a.gguf", Path.stat

    def denied(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", denied)
    result = run(command, str(closed))
    assert result.code == 1
    assert result.err.split("\n")[:2] == [f"error: Cannot read {closed}", "  Permission denied"]


def test_a_file_in_a_folder_that_may_not_be_listed(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(tmp_path / "a.gguf", {"general.architecture": "llama"}, [])[0]

    def denied(folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "llama" in run("files", str(path)).out


# config


def test_settings_are_set_and_taken_back_and_comments_stay(run: Run, home: Home) -> None:
    home.root.mkdir()
    written = '# where the big disk is\nmodels = ["/data"] # 4 TB\n\n# last\n'
    home.config.write_text(written)
    assert run("config", "models").out == "/data\n"
    assert run("config", "caches", "off").out == "false\n"
    assert run("config", "models", "/data:/more").out == "/data:/more\n"
    text = home.config.read_text()
    for comment in ("# where the big disk is", "# 4 TB", "# last"):
        assert comment in text
    assert run("config", "--json").json["settings"][0] | {
        "key": "models", "value": ["/data", "/more"], "origin": str(home.config),
        "variable": "LLM_STUDIO_MODELS",
    } == run("config", "models", "--json").json  # fmt: skip
    assert run("config", "caches", "--unset").out == "true\n"
    assert run("config", "models", "--unset").out == f"{home.models}\n"
    assert "# where the big disk is" in home.config.read_text()
    assert "models =" not in home.config.read_text()


def test_settings_are_listed_with_origin_and_places(run: Run, home: Home) -> None:
    result = run("config")
    assert result.out.splitlines()[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    assert str(home.config) in result.out
    assert set(run("config", "--json").json) == {"settings", "paths"}


def test_a_folder_that_is_not_there_yet_may_be_set(run: Run, home: Home) -> None:
    result = run("config", "models", "/" + "x" * 5000)
    assert result.code == 0
    assert "there is no folder" in result.err


def test_a_setting_that_the_environment_overrules_says_so(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_STUDIO_CACHES", "off")
    result = run("config", "caches", "on")
    assert result.code == 1
    assert "LLM_STUDIO_CACHES overrules it" in result.err
    assert home.config.read_text() == "caches = true\n"


@pytest.mark.parametrize("words", [["models", "/data"], ["models", "--unset"]])
def test_a_wrong_value_in_the_config_file_can_be_set_right(
    run: Run, home: Home, words: list[str]
) -> None:
    home.root.mkdir()
    home.config.write_text("models = 5\n")
    assert run("config").code == 1
    assert run("config", *words).code == 0
    assert run("config").code == 0


def test_a_config_file_that_cannot_be_read_is_not_written_over(run: Run, home: Home) -> None:
    home.root.mkdir()
    home.config.write_text("models = \n")
    assert run("config", "models", "/data").code == 1
    assert home.config.read_text() == "models = \n"


# new


def test_a_new_profile_is_served_as_it_is(run: Run, home: Home) -> None:
    home.model("Org/Nice-Q4.gguf", metadata={"general.name": "Nice"})
    result = run("new", "Org/Nice-Q4.gguf", "--json")
    path = home.profiles / "nice-q4.toml"
    assert (result.code, result.json) == (0, {"id": "nice-q4", "path": str(path)})
    told = {each["id"]: each for each in run("list", "--json").json}
    assert told["nice-q4"]["state"] == "available"
    written = path.read_text()
    again = run("new", "Org/Nice-Q4.gguf", "--name", "Other")
    assert again.code == 1
    assert "already" in again.err
    assert path.read_text() == written
    assert run("new", "Org/Nice-Q4.gguf", "--name", "Other", "--replace").code == 0
    assert 'name = "Other"' in path.read_text()


def test_a_new_profile_by_path_with_an_id_and_a_parent(run: Run, home: Home) -> None:
    path = home.model("a.gguf", metadata={})
    assert run("new", str(path), "--id", "mine", "--extends", "base").code == 0
    assert 'extends = "base"' in (home.profiles / "mine.toml").read_text()


def test_a_profile_may_be_looked_at_before_it_is_written(run: Run, home: Home) -> None:
    home.model("a.gguf", metadata={})
    result = run("new", "a.gguf", "--print")
    assert result.out.startswith('name = "a Q4_K_M"\n')
    assert not home.profiles.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [(["a.gguf", "--id", "../x"], 2), (["a.gguf", "--id", "a b"], 2), (["mmproj.gguf"], 1),
     (["a.gguf", "--name", "\x1b[2J"], 1), (["a.gguf", "--name", "x" * 121], 1),
     (["junk.gguf"], 1)],
)  # fmt: skip
def test_a_profile_that_cannot_be(run: Run, home: Home, words: list[str], code: int) -> None:
    home.model("a.gguf", metadata={})
    home.model("mmproj.gguf", metadata={"general.architecture": "clip"})
    (home.models / "junk.gguf").write_bytes(b"junk")
    result = run("new", *words)
    assert result.code == code
    assert ("projector" in result.err) == (words == ["mmproj.gguf"])
    assert "\x1b" not in result.err
    assert not home.profiles.exists()


def test_a_model_outside_the_models_folders(run: Run, home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "far.gguf", {"general.architecture": "llama"}, [])
    result = run("new", str(tmp_path / "far.gguf"))
    assert result.code == 2
    assert f"llm-studio config models {tmp_path}" in result.err


# import


def test_an_import(run: Run, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "models.conf"
    path.write_text("[a]\nMODEL=a.gguf\nSPEED=~9 t/s\n[b]\nMODEL=b.gguf\n")
    dry = run("import", str(path), "--dry-run")
    assert (dry.code, home.profiles.exists()) == (0, False)
    assert dry.out.splitlines()[0] == "a: would be written"
    result = run("import", str(path), "--json")
    assert result.code == 0
    assert [(each["id"], each["outcome"]) for each in result.json] == [
        ("a", "written"), ("b", "written"),
    ]  # fmt: skip
    assert result.json[0]["notes"] == [
        {"line": 3, "lost": True,
         "text": "SPEED (~9 t/s) is not kept: speeds are measured, not written."}
    ]  # fmt: skip
    assert (home.profiles / "a.toml").read_text().startswith("# Imported from models.conf, line 1.")
    again = run("import", str(path))
    assert again.code == 1
    assert "--replace" in again.out
    assert run("import", str(path), "--replace").code == 0


def test_one_profile_that_cannot_be_written_keeps_no_other_out(
    run: Run, home: Home, tmp_path: Path
) -> None:
    home.profile("A", 'name = "A"\n')
    path = tmp_path / "models.conf"
    path.write_text("[a]\nMODEL=a.gguf\n[b]\nMODEL=b.gguf\n")
    result = run("import", str(path))
    assert result.code == 1
    assert "a: not written: There is a profile 'A' already" in result.out
    assert (home.profiles / "b.toml").exists()
    assert {each["id"]: each["state"] for each in run("list", "--json").json}["A"] != "broken"


def test_a_preset_s_globals_are_inherited(run: Run, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "preset.ini"
    path.write_text("[*]\nc = 4096\n[m]\nmodel = m.gguf\n")
    assert run("import", str(path)).code == 0
    told = run("show", "m", "--json").json["values"]["server.context"]
    assert told == {"value": 4096, "origin": "inherited from preset-common"}


# Hostile names never reach the terminal


HOSTILE = "x\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["check"], ["check", "--json"],
                                   ["files"], ["files", "--json"], ["config"]])  # fmt: skip
def test_hostile_file_and_model_names(run: Run, home: Home, words: list[str]) -> None:
    write_gguf_named(home, f"{HOSTILE}.gguf")
    home.profile(HOSTILE, 'name = "X"')
    home.profile("keys", 'name = "X"\n"\\u001b[2J\\u202e" = "\\u001b[2J"\n')
    home.profile("syntax", f'name = "X"\n{HOSTILE}')
    home.profile("mine", 'name = "M"\n[model]\nfile = "good.gguf"\n')
    write_gguf_named(home, "good.gguf")
    result = run(*words)
    assert not set(result.out + result.err) & {"\x1b", "\x07", "\x9b", "\u202e"}
    if "--json" in words:
        json.loads(result.out)


@pytest.mark.parametrize("extra", [[], ["--json"], ["--tensors"], ["--template"]])
def test_hostile_metadata(run: Run, home: Home, extra: list[str]) -> None:
    write_gguf_named(home, "m.gguf")
    result = run("files", "m.gguf", *extra)
    assert result.code == 0
    assert not set(result.out + result.err) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_hostile_metadata_in_a_new_profile(run: Run, home: Home) -> None:
    write_gguf_named(home, "m.gguf")
    write_gguf_named(home, f"{HOSTILE}.gguf")
    for words in (
        ["m.gguf", "--print"],
        ["m.gguf"],
        [f"{HOSTILE}.gguf", "--print"],
        [f"{HOSTILE}.gguf"],
    ):
        result = run("new", *words)
        assert not set(result.out + result.err) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "\x1b" not in run("show", "m").out


def write_gguf_named(home: Home, name: str) -> None:
    home.models.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Value] = {
        "general.architecture": "llama", "llama.block_count": 1, "general.name": HOSTILE,
        "general.size_label": HOSTILE, "tokenizer.chat_template": HOSTILE, HOSTILE: HOSTILE,
        "llama.context_length": 64, "llama.embedding_length": 4,
    }  # fmt: skip
    write_gguf(home.models / name, metadata, [TensorSpec(f"blk.0.{HOSTILE}", (4, 4))])
