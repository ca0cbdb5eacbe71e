"""What stands below the fields of our classes in the source: their documentation."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType


def notes_of(name: str, fields: Iterable[str]) -> tuple[str, dict[str, str]]:
    """What is said of a class of that name that has these fields, and of each field."""
    wanted = set(fields)
    for module in [module for key, module in sys.modules.items() if key.startswith("llm_studio.")]:
        kind = getattr(module, name, None)
        if inspect.isclass(kind) and kind.__module__.startswith("llm_studio."):
            notes: dict[str, str] = {}
            known: set[str] = set()
            for each in reversed(kind.__mro__):
                if each.__module__.startswith("llm_studio."):
                    told = _classes(sys.modules[each.__module__]).get(each.__name__, {})
                    known |= told.keys()
                    notes |= {field: note for field, note in told.items() if note}
            if wanted == known:
                return _about(kind), notes
    return "", {}


def _about(kind: type) -> str:
    doc = kind.__dict__.get("__doc__") or ""
    return "" if doc.startswith(f"{kind.__name__}(") else inspect.cleandoc(doc)


@cache
def _classes(module: ModuleType) -> dict[str, dict[str, str]]:
    """For each class of a module its fields, with the text that follows each."""
    classes = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            fields: dict[str, str] = {}
            last = ""
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    last = part.target.id
                    fields[last] = ""
                elif last and isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
                    fields[last] = " ".join(str(part.value.value).split())
                else:
                    last = ""
            classes[node.name] = fields
    return classes
