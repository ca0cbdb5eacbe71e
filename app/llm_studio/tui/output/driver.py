"""Textual's driver for a terminal that may be slow, may be taken away, or may be lost."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from typing import Any

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.keys import Keys

from llm_studio.tui import skeleton
from llm_studio.tui.output.abilities import abilities
from llm_studio.tui.output.outlet import ANSWER, Outlet
from llm_studio.tui.output.pace import Pace
from llm_studio.tui.output.painter import Painter

_ALTERNATE_SCREEN = "\x1b[?1049h"
_UNSENT = 65_536
_LAST_WORDS = 1.0
_GRACE = 10.0
"""Seconds that a UI without a terminal has to end by itself."""


class TerminalDriver(LinuxDriver):
    """Never blocks the event loop, and ends the UI when the terminal is gone."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        if sys.__stdout__ is not None and sys.__stdout__.isatty():
            self._file = sys.__stdout__  # so that stderr may go to a file
        self.pace = Pace()
        self.painter = Painter(app.console, abilities(os.environ), self._loop, self.give_up)
        self.plain: bool = getattr(app, "plain_output", False)
        """Whether Textual's own output goes out as it is."""
        self._bell = _Bell()
        self.exit_event = self._bell
        self._outlet: Outlet | None = None
        self._skeleton_shows = False
        self._active = False
        self._continued = False
        self._lost = False

    # Output

    def write(self, data: str) -> None:
        if self._outlet is None:
            return
        if data == _ALTERNATE_SCREEN and self._skeleton_shows:
            self._skeleton_shows = False  # to enter that screen again would clear it away
            return
        if self._active and not self.plain:
            self.painter.write(data)
            return
        if self.plain:
            self._outlet.wait(_UNSENT, _LAST_WORDS)
        self._outlet.send(data)

    def give_up(self, fault: Exception) -> None:
        """A fault in the layer must not cost the user the program: Textual's own output goes on."""
        self._app.log.error(f"drawing changed cells failed: {fault!r}")
        self.plain = True
        self.painter.detach()
        self._app.refresh(layout=True)
        self.write("\x1b[m\x1b]8;;\x1b\\")

    def close(self) -> None:
        super().close()
        if self._outlet is not None:
            self._outlet.close(_LAST_WORDS)

    # Coming and going

    def start_application_mode(self) -> None:
        assert self._file is not None
        self._outlet = Outlet(self._file.fileno(), self._on_ready, self._on_lost, self.pace)
        modes = skeleton.hand_over()
        self._skeleton_shows = modes is not None
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._active = True
        if modes is not None:
            self.attrs_before = modes
        self._watch_signals()
        if not self.plain:
            self.painter.attach(self._outlet)
            self.painter.flush()

    def disable_input(self) -> None:
        self._active = False
        self.painter.detach()
        if self._outlet is not None:
            self._outlet.settle(_LAST_WORDS)
        super().disable_input()

    def _watch_signals(self) -> None:
        resized = signal.getsignal(signal.SIGWINCH)

        def on_resize(number: int, frame: Any) -> None:
            self._soon(self.painter.resizing)
            if callable(resized):
                resized(number, frame)

        signal.signal(signal.SIGWINCH, on_resize)
        self._loop.add_signal_handler(signal.SIGHUP, self._end)
        self._loop.add_signal_handler(signal.SIGTERM, self._app.exit)

    def _sigtstp_application(self, *_: Any) -> None:
        if self._auto_restart:
            # Not here, in the middle of whatever was drawn or written when the signal came.
            self._soon(self._stop)
        else:
            super()._sigtstp_application()

    def _stop(self) -> None:
        """Stop the whole job, as a terminal's own Ctrl+Z does.

        Where no shell could bring it back (a window of tmux, a command of ssh) the system stops
        nothing, and the UI goes on.
        """
        self.suspend_application_mode()
        self._must_signal_resume = True
        self._continued = False
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.killpg(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        if not self._continued:
            self._continue()
            self._app.notify("No shell is here to go back to", markup=False)

    def _sigcont_application(self, *_: Any) -> None:
        self._continued = True
        if self._auto_restart:
            self._soon(self._continue)

    def _continue(self) -> None:
        if self._active:  # stopped by another, who restored nothing
            self.suspend_application_mode()
        self.resume_application_mode()
        self._app.refresh(layout=True)

    # A lost terminal

    def _on_ready(self) -> None:
        self._soon(self.painter.flush)

    def _on_lost(self) -> None:
        self._soon(self._end)

    def _end(self) -> None:
        """Without a terminal nobody could end the UI, so it must not depend on what hangs."""
        if self._lost:
            return
        self._lost = True
        if self._outlet is not None:
            self._outlet.abandon()
        last_resort = threading.Timer(_GRACE, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        self._app.exit(return_code=1)

    def _soon(self, call: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop has ended
            return

    # Input

    def run_input_thread(self) -> None:
        """Like Textual's, but it sleeps until there is input, and sees the end of it."""
        assert self._outlet is not None
        parser = _Parser(self._debug, self._outlet.answered)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = selector.select(parser.patience)
                if any(key.fileobj == self.fileno for key, _ in ready):
                    try:
                        data = os.read(self.fileno, 4096)
                    except BlockingIOError:  # another program of this terminal set it so
                        continue
                    except OSError:
                        data = b""
                    if not data:
                        self._on_lost()
                        return
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)


class _Parser(XTermParser):
    """Textual's parser of keys, which also knows the terminal's answer to our question."""

    def __init__(self, debug: bool, on_answer: Callable[[], None]) -> None:
        self._on_answer = on_answer
        super().__init__(debug)

    @property
    def patience(self) -> float | None:
        """How long to wait for more input before `tick` must be called."""
        return None if self._timeout_time is None else 0.05

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if sequence == ANSWER:
            self._on_answer()
            return [events.Key(Keys.Ignore, sequence)]
        return super()._sequence_to_key_events(sequence, alt)


class _Bell(threading.Event):
    """An event that also wakes a selector."""

    def __init__(self) -> None:
        super().__init__()
        self._ear, self._mouth = os.pipe()

    def fileno(self) -> int:
        return self._ear

    def set(self) -> None:
        if not self.is_set():
            os.write(self._mouth, b"!")
        super().set()

    def clear(self) -> None:
        if self.is_set():
            os.read(self._ear, 1)
        super().clear()
