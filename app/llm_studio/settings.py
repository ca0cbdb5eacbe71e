"""Where llm-studio keeps things and what the user set: one config file, the environment, flags.

Later wins: default, config file, `LLM_STUDIO_*`, flag. `LLM_STUDIO_HOME` puts everything under
one folder, so that a trial never touches the user's own.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_studio.errors import StudioError, did_you_mean
from llm_studio.text import has_controls, untrusted_line


@dataclass(frozen=True, slots=True)
class Paths:
    """The places of one installation."""

    config_file: Path
    profiles: Path
    models: Path
    state: Path
    cache: Path

    @classmethod
    def locate(cls, environment: Mapping[str, str]) -> Paths:
        home = environment.get("LLM_STUDIO_HOME")
        if home:
            root = Path(os.path.expanduser(home)).absolute()
            if home.startswith("~") and str(root) != os.path.expanduser(home):
                raise StudioError(f"LLM_STUDIO_HOME: there is no user's home {home!r}")
            return cls(
                root / "config.toml",
                root / "profiles",
                root / "models",
                root / "state",
                root / "cache",
            )
        from platformdirs import PlatformDirs

        places = PlatformDirs("llm-studio", appauthor=False)
        return cls(
            places.user_config_path / "config.toml",
            places.user_config_path / "profiles",
            places.user_data_path / "models",
            places.user_state_path,
            places.user_cache_path,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a user may set: its documentation and how it is read."""

    key: str
    doc: str
    default: Callable[[Paths], Any]
    from_text: Callable[[str], Any]
    """Reads the environment's and the command line's form; raises ValueError."""
    from_toml: Callable[[Any], Any]
    """Reads the config file's form; raises ValueError."""

    @property
    def variable(self) -> str:
        return f"LLM_STUDIO_{self.key.upper()}"


def _folder(value: Any) -> Path:
    if not isinstance(value, str) or not value or has_controls(value):
        raise ValueError("expected the path of a folder")
    path = Path(os.path.expanduser(value))
    if not path.is_absolute():
        raise ValueError(f"expected an absolute path (or one with ~), not {value!r}")
    return path


def _folders(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError('expected a list of folders, like ["/data/models"]')
    return tuple(_folder(each) for each in value)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _switch_from_text(text: str) -> bool:
    known = {"1": True, "true": True, "on": True, "yes": True}
    known |= {"0": False, "false": False, "off": False, "no": False}
    if text.lower() not in known:
        raise ValueError("expected true or false")
    return known[text.lower()]


def _port(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535:
        return value
    raise ValueError("expected a port from 0 to 65535")


def _port_from_text(text: str) -> int:
    return _port(int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text)


def _text(value: Any) -> str:
    if not isinstance(value, str) or has_controls(value):
        raise ValueError("expected a text")
    return value


SETTINGS = (
    Setting(
        "models",
        "Folders that hold model files (GGUF), searched in this order; downloads go to the first.",
        lambda paths: (paths.models,),
        lambda text: tuple(_folder(part) for part in text.split(os.pathsep) if part),
        _folders,
    ),
    Setting(
        "caches",
        "Look for model files in the caches of Hugging Face, llama.cpp, LM Studio and Ollama too.",
        lambda paths: True,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "gateway_port",
        "Port of the gateway, where clients ask for inference (0: any free one).",
        lambda paths: 8080,
        _port_from_text,
        _port,
    ),
    Setting(
        "api_port",
        "Port of the management API (0: any free one).",
        lambda paths: 8081,
        _port_from_text,
        _port,
    ),
    Setting(
        "switch_on_request",
        "Load another profile when a request names it.",
        lambda paths: True,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "llama_server",
        "Path of the llama-server for engines of kind `process` (else the one on PATH).",
        lambda paths: "",
        str,
        _text,
    ),
    Setting(
        "image",
        "Container image for engines of kind `docker` (else the one of `llm-studio image use`).",
        lambda paths: "",
        str,
        _text,
    ),
)
BY_KEY = {setting.key: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Value:
    """What holds for one setting, and who said so."""

    setting: Setting
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set, and the paths."""

    paths: Paths
    values: Mapping[str, Value]

    @property
    def models(self) -> tuple[Path, ...]:
        folders: tuple[Path, ...] = self.values["models"].value
        return folders

    @property
    def caches(self) -> bool:
        return bool(self.values["caches"].value)

    @property
    def gateway_port(self) -> int:
        return int(self.values["gateway_port"].value)

    @property
    def api_port(self) -> int:
        return int(self.values["api_port"].value)

    @property
    def switch_on_request(self) -> bool:
        return bool(self.values["switch_on_request"].value)

    @property
    def llama_server(self) -> str:
        return str(self.values["llama_server"].value)

    @property
    def image(self) -> str:
        return str(self.values["image"].value)


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of this user; a wrong value is an error that names where it was set."""
    environment = os.environ if environment is None else environment
    paths = Paths.locate(environment)
    in_file = read_config(paths.config_file)
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        values[setting.key] = Value(setting, setting.default(paths), "default")
        if setting.key in in_file:
            value = _read(setting.from_toml, in_file[setting.key], setting.key, paths.config_file)
            values[setting.key] = Value(setting, value, str(paths.config_file))
        if environment.get(setting.variable):
            value = _read(
                setting.from_text,
                environment[setting.variable],
                setting.variable,
                "the environment",
            )
            values[setting.key] = Value(setting, value, setting.variable)
    return Settings(paths, values)


def read_config(path: Path) -> dict[str, Any]:
    """The config file's keys, all known; a missing file is an empty one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StudioError(f"Cannot read {path}", why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not UTF-8 text", hint="Save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise StudioError(
            f"{path} is not valid TOML", why=untrusted_line(str(error)), hint="Mend that line."
        ) from error
    for key in table:
        if key not in BY_KEY:
            raise StudioError(
                f"{path}: unknown setting {untrusted_line(key)!r}",
                hint=did_you_mean(key, BY_KEY) or f"Known settings: {', '.join(BY_KEY)}.",
            )
    return table


def _read(reader: Callable[[Any], Any], raw: Any, key: str, where: object) -> Any:
    try:
        return reader(raw)
    except ValueError as error:
        raise StudioError(f"{key} in {where} cannot be used", why=str(error)) from error
