"""Claude Code: the real thing, with a configuration of its own, on the model that is served."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from llm_studio.agents.agent import MODEL, Agent, Place, Seat, Setup

TOOLS = "Agent,AskUserQuestion,Bash,Edit,ExitPlanMode,Glob,Grep,NotebookEdit,Read,Skill,Write"
"""Those that work without Anthropic's servers. A short list is a short prompt."""
_SECRETS = (
    "~/.ssh/**", "~/.gnupg/**", "~/.aws/**", "~/.azure/**", "~/.kube/**", "~/.docker/**",
    "~/.config/gcloud/**", "~/.config/gh/**", "~/.netrc", "~/.git-credentials", "~/.npmrc",
    "~/.pypirc", "~/.claude/**", "~/.claude.json", "./.env", "./.env.*", "./**/.env",
    "./**/.env.*", "./**/*.pem", "./**/*.key", "./secrets/**",
)  # fmt: skip
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/opt", "/proc", "/root", "/run", "/sbin",
           "/srv", "/sys", "/usr", "/var")  # fmt: skip
_HOME = (".bashrc", ".bash_profile", ".profile", ".zshrc", ".zprofile", ".gitconfig", ".config/**",
         ".local/bin/**", ".ssh/**", ".claude/**")  # fmt: skip


def configure(seat: Seat, place: Place) -> Setup:
    own_sandbox = not place.jailed and sys.platform == "darwin"
    environment = {
        "ANTHROPIC_BASE_URL": seat.gateway,
        "ANTHROPIC_AUTH_TOKEN": seat.key,
        "ANTHROPIC_MODEL": MODEL,
        **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": MODEL for tier in ("OPUS", "SONNET", "FABLE")},
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": seat.small,
        "ANTHROPIC_SMALL_FAST_MODEL": seat.small,
        "CLAUDE_CODE_SUBAGENT_MODEL": MODEL,
        # Else there are system messages amid the conversation, which many templates refuse.
        "CLAUDE_CODE_MODEL_CAPABILITIES": "-mid_conv_system,-mid_conv_tool_change",
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(seat.context),
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(seat.output),
        # Else the default in its list of models would be taken to have a million tokens.
        "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",
        # These change the beginning of the prompt from session to session: the cache would be lost.
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "ENABLE_TOOL_SEARCH": "false",
        "API_TIMEOUT_MS": "3600000",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
        **dict.fromkeys(
            ("DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER"), "1"
        ),
        "CLAUDE_CONFIG_DIR": str(place.folder),
    }
    settings = place.session / "settings.json"
    return Setup(
        environment=environment,
        arguments=("--settings", str(settings), "--tools", TOOLS),
        files={settings: json.dumps(_settings(seat, environment, place, own_sandbox), indent=1)},
        once={
            place.folder / ".claude.json": json.dumps({"hasCompletedOnboarding": True}),
            place.folder / "settings.json": json.dumps({"theme": "dark"}),
        },
        own_sandbox=own_sandbox,
    )


def _settings(
    seat: Seat, environment: dict[str, str], place: Place, own_sandbox: bool
) -> dict[str, Any]:
    """They outrank a project's own settings, so that no repository can lead the agent elsewhere."""
    permissions: dict[str, Any] = {
        "defaultMode": "default",
        "disableAutoMode": "disable",  # its check is a remote service
        "deny": [
            "WebSearch",
            "WebFetch",
            *(f"Read({path})" for path in _SECRETS),
            *(f"Edit({path})" for path in _SECRETS),
            *_no_writing(str(place.project)),
        ],
    }
    if not place.jailed:
        permissions["disableBypassPermissionsMode"] = "disable"
    options = [
        {"model": MODEL, "label": "The model that is served"},
        *({"model": id_, "label": f"{name} (loads it)"} for id_, name in seat.others),
    ]
    settings: dict[str, Any] = {
        "permissions": permissions,
        "skipWebFetchPreflight": True,
        "modelPicker": {"options": options, "replaceBuiltInOptions": True},
        "env": {
            name: environment[name]
            for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_MODEL")
        },
    }
    if own_sandbox:
        settings["sandbox"] = {
            "enabled": True,
            "failIfUnavailable": True,
            "allowUnsandboxedCommands": False,
            "filesystem": {"denyRead": [path for path in _SECRETS if path.startswith("~")]},
        }
    return settings


def _no_writing(project: str) -> list[str]:
    """Places where no project's files are; a rule cannot make an exception for the project."""
    real = os.path.realpath(project)
    elsewhere = (folder for folder in _SYSTEM if not f"{real}/".startswith(f"{folder}/"))
    return [*(f"Edit(/{each}/**)" for each in elsewhere), *(f"Edit(~/{each})" for each in _HOME)]


def vscode(seat: Seat, folder: Path) -> tuple[dict[str, Any], dict[Path, str]]:
    """What belongs in VS Code's settings for its extension, and the files that go with it."""
    place = Place(folder, folder, folder / "no-project")
    setup = configure(seat, place)
    variables = [{"name": name, "value": value} for name, value in setup.environment.items()]
    own = json.loads(setup.files[folder / "settings.json"])
    files = {
        folder / "settings.json": json.dumps({"theme": "dark", **own}, indent=1),
        folder / ".claude.json": json.dumps({"hasCompletedOnboarding": True}),
    }
    return {
        "claudeCode.environmentVariables": variables,
        "claudeCode.disableLoginPrompt": True,
    }, files


AGENT = Agent(
    id="claude",
    title="Claude Code",
    command="claude",
    install="curl -fsSL https://claude.ai/install.sh | bash",
    dialect="anthropic",
    tested="2.1.332",
    oldest=(2, 1, 300),
    least_context=24576,
    note="Older versions send system messages where many templates refuse them.",
    configure=configure,
    resume="llm-studio claude --resume",
    refused=("--settings", "--setting-sources"),
)
