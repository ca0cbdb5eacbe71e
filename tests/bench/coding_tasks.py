"""Small tasks of our own in EvalPlus's format, and a model that answers by a script."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standins.scripted_upstream import Script, Wire

RIGHT = {
    "Own/0": "def double(x):\n    return x + x\n",
    "Own/1": "def half(x):\n    return x / 2\n",
    "Own/2": "def pairs(x):\n    return [(a, a) for a in x]\n",
}
WRONG = {
    "Own/0": "def double(x):\n    return x + 2\n",  # right for 2 alone, which is all of base
    "Own/1": "def half(x):\n    while True: pass\n",
    "Own/2": (
        "import os\nclass E:\n    def __eq__(self, other): return True\n"
        "def pairs(x):\n    os.write(4, b'passed')\n    return E()\n"
    ),
}
_INPUTS: dict[str, tuple[list[Any], list[Any]]] = {
    "Own/0": ([[2]], [[3], ["ab"]]),
    "Own/1": ([[3]], [[1e300]]),
    "Own/2": ([[[1]]], [[[]]]),
}


def write_tasks(path: Path) -> Path:
    lines = []
    for id_, solution in RIGHT.items():
        name = solution.split("(")[0].removeprefix("def ")
        base, plus = _INPUTS[id_]
        lines.append(
            json.dumps(
                {
                    "task_id": id_, "prompt": f"def {name}(x):\n", "entry_point": name,
                    "canonical_solution": solution.partition("\n")[2], "base_input": base,
                    "plus_input": plus, "atol": 0, "contract": "", "test": "",
                }
            )
        )  # fmt: skip
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def model(answer: Callable[[str, int], tuple[int, dict[str, Any]]]) -> Script:
    """A server whose chat answers are what `answer` makes of a task's id and how often it was
    asked before: a status, and the message."""
    asked: dict[str, int] = {}

    async def script(wire: Wire) -> None:
        if not wire.seen.target.startswith("/v1/chat"):
            await wire.answer(b'{"data": [{"id": "scripted"}], "status": "ok"}')
            return
        prompt = json.loads(wire.seen.body)["messages"][-1]["content"]
        id_ = next(i for i, code in RIGHT.items() if code.split("\n")[0] in prompt)
        before = asked.get(id_, 0)
        asked[id_] = before + 1
        status, message = answer(id_, before)
        finish = message.pop("finish", "stop")
        body = {
            "choices": [{"message": message, "finish_reason": finish}],
            "usage": {"completion_tokens": 7},
        }
        await wire.answer(json.dumps(body).encode(), status=f"{status} X")

    return script


def fenced(code: str) -> dict[str, Any]:
    return {"content": f"Here:\n```python\n{code}```\nIt works."}
