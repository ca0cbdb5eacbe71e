"""Every command: its name, what it does, and the module that does it. Nothing heavy is imported."""

from __future__ import annotations


class Command:
    """A command as the help lists it; its module has `options(parser)` and `run(arguments)`.

    No dataclass: importing those takes longer than everything else that `--help` does.
    """

    __slots__ = ("completes", "module", "name", "summary", "usage")

    def __init__(
        self, name: str, usage: str, summary: str, module: str, completes: str = ""
    ) -> None:
        self.name = name
        self.usage = usage
        self.summary = summary
        self.module = module
        self.completes = completes
        """What its positional arguments are: "profile", "file" …; for shell completion."""


COMMANDS = (
    Command("ui", "", "the terminal UI; `llm-studio` alone opens it too", "ui"),
    Command("list", "", "profiles: id, name, context, fit, size and state", "profiles_list"),
    Command(
        "show",
        "ID",
        "one profile: values with origins, memory per GPU, effective command",
        "profile_show",
        "profile",
    ),
    Command("check", "[ID…]", "validate and lint profiles", "profile_check", "profile"),
    Command("new", "FILE", "write a profile for a model file", "profile_new", "file"),
    Command(
        "edit", "ID [KEY=VALUE…]", "change a profile, in $EDITOR or here", "profile_edit", "profile"
    ),
    Command("import", "PATH", "profiles from models.conf or a llama.cpp preset", "profile_import"),
    Command("files", "[FILE]", "model files on this machine; one file's metadata", "files", "file"),
    Command("get", "ID|REPO[:QUANT]", "download a model", "get", "profile"),
    Command(
        "up",
        "[ID]",
        "serve a profile (or switch to it) and wait until it is ready",
        "up",
        "profile",
    ),
    Command("down", "", "stop the model", "down"),
    Command("status", "", "what is served, and how it is", "status"),
    Command("logs", "[-f]", "the log of the engine and the studio", "logs"),
    Command("chat", "[PROMPT]", "ask the model; without a prompt, a conversation", "chat"),
    Command("claude", "[ARGS…]", "Claude Code on the model, here, fenced in", "claude"),
    Command("agent", "ACTION", "other coding agents: list, run, config, test, sessions", "agent"),
    Command(
        "image",
        "ACTION",
        "container images: list, pull, build, use, check, rollback, prune",
        "image",
        "image",
    ),
    Command(
        "bench",
        "ACTION",
        "benchmarks: speed, coding, fetch, list, show, compare, report …",
        "bench",
    ),
    Command("history", "[SERIES…]", "figures of the past: GPUs, machine, engine", "history"),
    Command("jobs", "[ID]", "what takes long; `jobs cancel ID`", "jobs"),
    Command("token", "", "the key for writing over the management API", "token"),
    Command("serve", "", "run the studio in the foreground", "serve"),
    Command("shutdown", "", "end the studio; the model goes on serving", "shutdown"),
    Command("doctor", "[CHECK…]", "what is wrong with this machine and how to mend it", "doctor"),
    Command("report", "", "a bundle for bug reports, without secrets", "report"),
    Command("config", "[KEY [VALUE]]", "settings with their origins; set one", "config", "setting"),
    Command("completion", "SHELL", "completion for bash, zsh or fish", "completion", "shell"),
)
BY_NAME = {command.name: command for command in COMMANDS}
