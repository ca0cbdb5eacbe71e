"""Ports, the network, the clock, the terminal, coding agents."""

from __future__ import annotations

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.machine import Machine

from llm_studio.probes.doctor.system import Answer, Port, Terminal
from llm_studio.settings import load_settings

# Network and clock


@case(
    "network.ports.gateway", FAULT, "port 8080 (gateway) is taken by python (process 42)",
    "llm-studio config gateway_port 9080",
)  # fmt: skip
def _(m: Machine) -> None:
    m.ports[8080] = Port("taken", "python (process 42)")


@case(
    "network.ports.api", FAULT, "port 8081 (api) is taken by the container web",
    "llm-studio config api_port 9081",
)  # fmt: skip
def _(m: Machine) -> None:
    m.ports[8081] = Port("taken")
    m.prints("docker ps --filter publish=8081 --format {{.Names}}", "web\n")


@case("network.ports.api", FAULT, "another program", "sudo ss -ltnp 'sport = :8081'")
def _(m: Machine) -> None:
    m.ports[8081] = Port("taken")


@case("network.ports.api", FAULT, "another program", "sudo lsof -nP -iTCP:8081 -sTCP:LISTEN")
def _(m: Machine) -> None:
    m.macos()
    m.ports[8081] = Port("taken")


@case("network.ports.gateway", FAULT, "port 80 needs rights", "llm-studio config gateway_port 8080")
def _(m: Machine) -> None:
    m.settings = load_settings(
        {"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_GATEWAY_PORT": "80"}
    )
    m.ports[80] = Port("denied")


@case("network.ports.open", FAULT, "0.0.0.0, without a key", "llm-studio config gateway_key true")
def _(m: Machine) -> None:
    m.settings = load_settings(
        {"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_GATEWAY_HOST": "0.0.0.0"}
    )


@case(
    "network.ports.api",
    FAULT,
    "10.0.0.9 (api) is no address",
    "llm-studio config api_host 127.0.0.1",
)
def _(m: Machine) -> None:
    m.settings = load_settings(
        {"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_API_HOST": "10.0.0.9"}
    )
    m.ports[8081] = Port("elsewhere")


@case("network.ports.same", FAULT, "both want port 8081", "llm-studio config api_port 8082")
def _(m: Machine) -> None:
    m.settings = load_settings(
        {"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_GATEWAY_PORT": "8081"}
    )


@case(
    "network.proxy", WARNING, "does not spare localhost",
    "export NO_PROXY=127.0.0.1,localhost,::1 no_proxy=127.0.0.1,localhost,::1",
)  # fmt: skip
def _(m: Machine) -> None:
    m.environment |= {"http_proxy": "http://proxy:3128", "no_proxy": "127.0.0.1"}


@case("network.hub", WARNING, "its name is not known", "curl -sI …")
def _(m: Machine) -> None:
    m.answer = Answer(None, "name", "Name or service not known")


@case("network.hub", WARNING, "no answer in time", "unset HF_ENDPOINT")
def _(m: Machine) -> None:
    m.environment["HF_ENDPOINT"] = "https://mirror.example"
    m.answer = Answer(None, "slow", "timed out")


@case("network.hub", WARNING, "mirror.example cannot", "curl -sI https://mirror.example:8/x")
def _(m: Machine) -> None:
    m.environment["HF_ENDPOINT"] = "https://ada:password@mirror.example:8/x"
    m.answer = Answer(None, "other", "Network is unreachable")


@case("network.hub", WARNING, "the connection is refused", "curl -sI …")
def _(m: Machine) -> None:
    m.answer = Answer(None, "refused", "Connection refused")


@case("network.hub", WARNING, "the proxy refuses", "env | grep -i proxy")
def _(m: Machine) -> None:
    m.answer = Answer(None, "proxy", "Tunnel connection failed: 403 Forbidden")


@case("network.hub", FAULT, "certificate is not trusted", "date")
def _(m: Machine) -> None:
    m.answer = Answer(None, "certificate", "certificate verify failed")


@case("network.hub", WARNING, "answers with error 503")
def _(m: Machine) -> None:
    m.answer = Answer(503)


@case("network.hub", WARNING, "switched off by HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE")
def _(m: Machine) -> None:
    m.environment["HF_HUB_OFFLINE"] = "1"


