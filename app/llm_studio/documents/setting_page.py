"""docs/settings.md: every setting with its variable and default, and where everything lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm_studio.documents.markdown import cell
from llm_studio.settings import SETTINGS, Paths

_MAC = "~/Library/Application Support/llm-studio"
PLACES = (
    ("`config.toml`", "~/.config/llm-studio/config.toml", f"{_MAC}/config.toml", "config.toml"),
    ("your profiles", "~/.config/llm-studio/profiles", f"{_MAC}/profiles", "profiles"),
    ("downloaded models", "~/.local/share/llm-studio/models", f"{_MAC}/models", "models"),
    ("state", "~/.local/state/llm-studio", _MAC, "state"),
    ("cache", "~/.cache/llm-studio", "~/Library/Caches/llm-studio", "cache"),
)
"""What lies where: on Linux, on macOS, and under LLM_STUDIO_HOME."""

_HEAD = """\
# Settings

Written by `make docs` from the program's own list. A value comes from the config file, then from
the environment, then from an option of the command: the later wins. `llm-studio config` shows
each value with its origin, `llm-studio config KEY VALUE` sets one, `llm-studio config KEY
--unset` goes back to the default. The studio reads them when it starts: `llm-studio shutdown`,
and the next command starts one that knows the new ones, while the model serves on.
"""
_FORMS = """
In the config file (TOML) a list is `["a", "b"]`, a switch `true` or `false`. In the environment
folders are separated as in `PATH`, names by spaces, keys are `app.pick=m app.quit=q`, and a
switch is `on` or `off`. An empty variable counts as none.

```toml
models = ["/data/models", "~/models"]
gateway_port = 8090
theme = "light"

[keys]
"app.pick" = "m,ctrl+o"
```
"""
_PLACES = """
## Where everything lies

| | Linux | macOS | with `LLM_STUDIO_HOME` set |
| --- | --- | --- | --- |"""
_MORE = """
On Linux `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CACHE_HOME` move them as
usual. The state folder holds the studio's socket, token, journals, logs, conversations and the
records of engines that run. The cache can be deleted at any time.

Other variables that are honoured: `NO_COLOR`, `EDITOR` and `VISUAL`, `DOCKER_HOST` and Docker's
contexts, `HF_TOKEN`, `HF_HOME` and `HF_HUB_CACHE`, `LLAMA_CACHE`, `OLLAMA_MODELS`.
"""


def page() -> str:
    rows = [
        f"| `{each.key}` | `{each.variable}` | {_default(each.default(_paths()))} "
        f"| {cell(each.doc)} |"
        for each in SETTINGS
    ]
    places = [f"| {name} | `{a}` | `{b}` | `$LLM_STUDIO_HOME/{c}` |" for name, a, b, c in PLACES]
    head = ("| setting | variable | default | |", "| --- | --- | --- | --- |")
    return "\n".join((_HEAD, *head, *rows, _FORMS + _PLACES, *places, _MORE.rstrip(), ""))


def _paths() -> Paths:
    """Paths whose names say what they are."""
    return Paths(*(Path(f"the folder of {each[0]}") for each in PLACES))


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"`{value}`" if value not in ("", {}) else ""
