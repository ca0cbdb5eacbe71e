"""A field to type in that does what keys say in the order in which they were typed.

Textual takes letters in at once, while a key with a binding first goes all the way up to the
application: where several come together (over SSH, on a busy machine, from a macro), a Ctrl+U would
take away the letters after it, a Backspace the wrong one.
"""

from __future__ import annotations

from textual import events
from textual.widget import Widget
from textual.widgets import Input


class Field(Input):
    """One line."""

    async def _on_key(self, event: events.Key) -> None:
        await do_now(self, event)


async def do_now(field: Widget, event: events.Key) -> None:
    """A key that the field itself has a use for is not handed on."""
    for binding in field._bindings.key_to_bindings.get(event.key, ()):
        if not binding.priority and await field.app.run_action(binding.action, field):
            event.stop()
            event.prevent_default()
            return
