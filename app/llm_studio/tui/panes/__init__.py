"""The panes, found here: each is one folder with a `PANE` that says what it can do."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from llm_studio.tui.panes.spec import PaneSpec


def _found() -> tuple[PaneSpec, ...]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    specs = [import_module(f"{__name__}.{name}").PANE for name in names]
    return tuple(sorted(specs, key=lambda pane: pane.number))


PANES = _found()
