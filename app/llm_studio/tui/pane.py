"""What every pane is: it is shown the view, and works only while it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container
from textual.widget import Widget

from llm_studio.tui.view import View

if TYPE_CHECKING:
    from llm_studio.tui.app import StudioApp


class Pane(Container, can_focus=True):
    """A pane; `studio` is the application, through which wishes go."""

    DEFAULT_CSS = "Pane { height: 1fr; layout: vertical; }"

    @property
    def studio(self) -> StudioApp:
        from llm_studio.tui.app import StudioApp

        assert isinstance(self.app, StudioApp)
        return self.app

    def watch_has_focus(self, _has_focus: bool) -> None:
        """No style sheet asks for the focus here, so nothing is styled anew, as Textual would."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Footer and help may ask before the parts are there that would tell.
        return self.possible(action) if self.is_mounted else True

    def possible(self, action: str) -> bool:
        """Whether one of the pane's actions has something to work on now."""
        return True

    def look(self, view: View) -> None:
        """News, or the pane is shown again. Only called while it is seen."""

    def wake(self) -> None:
        """The pane is shown: what it follows may be followed."""

    def rest(self) -> None:
        """The pane is hidden: nothing is pulled for it any more."""

    def start_here(self) -> None:
        """Give the focus to the part that one starts with; the pane itself where none is seen."""
        seen = (each for each in self.query("*") if each.can_focus and _is_shown(each))
        self.turn_to(next(seen, self))

    def turn_to(self, part: Widget) -> None:
        """Give a part the focus, at once: `focus` would do so after keys that wait already."""
        self.screen.set_focus(part)


def _is_shown(widget: Widget) -> bool:
    return all(each.display for each in widget.ancestors_with_self if isinstance(each, Widget))
