"""One gate for foreign text (models, logs, files, servers): what passes cannot steer a terminal."""

from __future__ import annotations

TYPE_CHECKING = False  # as of `typing`, which would cost every start more than this module
if TYPE_CHECKING:
    import re

# C0 but tab and newline, DEL, C1, line and paragraph separators, bidirectional and zero-width
# controls, byte-order mark, tag characters, lone surrogates.
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _harmless(text: str) -> bool:
    """Whether nothing can be unsafe, at a fraction of a search's cost: no control is printable."""
    return text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()


def _unsafe() -> re.Pattern[str]:
    """Where the unsafe ones are. Most texts have none, and `re` is half of Python's own start."""
    import re

    return re.compile(_UNSAFE)  # which `re` remembers


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"<U+{code:04X}>"


def untrusted(text: str, *, limit: int = 65_536) -> str:
    """The text with every control made visible, cut at `limit` characters (and saying so)."""
    if len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    return text if _harmless(text) else _unsafe().sub(_visible, text)


def untrusted_line(text: str, *, limit: int = 200) -> str:
    """The same for text that must stay on one line: names, titles, cells."""
    return untrusted(text, limit=limit).replace("\n", "␊").replace("\t", " ")


def escaped(json_text: str) -> str:
    """JSON with the same characters written as escapes, so that it still means what it meant."""
    return json_text if _harmless(json_text) else _unsafe().sub(_escape, json_text)


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def has_controls(text: str) -> bool:
    """Whether the text holds anything that the gate would change, or a line break."""
    return not text.isprintable() and ("\n" in text or "\t" in text or bool(_unsafe().search(text)))
