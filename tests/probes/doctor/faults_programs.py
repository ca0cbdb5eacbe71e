"""Engines that do not start, and llm-studio itself."""

from __future__ import annotations

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.machine import Machine, serving

from llm_studio.errors import StudioError
from llm_studio.probes.doctor.system import Ran
from llm_studio.settings import load_settings

# Engines


def llama_server(m: Machine, out: str, code: int | None = 0, trouble: str = "") -> None:
    m.programs["llama-server"] = "/usr/local/bin/llama-server"
    m.prints("/usr/local/bin/llama-server --version", out, code, trouble)
    m.prints("/usr/local/bin/llama-server --list-devices", "Available devices:\n  (none)\n")


@case(
    "engine.server", FAULT, "/opt/llama-server is not there",
    "llm-studio config llama_server --unset",
)  # fmt: skip
def _(m: Machine) -> None:
    m.settings = load_settings(
        {"LLM_STUDIO_HOME": "/home/ada/studio", "LLM_STUDIO_LLAMA_SERVER": "/opt/llama-server"}
    )


@case(
    "engine.server", FAULT, "libcudart.so.12 is missing",
    "ldd /usr/local/bin/llama-server | grep 'not found'",
)  # fmt: skip
def _(m: Machine) -> None:
    llama_server(
        m,
        "llama-server: error while loading shared libraries: libcudart.so.12: cannot open shared "
        "object file: No such file or directory\n",
        127,
    )


@case("engine.server", FAULT, "it needs GLIBC_2.38", "llm-studio config llama_server --unset")
def _(m: Machine) -> None:
    llama_server(m, "llama-server: /lib/libc.so.6: version `GLIBC_2.38' not found\n", 1)


@case("engine.server", FAULT, "lacks instructions", "llm-studio config llama_server --unset")
def _(m: Machine) -> None:
    llama_server(m, "", -4)


@case("engine.server", FAULT, "cannot be run", "chmod +x /usr/local/bin/llama-server")
def _(m: Machine) -> None:
    llama_server(m, "Permission denied", None, "denied")


@case("engine.server", FAULT, "takes too long", "/usr/local/bin/llama-server --version")
def _(m: Machine) -> None:
    llama_server(m, "", None, "slow")


@case("engine.server", WARNING, "it sees no GPU", "llm-studio image pull")
def _(m: Machine) -> None:
    llama_server(m, "version: 6999 (abcdef)\n")


def embedded(m: Machine, out: str, code: int | None) -> None:
    from llm_studio.probes.doctor.checks.engine_embedded import TRY

    m.ran[TRY] = Ran(code, out, "" if code is not None else "slow")


@case("engine.embedded", WARNING, "xllamacpp is not installed", "…-m pip install …xllamacpp")
def _(m: Machine) -> None:
    embedded(m, "ModuleNotFoundError: No module named 'xllamacpp'\n", 1)


@case("engine.embedded", FAULT, "lacks instructions", "llm-studio image pull")
def _(m: Machine) -> None:
    embedded(m, "", -4)


@case("engine.embedded", FAULT, "lacks libgomp", "sudo apt-get install -y libgomp1")
def _(m: Machine) -> None:
    embedded(m, "Traceback …\nImportError: libgomp.so.1: cannot open shared object file\n", 1)


@case("engine.embedded", FAULT, "undefined symbol", "…-m pip install …xllamacpp")
def _(m: Machine) -> None:
    embedded(m, "Traceback …\nImportError: xllamacpp.abi3.so: undefined symbol: x\n", 1)


@case("engine.embedded", WARNING, "takes too long", "…-m pip install …xllamacpp")
def _(m: Machine) -> None:
    embedded(m, "", None)


# llm-studio itself


@case(
    "studio.settings", FAULT, "is not valid TOML",
    "${EDITOR:-nano} /home/ada/studio/config.toml",
)  # fmt: skip
def _(m: Machine) -> None:
    m.settings_trouble = StudioError("/home/ada/studio/config.toml is not valid TOML", why="line 3")


@case("studio.settings", FAULT, "LLM_STUDIO_CACHES in the environment", "unset LLM_STUDIO_CACHES")
def _(m: Machine) -> None:
    m.settings_trouble = StudioError(
        "LLM_STUDIO_CACHES in the environment cannot be used", why="expected true or false"
    )


@case(
    "studio.settings.token", FAULT, "read by other users (mode 644)",
    "chmod 600 /home/ada/studio/state/token",
)  # fmt: skip
def _(m: Machine) -> None:
    m.files["/home/ada/studio/state/token"] = "x"


@case(
    "studio.state.rights", FAULT, "/home/ada/studio/state cannot be written",
    'sudo chown -R "$USER" /home/ada/studio/state',
)  # fmt: skip
def _(m: Machine) -> None:
    m.unwritable.add("/home/ada/studio/state")


@case(
    "studio.state.rights", FAULT, "/home/ada/studio cannot be written",
    'sudo install -d -o "$USER" …',
)  # fmt: skip
def _(m: Machine) -> None:
    m.unwritable.add("/home/ada/studio")


@case("studio.state", WARNING, "network file system (nfs4)", "export LLM_STUDIO_HOME=…")
def _(m: Machine) -> None:
    m.files["/proc/self/mounts"] = "nas:/home /home nfs4 rw 0 0\n"


class Died(StudioError):
    died = True


@case("studio.running", WARNING, "died without a farewell", "llm-studio status")
def _(m: Machine) -> None:
    m.status = Died("No studio runs")


@case("studio.running", FAULT, "The studio does not answer", "llm-studio shutdown")
def _(m: Machine) -> None:
    m.status = StudioError("The studio does not answer", why="timed out")


@case("studio.running", WARNING, "is of version 0.0.1", "llm-studio shutdown")
def _(m: Machine) -> None:
    m.status = serving(studio={"version": "0.0.1"})


@case("studio.running.model", FAULT, "The GPU has too little free memory", "llm-studio logs")
def _(m: Machine) -> None:
    failure = {"what": "The GPU has too little free memory", "why": "…", "hint": "Lower context."}
    m.status = serving(state="failed", failure=failure)
