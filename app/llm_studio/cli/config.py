"""Show the settings, each with its origin; set one (`llm-studio config models /data/models`).

--unset goes back to the default. Comments in the config file are kept.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from llm_studio.cli.output import Cell, Column, narrate, print_json, say, say_wrapped, table
from llm_studio.config_file import write_setting
from llm_studio.errors import NotFound, StudioError, UsageError, did_you_mean
from llm_studio.settings import BY_KEY, Paths, Setting, Settings, Value, load_settings
from llm_studio.text import untrusted_line


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", help="one setting")
    parser.add_argument("value", nargs="?", help="its new value")
    parser.add_argument("--unset", action="store_true", help="go back to the default")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    if arguments.key is not None and arguments.key not in BY_KEY:
        raise NotFound(
            f"There is no setting {untrusted_line(arguments.key)!r}",
            hint=did_you_mean(arguments.key, BY_KEY) or f"There are: {', '.join(BY_KEY)}.",
        )
    if arguments.unset and (arguments.key is None or arguments.value is not None):
        raise UsageError("--unset goes with one key and no value")
    if arguments.value is not None or arguments.unset:
        _write(BY_KEY[arguments.key], arguments.value)
    settings = load_settings()
    if arguments.json:
        print_json(_as_json(settings, arguments.key))
    elif arguments.key:
        say(_told(settings.values[arguments.key].value))
    else:
        _show(settings)
    return 0


def _write(setting: Setting, text: str | None) -> None:
    value = None
    if text is not None:
        try:
            value = setting.from_text(text)
        except ValueError as error:
            raise UsageError(f"{setting.key} cannot be {text!r}", why=str(error)) from error
    write_setting(Paths.locate(os.environ).config_file, setting.key, _plain(value))
    for folder in value if isinstance(value, tuple) else ():
        if not os.path.isdir(folder):
            narrate(f"Note: there is no folder {folder} yet, or you may not look into it.")
    if os.environ.get(setting.variable):
        raise StudioError(
            f"{setting.key} was written, but {setting.variable} overrules it",
            hint=f"Unset the environment variable {setting.variable}.",
        )


def _show(settings: Settings) -> None:
    rows: list[list[Cell | str]] = []
    for value in settings.values.values():
        rows.append([value.setting.key, _told(value.value), Cell(value.origin, "dim")])
    table((Column("SETTING"), Column("VALUE", flexible=True), Column("ORIGIN")), rows)
    say()
    for value in settings.values.values():
        say_wrapped(f"{value.setting.key} ({value.setting.variable}): {value.setting.doc}", "    ")
    say()
    for label, path in _places(settings).items():
        say(f"{label:<12} {untrusted_line(str(path), limit=500)}")


def _places(settings: Settings) -> dict[str, Path]:
    paths = settings.paths
    return {
        "config file": paths.config_file,
        "profiles": paths.profiles,
        "state": paths.state,
        "cache": paths.cache,
    }


def _as_json(settings: Settings, key: str | None) -> Any:
    def one(value: Value) -> dict[str, Any]:
        return {
            "key": value.setting.key,
            "value": _plain(value.value),
            "origin": value.origin,
            "variable": value.setting.variable,
            "doc": value.setting.doc,
        }

    if key:
        return one(settings.values[key])
    return {
        "settings": [one(value) for value in settings.values.values()],
        "paths": {label: str(path) for label, path in _places(settings).items()},
    }


def _plain(value: Any) -> Any:
    return [str(each) for each in value] if isinstance(value, tuple) else value


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return os.pathsep.join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={key}" for name, key in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
