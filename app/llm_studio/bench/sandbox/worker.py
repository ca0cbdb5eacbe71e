"""Runs inside the sandbox, alone with code that may be hostile: reads it and inputs, tells values.

It knows no expected value, so there is nothing to steal and nothing to fake: whoever writes lines
of results must have the right answers. It imports the standard library alone, and this file is
handed over as text.
"""

from __future__ import annotations

import builtins
import json
import os
import resource
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_TEXT = 1 << 20
DEEPEST = 40


class TooLong(BaseException):
    """The time of a call is over."""


def encode(value: Any, depth: int = 0) -> list[Any]:
    """A value in words that nothing but builtin types can say."""
    if depth > DEEPEST:
        return ["other", "too deep"]
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        if kind.__name__ == "ndarray":
            return ["array", encode(value.tolist(), depth + 1)]
        value = value.item()
        kind = type(value)
    if value is None or kind is bool:
        return ["plain", value]
    if kind is int:
        return ["int", hex(value)]
    if kind is float:
        return ["float", value.hex()]
    if kind is complex:
        return ["complex", value.real.hex(), value.imag.hex()]
    if kind is str:
        return ["str", value.encode("utf-8", "surrogatepass").hex()]
    if kind in (bytes, bytearray):
        return ["bytes", bytes(value).hex()]
    bases: tuple[Any, ...] = (list, tuple, set, frozenset)
    for base in bases:
        if isinstance(value, base):
            return [base.__name__, [encode(each, depth + 1) for each in base.__iter__(value)]]
    if isinstance(value, dict):
        pairs = dict.items(value)
        return ["dict", [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in pairs]]
    return ["other", kind.__name__[:80]]


def decode(told: Any) -> Any:
    kind, *rest = told
    if kind == "plain":
        return rest[0]
    if kind == "int":
        return int(rest[0], 16)
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "complex":
        return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
    if kind == "str":
        return bytes.fromhex(rest[0]).decode("utf-8", "surrogatepass")
    if kind == "bytes":
        return bytes.fromhex(rest[0])
    if kind == "dict":
        return {decode(k): decode(v) for k, v in rest[0]}
    makers: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](decode(each) for each in rest[0])


def main() -> None:
    task = json.loads(sys.stdin.buffer.read())
    inputs = [decode(each) for each in task["inputs"]]
    limits, out = task["limits"], os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def tell(**words: Any) -> None:
        line = json.dumps(words).encode() + b"\n"
        while line:
            line = line[os.write(out, line) :]

    def too_long(*_: Any) -> None:
        raise TooLong

    most = {
        resource.RLIMIT_AS: task["memory"], resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256, resource.RLIMIT_FSIZE: 64 << 20,
    }  # fmt: skip
    if sys.argv[1:]:  # where nothing around it limits how many processes there are
        most[resource.RLIMIT_NPROC] = int(sys.argv[1])
    for name, limit in most.items():
        resource.setrlimit(name, (limit, limit))
    signal.signal(signal.SIGALRM, too_long)
    os.chdir("/tmp")
    space: dict[str, Any] = {"__name__": "__solution__", "__builtins__": builtins}
    try:
        signal.setitimer(signal.ITIMER_REAL, task["load_limit"])
        exec(compile(task["code"], "solution.py", "exec"), space)
        function = space[task["entry"]]
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        told = "time" if isinstance(error, TooLong) else "raised"
        tell(at=-1, **{told: type(error).__name__[:80]})
        return
    tell(at=-1)
    for at, words in enumerate(inputs):
        begun = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, limits[at])
            value = function(*words)
            signal.setitimer(signal.ITIMER_REAL, 0)
            took = time.perf_counter() - begun
            text = encode(value)
            if len(json.dumps(text)) > MOST_TEXT:
                text = ["other", "too large"]
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            told = "time" if isinstance(error, TooLong) else "raised"
            tell(at=at, **{told: type(error).__name__[:80]})
            return
        tell(at=at, value=text, took=took)


if __name__ == "__main__":
    main()
