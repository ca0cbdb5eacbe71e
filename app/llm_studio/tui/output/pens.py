"""What a cell is drawn with, and the shortest way from one such look to another."""

from __future__ import annotations

from rich.color import Color, ColorSystem
from rich.style import Style
from textual.strip import SGR_STYLES

from llm_studio.text import has_controls

_OFF = {
    "1": "22", "2": "22", "3": "23", "4": "24", "21": "24",
    "5": "25", "6": "25", "7": "27", "9": "29",
}  # fmt: skip
"""How an attribute ends alone; the others end with a reset, which every terminal knows."""
_SHOWS_ON_A_BLANK = frozenset({"4", "5", "6", "7", "9", "21", "51", "52", "53"})
_KEPT = 4096


class Pen:
    """Attributes, colours and link. There is one object for one look, so `is` compares looks."""

    __slots__ = ("_ways", "attributes", "background", "blank", "erases", "foreground", "link")

    def __init__(
        self,
        attributes: tuple[str, ...] = (),
        foreground: str = "",
        background: str = "",
        link: str = "",
    ) -> None:
        self.attributes = attributes
        self.foreground = foreground
        self.background = background
        self.link = link
        self.blank = self
        """What a space drawn with this pen looks like."""
        self.erases = False
        """Whether erased cells look like spaces drawn with this pen."""
        self._ways: dict[Pen, str] = {}

    def to(self, other: Pen) -> str:
        """What turns a terminal that draws with this pen to the other one."""
        way = self._ways.get(other)
        if way is None:
            way = self._ways[other] = self._way(other)
        return way

    def _way(self, other: Pen) -> str:
        link = f"\x1b]8;{other.link or ';'}\x1b\\" if self.link != other.link else ""
        look = (self.attributes, self.foreground, self.background)
        if look == (other.attributes, other.foreground, other.background):
            return link
        codes = [*other.attributes, other.foreground, other.background]
        anew = ";".join(code for code in codes if code)
        best = f"\x1b[0;{anew}m" if anew else "\x1b[m"
        changes = self._changes(other)
        if changes is not None:
            best = min(f"\x1b[{';'.join(changes)}m", best, key=len)
        return best + link

    def _changes(self, other: Pen) -> list[str] | None:
        """Codes for what differs; None where an attribute ends that has no code of its own."""
        codes: list[str] = []
        kept = set(self.attributes)
        for attribute in self.attributes:
            if attribute in other.attributes:
                continue
            off = _OFF.get(attribute)
            if off is None:
                return None
            if off not in codes:
                codes.append(off)
            kept = {each for each in kept if _OFF.get(each) != off}
        codes += [attribute for attribute in other.attributes if attribute not in kept]
        if self.foreground != other.foreground:
            codes.append(other.foreground or "39")
        if self.background != other.background:
            codes.append(other.background or "49")
        return codes


class Pens:
    """The pens of one terminal, made from Textual's styles as Textual itself would draw them."""

    def __init__(self, depth: ColorSystem, *, colours_blanks: bool) -> None:
        self._depth = depth
        self._colours_blanks = colours_blanks
        self._by_look: dict[tuple[tuple[str, ...], str, str, str], Pen] = {}
        # The key holds the ids of the colours (hashing them costs more than all the rest), and
        # the value the colours themselves, so that no id is used twice.
        self._by_style: dict[
            tuple[int, int, int, str | None], tuple[Pen, Color | None, Color | None]
        ] = {}
        self._links: dict[str, str] = {}
        self.plain = self._pen((), "", "", "")

    def of(self, style: Style | None) -> Pen:
        if style is None:
            return self.plain
        # The parts of Style are read past its properties: this runs for every piece of text.
        front, back = style._color, style._bgcolor
        set_ = style._attributes & style._set_attributes
        key = (id(front), id(back), set_, style._link)
        known = self._by_style.get(key)
        if known is None:
            if len(self._by_style) >= _KEPT:
                self._by_style.clear()
                self._by_look = {((), "", "", ""): self.plain}
            attributes = tuple(code for bit, code in enumerate(SGR_STYLES) if set_ >> bit & 1)
            pen = self._pen(
                attributes,
                "" if front is None else self._code(front, foreground=True),
                "" if back is None else self._code(back, foreground=False),
                self._link(style._link),
            )
            known = self._by_style[key] = (pen, front, back)
        return known[0]

    def _pen(self, attributes: tuple[str, ...], front: str, back: str, link: str) -> Pen:
        look = (attributes, front, back, link)
        pen = self._by_look.get(look)
        if pen is None:
            pen = self._by_look[look] = Pen(*look)
            if attributes or front or link:
                if not link and not _SHOWS_ON_A_BLANK.intersection(attributes):
                    pen.blank = self._pen((), "", back, "")
            else:
                pen.erases = not back or self._colours_blanks
        return pen

    def _code(self, colour: Color, *, foreground: bool) -> str:
        codes = ";".join(colour.downgrade(self._depth).get_ansi_codes(foreground))
        return "" if codes == ("39" if foreground else "49") else codes

    def _link(self, address: str | None) -> str:
        """The parameters of the hyperlink: a number makes one link of all the pieces of a text."""
        if not address or has_controls(address):
            return ""
        if address not in self._links and len(self._links) >= _KEPT:
            self._links.clear()
        number = self._links.setdefault(address, str(len(self._links) + 1))
        return f"id={number};{address}"