@case("network.clock", FAULT, "the clock is 3 h behind", "sudo timedatectl set-ntp true")
def _(m: Machine) -> None:
    m.answer = Answer(200, clock=-3 * 3600.0)


@case("network.clock", WARNING, "the clock is 2 min ahead", "sudo timedatectl set-ntp true")
def _(m: Machine) -> None:
    m.answer = Answer(200, clock=120.0)


@case("network.clock", FAULT, "the clock is 4 days behind", "sudo hwclock --hctosys")
def _(m: Machine) -> None:
    m.wsl()
    m.answer = Answer(200, clock=-4 * 86400.0)


@case("network.clock", FAULT, "ahead", "sudo sntp -sS time.apple.com")
def _(m: Machine) -> None:
    m.macos()
    m.answer = Answer(200, clock=4000.0)


@case("network.clock", WARNING, "kept by no time server", "sudo timedatectl set-ntp true")
def _(m: Machine) -> None:
    m.answer = Answer(None, "name")
    m.prints("timedatectl show --property=NTPSynchronized --value", "no\n")


# Terminal


@case("terminal.size", WARNING, "it has 60x20 characters")
def _(m: Machine) -> None:
    m.shows = Terminal(60, 20, True, True, True, True)


@case("terminal.colour", WARNING, "TERM=xterm: 16 colours", "export TERM=xterm-256color")
def _(m: Machine) -> None:
    m.environment |= {"TERM": "xterm", "COLORTERM": ""}


@case("terminal.colour", WARNING, "without colours", "export TERM=xterm-256color")
def _(m: Machine) -> None:
    m.environment |= {"TERM": "vt100", "COLORTERM": ""}


@case("terminal.locale", WARNING, "the locale is C", "export LANG=C.UTF-8")
def _(m: Machine) -> None:
    m.environment["LANG"] = "C"


@case("terminal.unicode", WARNING, "does not show UTF-8")
def _(m: Machine) -> None:
    m.shows = Terminal(120, 40, True, False, True, False)


@case("terminal.silent", WARNING, "answers no questions")
def _(m: Machine) -> None:
    m.shows = Terminal(120, 40, False)


@case("terminal.tmux", WARNING, "inside tmux", "tmux set -g default-terminal tmux-256color")
def _(m: Machine) -> None:
    m.environment |= {"TMUX": "/tmp/tmux-1000/default,1,0", "TERM": "xterm-256color"}


@case("terminal.tmux", WARNING, "256 colours only", "tmux set -as terminal-features ',*:RGB'")
def _(m: Machine) -> None:
    m.environment |= {"TMUX": "x", "TERM": "tmux-256color", "COLORTERM": ""}
    m.prints("tmux display-message -p #{client_termfeatures}", "256,clipboard,title\n")


# Coding agents


@case(
    "agents.claude", WARNING, "Claude Code 2.1.197 is older",
    "curl -fsSL https://claude.ai/install.sh | bash",
)  # fmt: skip
def _(m: Machine) -> None:
    m.prints("/usr/bin/claude --version", "2.1.197 (Claude Code)\n")


@case("agents.codex", WARNING, "Codex does not start", "npm install -g @openai/codex")
def _(m: Machine) -> None:
    m.programs["codex"] = "/usr/bin/codex"
    m.prints("/usr/bin/codex --version", "/usr/bin/env: 'node': No such file or directory\n", 127)


@case("agents.opencode", WARNING, "not on PATH", 'export PATH="/home/ada/.opencode/bin:$PATH"')
def _(m: Machine) -> None:
    m.files["/home/ada/.opencode/bin/opencode"] = ""
    m.prints("/home/ada/.opencode/bin/opencode --version", "1.18.33\n")


@case("agents.fence", WARNING, "there is no bubblewrap", "sudo apt-get install -y bubblewrap")
def _(m: Machine) -> None:
    m.programs.pop("bwrap")


@case("agents.fence", WARNING, "cannot put a fence around them: bwrap: setting up uid map")
def _(m: Machine) -> None:
    told = "bwrap: setting up uid map: Permission denied\n"
    m.prints("/usr/bin/bwrap --unshare-user --unshare-net --ro-bind / / true", told, 1)
