"""The embedded engine: llama-server's command line in front of the server inside `xllamacpp`.

`python -m llm_studio.engines.embedded ARGS…` is a process of its own: native code may crash alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from llm_studio.engines.embedded_options import AS_IT_IS, OPTIONS, UNSUPPORTED

_REFUSALS = (ValueError, TypeError, ArithmeticError, AssertionError, AttributeError, OSError)
"""What our conversions and the wheel's fields raise at a value that will not do."""


class UsageError(Exception):
    """An argument that cannot be honoured."""


def configure(arguments: Sequence[str], params: Any, x: Any) -> None:
    """Set what the arguments say; `params` is a CommonParams of the module `x`."""
    known = {name: (option, "on") for option in OPTIONS for name in option.names}
    known |= {name: (option, "off") for option in OPTIONS for name in option.negatives}
    params.n_parallel = -1  # llama-server's default, where the library's is 1
    words = iter(arguments)
    for word in words:
        name = word.replace("_", "-") if word.startswith("--") else word
        option, said = known.get(name, (None, ""))
        if option.hint if option else AS_IT_IS.get(name):
            value = next(words, None)
            if value is None:
                raise UsageError(f"{name}: expected a value")
            said = value
        if option is None:
            if name not in AS_IT_IS or said not in (AS_IT_IS[name] or ("",)):
                why = UNSUPPORTED.get(name, "the embedded engine has no such argument")
                raise UsageError(f"{name}: {why}")
            continue
        try:
            for path, convert in option.sets:
                *parents, field = path.split(".")
                owner = params
                for parent in parents:
                    owner = getattr(owner, parent)
                setattr(owner, field, convert(said, getattr(owner, field), x))
        except _REFUSALS as error:
            why = UNSUPPORTED.get(name) or str(error) or "cannot be used"
            raise UsageError(f"{name}: {why}") from None
    if not params.model.path:
        raise UsageError("--model: expected a model file")
    if len(params.api_keys) == 1:  # of a single key llama.cpp logs the end; of two, that it has two
        params.api_keys = [*params.api_keys, *params.api_keys]


def help_text() -> str:
    """One argument a line, in the form of llama-server's help."""
    lines = ["-h,    --help                           print this and exit"]
    lines += ["--version                               print the version and exit"]
    for option in OPTIONS:
        first, *others = (*option.names, *option.negatives)
        start = f"{first}, ".ljust(7) + ", ".join(others) if others else first
        fields = ", ".join(path for path, _ in option.sets)
        lines.append(f"{start} {option.hint}".rstrip().ljust(39) + f" sets {fields}")
    lines.append("Verbosities are 1: error, 2: warning, 3: info, 4: trace, 5: debug")
    return "\n".join(lines)


def version() -> str:
    wheel = metadata.version("xllamacpp")
    return f"version: {wheel.rpartition('.')[2]} (xllamacpp {wheel})"


def build() -> str:
    """llama.cpp's own number of it, by which other engines name theirs."""
    return f"b{metadata.version('xllamacpp').rpartition('.')[2]} (xllamacpp)"


def _log(text: str) -> None:
    """In one piece, for llama.cpp's threads write there too."""
    with contextlib.suppress(OSError):  # a full disk is no reason to end
        os.write(2, f"embedded engine: {text}\n".encode())


def serve(params: Any, x: Any) -> int:
    """Serve until a signal comes, which ends the process at once; otherwise say why it cannot."""
    # Loading holds the interpreter, so that no handler of ours could run: till it is done a signal
    # has its default effect (and the exit status tells of it), as with llama-server.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        server = x.Server(params)
    except (RuntimeError, ValueError) as error:
        print(f"error: the server did not start: {error}", file=sys.stderr)
        return 1
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _log(f"serving at {server.listening_address}")
    os.read(heard, 1)  # whichever thread the signal comes to
    _log("ended by a signal")
    # Taking the server down in order waits for answers that are under way, for minutes perhaps.
    os._exit(0)


def main(arguments: Sequence[str]) -> int:
    if {"-h", "--help", "--usage"} & set(arguments):
        print(help_text())
        return 0
    try:
        if "--version" in arguments:
            print(version())
            return 0
        x: Any = importlib.import_module("xllamacpp")
    except (ModuleNotFoundError, metadata.PackageNotFoundError) as error:
        print(f"error: the embedded engine is not installed: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"error: the embedded engine cannot be loaded: {error}", file=sys.stderr)
        return 1
    params = x.CommonParams()
    try:
        configure(arguments, params, x)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return serve(params, x)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
