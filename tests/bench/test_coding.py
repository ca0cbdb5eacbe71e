from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.coding_tasks import write_tasks

from llm_studio.bench.coding.extract import extract, without_thoughts
from llm_studio.bench.coding.judge import right
from llm_studio.bench.coding.mbpp import arguments_of
from llm_studio.bench.coding.tasks import Task, load
from llm_studio.bench.sandbox.job import Unlike
from llm_studio.errors import NotReady, UsageError


def task(entry: str = "f", tolerance: float = 0, *, mbpp: bool = False) -> Task:
    return Task("T/0", "", entry, "", [], [], tolerance, mbpp)


@pytest.mark.parametrize(
    ("made", "value", "expected", "verdict"),
    [
        (task(), 5, 5, True),
        (task(), 5.0, 5, True),
        (task(), True, 1, True),
        (task(), [1], (1,), False),
        (task(), 0.1 + 0.2, 0.3, True),
        (task(), 0.30001, 0.3, False),
        (task(), [0.1 + 0.2], [0.3], True),
        (task(), 3, 3.0000001, False),
        (task(tolerance=0.1), 3.05, 3.0, True),
        (task(tolerance=0.1), [3.0], (3.0,), False),
        (task(tolerance=0.1), "3", 3.0, False),
        (task(), float("nan"), float("nan"), False),
        (task(), Unlike("E"), 5, False),
        (task(), None, 5, False),
        (task("Diff", mbpp=True), [2, 1], [1, 2], True),
        (task("Diff", mbpp=True), 5, [1, 2], False),
        (task("check_str", mbpp=True), Unlike("Match"), Unlike("Match"), True),
        (task("check_str", mbpp=True), None, Unlike("Match"), False),
        (task("sum_div", mbpp=True), 0, 7, True),
    ],
)
def test_values_are_compared_as_evalplus_does(
    made: Task, value: Any, expected: Any, verdict: bool
) -> None:
    assert right(made, [], value, expected) is verdict


def test_a_root_is_right_wherever_the_polynomial_is_nothing() -> None:
    made = task("find_zero", tolerance=1e-4)
    assert right(made, [[-1, 0, 1]], -1.0, 1.0)
    assert not right(made, [[-1, 0, 1]], 0.5, 1.0)
    assert not right(made, [[-1, 0, 1]], "x", 1.0)


@pytest.mark.parametrize(
    ("answer", "code", "how"),
    [
        ("```python\ndef f(x):\n    return x\n```", "def f(x):\n    return x\n", "fenced"),
        ("```\ndef f(x):\n    return x\n", "def f(x):\n    return x\n", "fenced, unfinished"),
        (
            "First:\n```python\ndef f(x): return 0\n```\nBetter:\n~~~py\nimport os\n"
            "def g(): return 1\n@staticmethod\ndef f(x): return g()\nprint(f(3))\n~~~",
            "import os\ndef g(): return 1\n@staticmethod\ndef f(x): return g()\n",
            "fenced",
        ),
        ("Sure!\ndef f(x):\n    return 1\nHope it helps", "def f(x):\n    return 1\n", "bare"),
        ("I do not know.", "", ""),
        ("```python\nthis is no code\n```", "this is no code\n", "fenced, unusable"),
        ("```python\n" + "(" * 5000 + "\n```", "(" * 5000 + "\n", "fenced, unusable"),
    ],
)
def test_code_is_found_in_an_answer(answer: str, code: str, how: str) -> None:
    found = extract(answer, "f")
    assert (found.code, found.how) == (code, how)


def test_thoughts_in_the_answer_are_set_apart() -> None:
    assert without_thoughts("<think>a</think>b") == ("b", "a")
    assert without_thoughts("<think>never ended") == ("", "never ended")
    assert without_thoughts("x <think>") == ("x <think>", "")


def test_inputs_of_mbpp_get_their_kinds_back() -> None:
    assert arguments_of("Mbpp/2", [[[1], [2]]]) == [[(1,), (2,)]]
    assert arguments_of("Mbpp/124", [["1", "2j"]]) == [[1.0, 2j]]
    assert arguments_of("Mbpp/580", [[[1, [2]]]]) == [[(1, (2,))]]
    assert arguments_of("Mbpp/3", [[[1]]]) == [[[1]]]


def test_tasks_are_read_and_odd_files_are_told(tmp_path: Path) -> None:
    tasks = load("own", write_tasks(tmp_path / "own.jsonl.gz"))
    assert [each.entry for each in tasks.tasks] == ["double", "half", "pairs"]
    assert len(tasks.sha256) == 64
    with pytest.raises(NotReady, match="not here"):
        load("humaneval", tmp_path / "absent")
    line = json.dumps({"task_id": "a"})
    for raw in (b"", b"\x1f\x8bcut", b"\xff\xfe", b"[]", line.encode(), b"[" * 100_000):
        (tmp_path / "bad").write_bytes(raw)
        with pytest.raises(UsageError):
            load("own", tmp_path / "bad")
