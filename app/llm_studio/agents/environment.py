"""The environment of an agent: what it needs of the caller's, and nothing that holds a login."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT = frozenset(
    "HOME PATH USER LOGNAME SHELL PWD LANG LANGUAGE TZ TERM COLORTERM COLORFGBG TERM_PROGRAM"
    " TERM_PROGRAM_VERSION NO_COLOR EDITOR VISUAL PAGER LESS TMPDIR VIRTUAL_ENV CONDA_PREFIX"
    " PYENV_ROOT NVM_DIR NVM_BIN GOPATH GOROOT CARGO_HOME RUSTUP_HOME JAVA_HOME CUDA_HOME"
    " CUDA_PATH LD_LIBRARY_PATH PKG_CONFIG_PATH SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS"
    " HTTP_PROXY HTTPS_PROXY http_proxy https_proxy NO_PROXY no_proxy".split()
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_LOCAL = ("127.0.0.1", "localhost", "::1")


def environment_for(
    caller: Mapping[str, str], added: Mapping[str, str], *, jailed: bool
) -> dict[str, str]:
    """What is on the list, and what the agent's setup adds. Anything else stays behind: keys of
    cloud services, an outer agent's marks, sockets of ssh and of the desktop."""
    kept = {name: value for name, value in caller.items() if name in _KEPT or name[:3] == "LC_"}
    if jailed:  # there is no network to get out by, and /tmp is its own
        kept = {name: value for name, value in kept.items() if name not in _PROXIES}
        kept["TMPDIR"] = "/tmp"
    for name in ("NO_PROXY", "no_proxy"):
        told = [each for each in kept.get(name, "").split(",") if each]
        kept[name] = ",".join([*told, *(each for each in _LOCAL if each not in told)])
    return {**kept, **added}
