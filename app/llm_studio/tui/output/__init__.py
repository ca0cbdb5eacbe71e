"""Between Textual's compositor and the terminal: only changed cells travel.

Textual repaints whole regions. Here its strips become cells, the cells are compared with what the
terminal shows, and the cheapest escape sequences for the difference are sent as one frame, while
at most one frame is on its way. `TerminalApp` is all that an application needs to know.
"""
