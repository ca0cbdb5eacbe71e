"""Right or wrong: compares values as EvalPlus does, outside of the sandbox, on plain builtins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llm_studio.bench.coding.tasks import Task
from llm_studio.bench.sandbox.job import Unlike

RELATIVE = 1e-7
NOT_NONE = {"check_str", "text_match_three", "text_starta_endb"}
AS_SETS = {
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
    "intersection_array", "find_dissimilar", "Diff",
}  # fmt: skip
"""Tasks of MBPP whose answers may come in any order."""


def right(task: Task, words: Sequence[Any], value: Any, expected: Any) -> bool:
    """Whether a value is what the task wants; anything odd about it is wrong."""
    try:
        return _right(task, words, value, expected)
    except (TypeError, ValueError, ArithmeticError, RecursionError, LookupError):
        return False


def _right(task: Task, words: Sequence[Any], value: Any, expected: Any) -> bool:
    if not task.mbpp and task.entry == "find_zero":
        value = _number(value)
        result = sum(c * math.pow(value, i) for i, c in enumerate(words[0]))
        return bool(abs(result) <= task.tolerance)
    if task.mbpp and task.entry in NOT_NONE:
        said = value if isinstance(value, bool) else value is not None
        return said == (expected if isinstance(expected, bool) else expected is not None)
    if isinstance(value, Unlike) or isinstance(expected, Unlike):
        return task.mbpp and task.entry == "are_equivalent"
    same = bool(value == expected)
    if task.mbpp:
        match task.entry:
            case "are_equivalent":
                same = True
            case "sum_div":
                same = same or value == 0
            case "surface_Area":
                same = same or abs(value - _surface(*words)) <= task.tolerance
            case "digit_distance_nums":
                same = same or value == _digits_apart(*words)
            case entry if entry in AS_SETS:
                same = set(value) == set(expected)
    tolerance = task.tolerance or (1e-6 if _floats(expected) else 0.0)
    if same or not tolerance:
        return same
    return type(value) is type(expected) and _close(value, expected, tolerance)


def _floats(value: Any) -> bool:
    if isinstance(value, float):
        return True
    return (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(v, float) for v in value)
    )


def _close(value: Any, expected: Any, tolerance: float) -> bool:
    """As numpy's allclose: nothing is near to what is no number."""
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(expected)
            and all(_close(v, e, tolerance) for v, e in zip(value, expected, strict=True))
        )
    value, expected = _number(value), _number(expected)
    return bool(value == expected or abs(value - expected) <= tolerance + RELATIVE * abs(expected))


def _number(value: Any) -> Any:
    if not isinstance(value, int | float | complex):
        raise TypeError("no number")
    return value


def _surface(edge: float, height: float) -> int:
    """Mbpp/581, where the height is meant from the base to the apex."""
    slant = math.sqrt((edge / 2) ** 2 + height**2)
    return round(edge**2 + 2 * edge * slant)


def _digits_apart(first: object, second: object) -> int:
    """Mbpp/558, with zeros before the shorter number."""
    one, two = str(first), str(second)
    length = max(len(one), len(two))
    pairs = zip(one.zfill(length), two.zfill(length), strict=True)
    return sum(abs(int(a) - int(b)) for a, b in pairs)
