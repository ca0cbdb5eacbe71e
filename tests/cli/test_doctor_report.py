"""`llm-studio report`: whatever secret is planted, and wherever, none is in the bundle."""

from __future__ import annotations

import json
import platform
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.conftest import Home, Run
from tests.probes.doctor.machine import Machine, serving

from llm_studio.cli.redaction import GONE, Redaction, is_secret
from llm_studio.cli.report_parts import LEFT_OUT
from llm_studio.probes.doctor.system import Terminal
from llm_studio.probes.doctor.this_system import ThisSystem

MACHINE = "llm_studio.cli.doctor_system.this_system"
NAMES = {
    "about.txt", "doctor.txt", "doctor.json", "versions.json", "settings.json", "profiles.json",
    "studio.json", "jobs.json", "log.txt",
}  # fmt: skip
SECRETS = {
    "HF_TOKEN": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "ANTHROPIC_API_KEY": "sk-ant-api03-PLANTED-1234567890",
    "MY_DATABASE_PASSWORD": "correct-horse-battery",
    "token file": "tokenOfTheStudio_0123456789abcdefgh",
    "gateway key": "keyOfTheGateway_0123456789abcdefghij",
    "engine key": "keyOfTheEngine_0123456789abcdefghijk",
    "hub file": "hf_inAFileOfTheHub0987654321",
    "in a url": "hunter2hunter2",
    "in a command": "commandSecret99",
    "in the log": "bearerInTheLog1234567890",
    "in a job": "sk-inAnErrorOfAJob12345678",
    "in a profile": "sk-inAProfile1234567890",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
}
PROMPTS = (
    "tell me about my illness",
    "dear diary",
    "the patient was",
    "a raw line of a prompt",
    "answer of the model",
)
PERSON = ("lovelace", "analytical-engine", "192.168.17.23", "ada@example.org")


