"""What JSON cannot say of MBPP's inputs: which lists are tuples, sets or complex numbers.

Which task needs what follows `mbpp_deserialize_inputs` of the evalplus package (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Inputs = list[Any]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _each(value: Any) -> Any:
    """A list of lists as a list of tuples."""
    return [tuple(each) for each in value]


def _set(value: Any) -> Any:
    return set(value) if isinstance(value, list) and value else {}


_FORMS: tuple[tuple[str, Callable[[Inputs], Any]], ...] = (
    (
        "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
        lambda words: [tuple(each) for each in words],
    ),
    (
        "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
        lambda words: [_each(each) for each in words],
    ),
    ("75 413 444 753", lambda words: [_each(words[0]), words[1]]),
    ("106 750", lambda words: [words[0], tuple(words[1])]),
    ("115", lambda words: [[_set(each) for each in words[0]]]),
    ("124", lambda words: [float(words[0]), complex(words[1])]),
    ("250 405 446 617 720 763 808", lambda words: [tuple(words[0]), words[1]]),
    ("259 401 445", lambda words: [tuple(_each(each)) for each in words]),
    (
        "278",
        lambda words: [tuple(tuple(i) if isinstance(i, list) else i for i in words[0])],
    ),
    ("307", lambda words: [tuple(words[0]), words[1], words[2]]),
    ("722", lambda words: [{k: tuple(v) for k, v in words[0].items()}, *words[1:]]),
    ("252", lambda words: [complex(words[0])]),
    ("580 615 791", lambda words: [_tuples(each) for each in words]),
)
_BY_TASK = {int(number): form for numbers, form in _FORMS for number in numbers.split()}


def arguments_of(task: str, inputs: Inputs) -> Inputs:
    """The inputs of one task as its solution takes them."""
    number = task.rpartition("/")[2]
    form = _BY_TASK.get(int(number)) if number.isdigit() else None
    return [form(words) for words in inputs] if form else inputs
