"""Markdown for the transcript: read as it grows, laid out as rows of styled text.

Textual's own Markdown makes a widget of every block and parses the last one anew for every piece,
which neither a long answer nor a long conversation can bear.
"""