def planted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets, prompts and names in every place that a report could read."""
    for name in ("HF_TOKEN", "ANTHROPIC_API_KEY", "MY_DATABASE_PASSWORD"):
        monkeypatch.setenv(name, SECRETS[name])
    secret = SECRETS["in a url"]
    monkeypatch.setenv("HF_ENDPOINT", f"http://bob:{secret}@127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", f"http://bob:{secret}@127.0.0.1:9")
    monkeypatch.setenv("DOCKER_HOST", f"tcp://bob:{secret}@127.0.0.1:9")
    monkeypatch.setenv("LLM_STUDIO_IMAGE", f"registry.example/x:{SECRETS['jwt']}")
    user = home.root.parent / "user"
    home.profile(
        "mine", f'name = "Mine"\n[server]\nargs = ["--api-key", "{SECRETS["in a profile"]}"]\n'
    )
    home.profile("broken", f'name = "{SECRETS["in a profile"]}\n')
    home.config.write_text(f'models = ["{user}/models-of-lovelace"]\n')
    logs, engines = home.state / "logs", home.state / "engines"
    logs.mkdir(parents=True)
    engines.mkdir()
    (home.state / "token").write_text(SECRETS["token file"] + "\n")
    (home.state / "gateway-key").write_text(SECRETS["gateway key"] + "\n")
    (engines / "process-a.key").write_text(SECRETS["engine key"] + "\n")
    hub = user / "huggingface"
    hub.mkdir(parents=True)
    (hub / "token").write_text(SECRETS["hub file"])
    command = [
        "/usr/bin/llama-server", "--model", f"{user}/m.gguf", "--api-key", SECRETS["in a command"],
        "--api-key-file", f"{engines}/process-a.key", f"--hf-token={SECRETS['in a command']}",
        "--ctx-size", "4096", "--system-prompt", "dear diary",
    ]  # fmt: skip
    record = {"profile": "mine", "command": command, "key": SECRETS["engine key"], "pid": 1}
    (engines / "process-a.json").write_text(json.dumps(record))
    at = "2026-11-21T09:51:50Z"
    (logs / "studio.log").write_text(
        f"{at} studio info studio 0.1.0 started (pid 5) on analytical-engine by lovelace\n"
        f"{at} engine info 0.00.003.570 I srv    load_model: loading model '{user}/m.gguf'\n"
        f"{at} engine info 0.01.000.001 I slot update_slots: id  0 | task 0 | n_tokens = 12\n"
        f"{at} engine error error: could not fetch, Authorization: Bearer {SECRETS['in the log']}\n"
        f"{at} engine info 0.02.000.001 I srv  log_server_r: request: "
        '{"messages":[{"role":"user","content":"tell me about my illness"}]}\n'
        f"{at} engine info a raw line of a prompt\n"
        f"{at} engine debug 0.02.000.001 D srv  update: next: the patient was\n"
        f"{at} engine info 0.03.000.001 I srv  send: generated text: answer of the model\n"
        f"{at} gateway warning 192.168.17.23 was refused, key={SECRETS['gateway key']}\n"
        f"{at} gateway warning wrong key {SECRETS['token file']} from ada@example.org\n"
        "not a line of the log: dear diary\n"
        f"{at} studio error docker: tcp://bob:{secret}@127.0.0.1:9 {SECRETS['engine key']}\n"
    )
    job = {
        "id": "1", "kind": "batch", "title": "Batch of lovelace", "state": "failed",
        "started": 1.0, "ended": 2.0, "error": f"refused: {SECRETS['in a job']}", "hint": "",
        "result": {"answers": ["answer of the model", SECRETS["hub file"]]},
        "message": "dear diary",
    }  # fmt: skip
    (home.state / "jobs.jsonl").write_text(json.dumps(job) + "\n{broken\n[]\n")
    monkeypatch.setattr(platform, "node", lambda: "analytical-engine.example.org")
    monkeypatch.setattr(
        "llm_studio.probes.doctor.this_system._user", lambda environment: "lovelace"
    )


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        files = {}
        for member in archive.getmembers():
            assert member.isfile()
            assert member.uname == member.gname == ""
            reader = archive.extractfile(member)
            assert reader
            files[member.name.partition("/")[2]] = reader.read().decode()
    return files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_no_secret_no_prompt_and_no_name(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(home, monkeypatch)
    result = run("report")
    assert result.code == 0, result.err
    (path,) = folder.glob("llm-studio-report-*.tar.gz")
    assert result.out.splitlines()[0] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    files = contents(path)
    assert set(files) == NAMES
    whole = "\n".join(files.values())
    assert [name for name, secret in SECRETS.items() if secret in whole] == []
    assert [prompt for prompt in PROMPTS if prompt in whole] == []
    assert [name for name in PERSON if name in whole] == []
    assert str(home.root.parent / "user") not in whole
    assert "Could not be told" not in whole
    for name, text in files.items():
        if name.endswith(".json"):
            json.loads(text)


def test_what_is_needed_is_there(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(home, monkeypatch)
    path = run("report", "--json").json["path"]
    files = contents(Path(path))
    log = files["log.txt"].splitlines()
    assert "srv    load_model: loading model '~/m.gguf'" in log[1]
    assert "slot update_slots: id  0 | task 0 | n_tokens = 12" in log[2]
    assert [LEFT_OUT in line for line in log[4:8]] == [True] * 4
    assert "(host) by (user)" in log[0]
    (engine,) = json.loads(files["studio.json"])["engines that were started"]
    assert engine["command"] == [
        "/usr/bin/llama-server", "--model", "~/m.gguf", "--api-key", GONE, "--api-key-file",
        str(home.state / "engines" / "process-a.key"), f"--hf-token={GONE}", "--ctx-size", "4096",
        "--system-prompt", GONE,
    ]  # fmt: skip
    assert "mine" in [each["id"] for each in json.loads(files["profiles.json"])]
    (job,) = json.loads(files["jobs.json"])
    assert job["title"] == "Batch of (user)"
    settings = json.loads(files["settings.json"])
    assert settings["settings"]["models"]["value"] == ["~/models-of-(user)"]
    assert settings["settings"]["models"]["origin"] == str(home.config)
    assert json.loads(files["versions.json"])["packages"]["textual"]
    found = {each["id"] for each in json.loads(files["doctor.json"])["findings"]}
    assert {"gpu.driver", "studio.profiles.broken"} <= found


def test_with_a_studio_that_runs(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    failure = {
        "what": "It failed", "why": "", "hint": "",
        "last_lines": ["0.01.000.001 E srv  load_model: failed", "my diary of today"],
    }  # fmt: skip
    command = ["llama-server", "--api-key", "sk-planted-123456", "-c", "4096"]
    machine.status = serving(
        engine={"kind": "process", "command": command},
        failure=failure,
        beside=[{"profile": "small", "engine": {"command": command}}],
    )
    monkeypatch.setattr(MACHINE, lambda: nullcontext(machine))
    told = json.loads(contents(Path(run("report", "--json").json["path"]))["studio.json"])
    without = ["llama-server", "--api-key", GONE, "-c", "4096"]
    assert told["engine"]["command"] == told["beside"][0]["engine"]["command"] == without
    assert told["failure"]["last_lines"] == ["0.01.000.001 E srv  load_model: failed", LEFT_OUT]


def test_a_secret_that_is_longer_than_a_line(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken into lines, it would be found no more."""
    secret = "longSecret" * 12
    machine = Machine()
    machine.environment |= {"SOME_TOKEN": secret, "TERM": f"xterm-{secret}"}
    machine.shows = Terminal(120, 40)  # nameless, so that TERM is told
    monkeypatch.setattr(MACHINE, lambda: nullcontext(machine))
    files = contents(Path(run("report", "--json").json["path"]))
    assert "longSecret" not in "".join(files.values())
    assert f"xterm-{GONE}" in files["doctor.txt"]


