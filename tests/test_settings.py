"""Settings: default, then the config file, then the environment; each value knows who said so."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Home

from llm_studio.cli import main
from llm_studio.errors import StudioError
from llm_studio.settings import SETTINGS, Paths, home_folder, load_settings, read_config


def test_one_folder_holds_everything(tmp_path: Path) -> None:
    paths = Paths.locate({"LLM_STUDIO_HOME": str(tmp_path)})
    places = {getattr(paths, name) for name in Paths.__slots__}
    assert len(places) == len(Paths.__slots__)
    assert all(place.parent == tmp_path for place in places)


def test_a_home_may_be_relative_or_begin_with_a_tilde(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root.parent)
    assert Paths.locate({"LLM_STUDIO_HOME": "here"}).profiles == home.root.parent / "here/profiles"
    assert Paths.locate({"LLM_STUDIO_HOME": "~/x"}).state == home.root.parent / "user/x/state"


def test_a_home_of_a_user_that_there_is_not() -> None:
    with pytest.raises(StudioError, match="LLM_STUDIO_HOME"):
        Paths.locate({"LLM_STUDIO_HOME": "~nobody-at-all/x"})


def test_a_user_without_a_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container has it that runs as a number without a name."""
    for name in ("HOME", *(each for each in os.environ if each.startswith("XDG_"))):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StudioError, match="no home folder"):
        Paths.locate({})
    assert home_folder() == Path("/")
    for words in (["list"], ["agent", "list"]):
        assert main(words) == 0  # LLM_STUDIO_HOME is set, and that is enough


def test_without_it_the_places_are_the_user_s_own(home: Home) -> None:
    paths = Paths.locate({})
    assert paths.profiles.name == "profiles"
    assert paths.profiles.parent == paths.config_file.parent
    user = home.root.parent / "user"
    assert all(user in getattr(paths, name).parents for name in Paths.__slots__)


def test_nothing_set_is_the_defaults(home: Home) -> None:
    loaded = load_settings()
    assert loaded.models == (home.models,)
    assert loaded.caches is True
    assert {value.origin for value in loaded.values.values()} == {"default"}
    assert not home.root.exists()


def test_the_later_wins_and_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.root.mkdir()
    home.config.write_text('models = ["/file"]\ncaches = false\n')
    loaded = load_settings()
    assert (loaded.models, loaded.caches) == ((Path("/file"),), False)
    assert loaded.values["models"].origin == str(home.config)
    monkeypatch.setenv("LLM_STUDIO_MODELS", "/one::~/two")
    loaded = load_settings()
    assert loaded.models == (Path("/one"), home.root.parent / "user/two")
    assert loaded.values["models"].origin == "LLM_STUDIO_MODELS"
    assert loaded.values["caches"].origin == str(home.config)
    monkeypatch.setenv("LLM_STUDIO_MODELS", "")
    assert load_settings().models == (Path("/file"),)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("LLM_STUDIO_CACHES", "off", False),
        ("LLM_STUDIO_CACHES", "NO", False),
        ("LLM_STUDIO_CACHES", "0", False),
        ("LLM_STUDIO_CACHES", "Yes", True),
        ("LLM_STUDIO_CACHES", "maybe", None),
        ("LLM_STUDIO_MODELS", "/a", (Path("/a"),)),
        ("LLM_STUDIO_MODELS", "relative", None),
        ("LLM_STUDIO_MODELS", "/a:relative", None),
        ("LLM_STUDIO_MODELS", ":", None),
        ("LLM_STUDIO_MODELS", "~nobody-at-all/x", None),
        ("LLM_STUDIO_MODELS", "/a\x1b[2J", None),
    ],
)
def test_the_environment(tmp_path: Path, variable: str, text: str, value: Any) -> None:
    environment = {"LLM_STUDIO_HOME": str(tmp_path), variable: text}
    if value is None:
        with pytest.raises(StudioError, match=variable):
            load_settings(environment)
    else:
        key = variable.removeprefix("LLM_STUDIO_").lower()
        assert load_settings(environment).values[key].value == value


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"models = ", "not valid TOML"),
        (b'models = "/a"', "models in"),
        (b"models = [1]", "models in"),
        (b"models = []", "models in"),
        (b'models = ["relative"]', "models in"),
        (b'models = [""]', "models in"),
        (b"caches = 1", "caches in"),
        (b"caches = 'on'", "caches in"),
        (b"modles = []", "unknown setting 'modles'"),
        (b'"\\u001b[2J" = 1', "unknown setting"),
        (b"[models]", "models in"),
        (b"\xff", "not UTF-8"),
        (b"caches = " + b"[" * 20_000, "not valid TOML"),
        (b"caches = " + b"9" * 5000, "not valid TOML"),
    ],
)
def test_a_wrong_config_file_is_named(home: Home, content: bytes, told: str) -> None:
    home.root.mkdir()
    home.config.write_bytes(content)
    with pytest.raises(StudioError) as error:
        load_settings()
    assert told in error.value.what
    assert str(home.config) in error.value.what
    assert "\x1b" not in error.value.what


def test_an_unknown_setting_gets_a_suggestion(home: Home) -> None:
    home.root.mkdir()
    home.config.write_text("cache = true")
    with pytest.raises(StudioError) as error:
        load_settings()
    assert error.value.hint == "Did you mean 'caches'?"


def test_a_folder_in_place_of_the_config_file(home: Home) -> None:
    home.config.mkdir(parents=True)
    with pytest.raises(StudioError, match="Cannot read"):
        load_settings()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_in_the_config_file_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    try:
        keys = set(read_config(path))
    except StudioError:
        return
    assert keys <= {setting.key for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_is_documented_and_named_after_its_variable(setting: Any) -> None:
    assert setting.doc.endswith(".")
    assert setting.variable == f"LLM_STUDIO_{setting.key.upper()}"
