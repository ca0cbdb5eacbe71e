"""What an App does to be there soon: it styles once, and is laid out and drawn once."""

from __future__ import annotations

import gc

from llm_studio.tui.output.app import TerminalApp

CURTAIN = 0.3
"""Seconds for which the skeleton is seen at most, where the studio has not answered yet."""
SETTLED = 2.0
"""Seconds after which the start is over."""


class Opening(TerminalApp[None]):
    """One that draws nothing until there is something to tell, or time is up. The skeleton is seen
    meanwhile, and keys work."""

    _curtain = False
    _fresh = False

    def begin_with(self, theme: str) -> None:
        """The theme in whose colours the style sheets are read: before the App runs."""
        self.theme = theme
        self.stylesheet.set_variables(self.get_css_variables())
        self._fresh = True

    def refresh_css(self, animate: bool = True) -> None:
        """Not at the start, where Textual does it in case that it read the style sheets with the
        colours of another theme."""
        if self._fresh:
            self._fresh = False
        else:
            super().refresh_css(animate)

    def lower_curtain(self) -> None:
        """What is laid out and drawn once, with its content, is there sooner than what is drawn
        empty first."""
        self._curtain = True
        self._begin_batch()
        self.set_timer(CURTAIN, self.raise_curtain)
        self.set_timer(SETTLED, _collect_garbage)

    def raise_curtain(self) -> None:
        if self._curtain:
            self._curtain = False
            self._end_batch()
            self.screen.refresh()


def _collect_garbage() -> None:
    """Again, if the start did without; what the start made stays for good."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