def test_where_nothing_is(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    files = contents(Path(run("report", "--json").json["path"]))
    assert files["log.txt"] == "There is no log yet.\n"
    assert json.loads(files["jobs.json"]) == []
    assert "Could not be told" not in "".join(files.values())


def test_a_part_that_fails_hides_no_other(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    def fails(_: ThisSystem) -> object:
        raise RuntimeError("oh")

    monkeypatch.setattr(ThisSystem, "studio", fails)
    files = contents(Path(run("report", "--json").json["path"]))
    assert files["studio.json"] == "Could not be told: RuntimeError: oh\n"
    assert set(files) == NAMES


def test_the_file_can_be_named_and_none_is_written_over(
    run: Run, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MACHINE, lambda: nullcontext(Machine()))
    assert run("report", "-o", "mine.tar.gz").code == 0
    before = (folder / "mine.tar.gz").read_bytes()
    again = run("report", "-o", "mine.tar.gz")
    assert again.code == 1
    assert "mine.tar.gz" in again.err
    assert (folder / "mine.tar.gz").read_bytes() == before
    assert run("report", "-o", "no/such/folder.tar.gz").code == 1


# The gate by itself


@pytest.fixture
def redaction() -> Redaction:
    return Redaction(Path("/home/ada"), "ada", "box.lan", ["a known secret"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a known secret here", f"{GONE} here"),
        ("hf_AbCdEf123456", GONE),
        ("key sk-proj-abc123DEF456", f"key {GONE}"),
        ("github_pat_11ABCDEFG0abcdefgh", GONE),
        ("AKIAIOSFODNN7EXAMPLE", GONE),
        ("v3ryR4ndomT0kenOfAnUnknown_KindThat-sLongEnough1", GONE),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: {GONE}"),
        ("sent Bearer abcdef.ghi", f"sent Bearer {GONE}"),
        ('{"api_key": "abc"}', f'{{"api_key": "{GONE}"}}'),
        ("password=x7y8z9 next", f"password={GONE} next"),
        ("HF_TOKEN=short", f"HF_TOKEN={GONE}"),
        ("?token=abc&x=1", f"?token={GONE}&x=1"),
        ("--api-key abc --ctx-size 5", f"--api-key {GONE} --ctx-size 5"),
        ("https://bob:pw@host.example/x", f"https://{GONE}@host.example/x"),
        ("https://token@host.example/x", f"https://{GONE}@host.example/x"),
        ("ssh://somewhere:22/x", "ssh://(machine):22/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", GONE),
        ("/home/ada/models", "~/models"),
        ("/home/grace/models", "/home/(user)/models"),
        ("/Users/grace/x", "/Users/(user)/x"),
        ("ada@box: Ada's", "(user)@(host): (user)'s"),
        ("10.1.2.3:80", "(address):80"),
        ("fe80::1ff:fe23:4567:890a", "(address)"),
        ("52:54:00:12:34:56", "(address)"),
        ("GPU-8f3e2d1c-aaaa-bbbb-cccc-0123456789ab", "GPU-(id)"),
        # What a report is made of stays.
        ("127.0.0.1:8080 and 0.0.0.0", "127.0.0.1:8080 and 0.0.0.0"),
        ("0.12.123.045 I srv  init", "0.12.123.045 I srv  init"),
        ("1.12.123.145 I srv  init", "1.12.123.145 I srv  init"),
        ("BOS token = 1 '<s>'", "BOS token = 1 '<s>'"),
        ("max_tokens = 32768, n_tokens: 5", "max_tokens = 32768, n_tokens: 5"),
        ("--api-key-file /run/key", "--api-key-file /run/key"),
        ("sha256:" + "ab12" * 16, "sha256:" + "ab12" * 16),
        ("driver 580.95.05, CUDA 13.0", "driver 580.95.05, CUDA 13.0"),
        ("Canada, adapter, box_size", "Canada, adapter, (host)_size"),
        ("gateway_key: false", "gateway_key: false"),
        ("sk-learn and hf_hub", "sk-learn and hf_hub"),
        (
            "DeepSeek-R1-Distill-Qwen-32B-Instruct-Q4_K_M",
            "DeepSeek-R1-Distill-Qwen-32B-Instruct-Q4_K_M",
        ),
    ],
)
def test_what_is_taken_out(redaction: Redaction, text: str, told: str) -> None:
    assert redaction.text(text) == told


def test_names_that_are_words_of_every_report_stay() -> None:
    assert (
        Redaction(Path("/root"), "root", "gpu").text("root on gpu: /root/x") == "root on gpu: ~/x"
    )


def test_fields_that_are_called_secrets(redaction: Redaction) -> None:
    value = {
        "apiKey": "abc",
        "keys": {"quit": "q"},
        "token_file": "/x",
        "n": [1, None, True, "ada"],
    }
    assert redaction.value(value) == {
        "apiKey": GONE, "keys": {"quit": "q"}, "token_file": "/x", "n": [1, None, True, "(user)"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["HF_TOKEN", "api-key", "apiKey", "PGPASSWORD", "auth", "keys"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "KEYBOARD", "token_file", "api_key_file", "monkey"])
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret(name)


def test_hostile_text_costs_little(redaction: Redaction) -> None:
    """No pattern may take more than its text's length times a little."""
    import time

    for text in ("a-" * 100_000, "key" * 60_000, "1." * 100_000, "://" * 60_000, ":" * 200_000):
        begun = time.process_time()
        redaction.text(text)
        assert time.process_time() - begun < 3
