"""Where llm-studio keeps things and what the user set: one config file, the environment, flags.

Later wins: default, config file, `LLM_STUDIO_*`, flag. `LLM_STUDIO_HOME` puts everything under
one folder, so that a trial never touches the user's own.
"""

from __future__ import annotations

import os
import re
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
        try:
            return cls(
                places.user_config_path / "config.toml",
                places.user_config_path / "profiles",
                places.user_data_path / "models",
                places.user_state_path,
                places.user_cache_path,
            )
        except RuntimeError as error:  # a number without a name, and no HOME
            raise StudioError(
                "This user has no home folder",
                why="HOME is not set, and the system knows none for this user.",
                hint="Set HOME, or LLM_STUDIO_HOME to a folder for everything.",
            ) from error


def home_folder() -> Path:
    """The user's home; `/` for one without, as containers have it for a number without a name."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


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
    if not isinstance(value, list) or not value:
        raise ValueError('expected a list of folders, like ["/data/models"]')
    return tuple(_folder(each) for each in value)


def _folders_from_text(text: str) -> tuple[Path, ...]:
    folders = tuple(_folder(part) for part in text.split(os.pathsep) if part)
    if not folders:
        raise ValueError("expected folders, like /data/models:~/models")
    return folders


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


def _address(value: Any) -> str:
    from ipaddress import ip_address  # 2 ms that most commands need not spend

    try:
        return str(ip_address(value)) if value != "localhost" else "127.0.0.1"
    except ValueError:
        raise ValueError("expected an address of this machine, like 127.0.0.1") from None


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError('expected a list of names, like ["box.lan"]')
    for each in value:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?", each):
            raise ValueError(f"{each!r} is no name of a machine")
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or has_controls(value):
        raise ValueError("expected a text")
    return value


def _number(lowest: int, highest: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        raise ValueError(f"expected a number from {lowest} to {highest}")

    return read


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value in words:
            return str(value)
        raise ValueError(f"expected one of {', '.join(words)}")

    return read


def _keys(value: Any) -> dict[str, str]:
    """Keys by the id of what they do; nested tables are the same with dots."""
    if not isinstance(value, dict):
        raise ValueError('expected a table, like [keys] with "app.pick" = "m"')
    keys: dict[str, str] = {}
    for name, each in value.items():
        if isinstance(each, dict):
            keys |= {f"{name}.{inner}": key for inner, key in _keys(each).items()}
        elif isinstance(each, str) and each and not has_controls(name + each):
            keys[name] = each
        else:
            raise ValueError(f'{name!r} needs the names of keys, like "ctrl+o"')
    return keys


def _keys_from_text(text: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in text.split())
    return _keys({name: key for name, _, key in pairs})


SETTINGS = (
    Setting(
        "models",
        "Folders that hold model files (GGUF), searched in this order; downloads go to the first.",
        lambda paths: (paths.models,),
        _folders_from_text,
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
        "gateway_host",
        "Address that the gateway listens on; one that others can reach needs gateway_key too.",
        lambda paths: "127.0.0.1",
        _address,
        _address,
    ),
    Setting(
        "gateway_key",
        "Ask clients of the gateway for a key (`llm-studio token --gateway` prints it).",
        lambda paths: False,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "capture",
        "Keep what is asked through the gateway, and the answers, in files below the state folder.",
        lambda paths: False,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "api_host",
        "Address that the management API listens on; elsewhere than on loopback even reading "
        "needs the token.",
        lambda paths: "127.0.0.1",
        _address,
        _address,
    ),
    Setting(
        "hosts",
        "Further names of this machine that clients may use in addresses, like box.lan.",
        lambda paths: (),
        lambda text: _names(text.split()),
        _names,
    ),
    Setting(
        "switch_on_request",
        "Load another profile when a request names it.",
        lambda paths: True,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "stall_limit",
        "Seconds without any sign of life after which the load of a model is given up.",
        lambda paths: 300,
        _number(1, 86400),
        _number(1, 86400),
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
    Setting(
        "agent_image",
        "Container image that coding agents run in where there is no bubblewrap; it needs Python.",
        lambda paths: "llm-studio/sandbox:python",
        str,
        _text,
    ),
    Setting(
        "theme",
        "Colours of the terminal UI: auto, dark, light, or terminal (its own colours).",
        lambda paths: "auto",
        _one_of("auto", "dark", "light", "terminal"),
        _one_of("auto", "dark", "light", "terminal"),
    ),
    Setting(
        "density",
        "Room in the terminal UI: roomy, or compact.",
        lambda paths: "roomy",
        _one_of("roomy", "compact"),
        _one_of("roomy", "compact"),
    ),
    Setting(
        "plain_output",
        "Let Textual draw the terminal UI by itself, where llm-studio's own drawing goes wrong.",
        lambda paths: False,
        _switch_from_text,
        _switch,
    ),
    Setting(
        "on_quit",
        "What becomes of the model when the terminal UI is left: ask, leave (it serves), or stop.",
        lambda paths: "ask",
        _one_of("ask", "leave", "stop"),
        _one_of("ask", "leave", "stop"),
    ),
    Setting(
        "keys",
        "Other keys for actions of the terminal UI, by the ids in docs/keys.md.",
        lambda paths: {},
        _keys_from_text,
        _keys,
    ),
    Setting(
        "alert_gpu_temperature",
        "°C from which a GPU is told to be hot (0: never).",
        lambda paths: 87,
        _number(0, 200),
        _number(0, 200),
    ),
    Setting(
        "alert_memory_temperature",
        "°C from which a GPU's memory is told to be hot (0: never).",
        lambda paths: 100,
        _number(0, 200),
        _number(0, 200),
    ),
    Setting(
        "alert_gpu_free",
        "MiB: a GPU with less memory free is told of (0: never).",
        lambda paths: 100,
        _number(0, 1 << 20),
        _number(0, 1 << 20),
    ),
    Setting(
        "alert_requests",
        "Requests at once that are told as a burst (0: never).",
        lambda paths: 32,
        _number(0, 100_000),
        _number(0, 100_000),
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
    def gateway_host(self) -> str:
        return str(self.values["gateway_host"].value)

    @property
    def gateway_key(self) -> bool:
        return bool(self.values["gateway_key"].value)

    @property
    def capture(self) -> bool:
        return bool(self.values["capture"].value)

    @property
    def api_host(self) -> str:
        return str(self.values["api_host"].value)

    @property
    def hosts(self) -> tuple[str, ...]:
        hosts: tuple[str, ...] = self.values["hosts"].value
        return hosts

    @property
    def switch_on_request(self) -> bool:
        return bool(self.values["switch_on_request"].value)

    @property
    def stall_limit(self) -> int:
        return int(self.values["stall_limit"].value)

    @property
    def llama_server(self) -> str:
        return str(self.values["llama_server"].value)

    @property
    def image(self) -> str:
        return str(self.values["image"].value)

    @property
    def agent_image(self) -> str:
        return str(self.values["agent_image"].value)

    @property
    def theme(self) -> str:
        return str(self.values["theme"].value)

    @property
    def density(self) -> str:
        return str(self.values["density"].value)

    @property
    def plain_output(self) -> bool:
        return bool(self.values["plain_output"].value)

    @property
    def on_quit(self) -> str:
        return str(self.values["on_quit"].value)

    @property
    def keys(self) -> Mapping[str, str]:
        keys: dict[str, str] = self.values["keys"].value
        return keys

    def alert(self, name: str) -> int:
        """A limit beyond which something is told of, like `gpu_temperature`; 0 is none."""
        return int(self.values[f"alert_{name}"].value)


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
