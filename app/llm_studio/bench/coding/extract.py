"""Finds the code in an answer, and says how it was found."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

LONGEST = 100_000
_FENCE = re.compile(
    r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S
)
_THOUGHT = re.compile(r"^\s*<(think|thinking|reasoning)>(.*?)(?:</\1>|\Z)", re.S)


@dataclass(frozen=True, slots=True)
class Extract:
    code: str
    how: str
    """"fenced", "fenced, unfinished", "bare" or nothing where there is no code."""


def without_thoughts(text: str) -> tuple[str, str]:
    """The answer and the thoughts before it, for engines that leave them in one text."""
    match = _THOUGHT.match(text)
    return (text[match.end() :], match[2]) if match else (text, "")


def extract(answer: str, entry: str) -> Extract:
    """The last fenced code that defines the function; else any; else the longest bare code."""
    text = answer[:LONGEST]
    blocks = [(match[3], match[0].rstrip().endswith(match[1])) for match in _FENCE.finditer(text)]
    blocks = [block for block in blocks if block[0].strip()]
    for code, closed in reversed(blocks):
        if entry in _defined(code):
            return Extract(_needed(code, entry), "fenced" if closed else "fenced, unfinished")
    whole = "\n".join(code for code, _ in blocks)
    if entry in _defined(whole):
        return Extract(_needed(whole, entry), "fenced")
    bare = _longest(text, entry)
    if bare:
        return Extract(_needed(bare, entry), "bare")
    return Extract(blocks[-1][0], "fenced, unusable") if blocks else Extract("", "")


def _parsed(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defined(code: str) -> set[str]:
    tree = _parsed(code)
    return set() if tree is None else {name for node in tree.body for name in _names(node)}


def _names(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


def _longest(text: str, entry: str) -> str:
    """The longest run of lines that is Python and defines the function."""
    lines = text.split("\n")
    starts = [
        n
        for n, line in enumerate(lines)
        if line.startswith(("def ", "import ", "from ", "class ", "@"))
    ]
    best = ""
    for start in starts[:20]:
        for end in range(min(len(lines), start + 400), start, -1):
            code = "\n".join(lines[start:end])
            if len(code) <= len(best):
                break
            if f"def {entry}" in code and entry in _defined(code):
                best = code
                break
    return best


def _needed(code: str, entry: str) -> str:
    """Imports and what the function needs; examples and tests of the model are left out."""
    tree = _parsed(code)
    if tree is None:
        return code
    uses = {
        name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        for node in tree.body
        for name in _names(node)
    }
    wanted, todo = set(), [entry]
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += uses.get(name, set())
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) or _names(node) & wanted
    ]
    lines = code.splitlines()
    parts = []
    for node in kept:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        parts.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n".join(parts) + "\n"
