"""A screen as SVG, still or moving: text stays text, and nothing outside the file is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.segment import Segment

from screenshots.glyphs import HEIGHT, WIDTH, drawn, shape

BAR, EDGE = 28, 8
"""Height of the window's title, and the rim around the screen."""
FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_RUNS = re.compile(r"[!-~]+(?: [!-~]+)*| +|[^ -~]")
"""Words with single blanks between them, blanks, and characters that fonts disagree about."""


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one look."""

    text: str
    colour: str
    back: str
    weight: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One screen: rows of spans, and for how many seconds a moving picture shows it."""

    rows: tuple[tuple[Span, ...], ...]
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Window:
    """What is around the screen."""

    title: str
    columns: int
    lines: int

    @property
    def size(self) -> tuple[int, int]:
        return self.columns * WIDTH + 2 * EDGE, self.lines * HEIGHT + BAR + EDGE


def spans_of(segments: Iterable[Segment], colours: dict[str, str]) -> tuple[Span, ...]:
    found: list[Span] = []
    for segment in segments:
        style = segment.style
        colour, back, weight = colours["text"], colours["background"], ""
        if style is not None:
            if style.color and not style.color.is_default:
                colour = style.color.get_truecolor().hex
            if style.bgcolor and not style.bgcolor.is_default:
                back = style.bgcolor.get_truecolor().hex
            if style.reverse:
                colour, back = back, colour
            marks = {"b": style.bold, "i": style.italic, "u": style.underline}
            weight = "".join(mark for mark, on in marks.items() if on)
        if found and (found[-1].colour, found[-1].back, found[-1].weight) == (colour, back, weight):
            found[-1] = Span(found[-1].text + segment.text, colour, back, weight)
        else:
            found.append(Span(segment.text, colour, back, weight))
    return tuple(found)


def still(frame: Frame, window: Window, colours: dict[str, str]) -> str:
    rows = "".join(_row(row, y, colours) for y, row in enumerate(frame.rows))
    return _whole(rows, window, colours)


def moving(frames: Sequence[Frame], window: Window, colours: dict[str, str]) -> str:
    """Each row is written once for each look that it takes on, and shown while it has it."""
    total = sum(frame.seconds for frame in frames)
    begins = [sum(frame.seconds for frame in frames[:at]) for at in range(len(frames))]
    rows: list[str] = []
    rules: list[str] = []
    for y in range(window.lines):
        looks = list(dict.fromkeys(frame.rows[y] for frame in frames))
        for number, look in enumerate(looks):
            drawing = _row(look, y, colours)
            if len(looks) > 1:
                name = f"r{y}_{number}"
                seen = (frame.rows[y] == look for frame in frames)
                steps = list(zip(begins, seen, strict=True))
                rules.append(_keyframes(name, steps, total))
                drawing = f'<g id="{name}">{drawing}</g>'
            rows.append(drawing)
    style = "".join(rules) + "@media(prefers-reduced-motion){g{animation:none!important}}"
    return _whole("".join(rows), window, colours, style)


def _keyframes(name: str, steps: Sequence[tuple[float, bool]], total: float) -> str:
    """Shown and hidden by turns; without motion it is as at the end."""
    changes = [step for at, step in enumerate(steps) if at == 0 or step[1] != steps[at - 1][1]]
    rules = "".join(
        f"{begin / total:.3%}{{visibility:{'visible' if on else 'hidden'}}}"
        for begin, on in changes
    )
    rest = "" if steps[-1][1] else "visibility:hidden;"
    play = f"animation:{name} {total:g}s step-end infinite"
    return f"@keyframes {name}{{{rules}}}#{name}{{{rest}{play}}}"


def _row(row: tuple[Span, ...], y: int, colours: dict[str, str]) -> str:
    top, x = BAR + y * HEIGHT, EDGE
    backs: list[str] = []
    letters: list[str] = []
    for span in row:
        wide = cell_len(span.text) * WIDTH
        if span.back != colours["background"]:
            backs.append(f'<path d="M{x} {top}h{wide}v{HEIGHT}h-{wide}z" fill="{span.back}"/>')
        letters += _letters(span, x, top)
        x += wide
    return "".join(backs + letters)


def _letters(span: Span, x: int, top: int) -> Iterable[str]:
    for run in _RUNS.findall(span.text):
        wide = cell_len(run) * WIDTH
        if drawn(run[0]):
            yield shape(run, x, top, span.colour)
        elif not run.isspace():
            yield _text(run, x, top, wide, span)
        x += wide


def _text(text: str, x: int, top: int, wide: int, span: Span) -> str:
    look = f' class="{span.weight}"' if span.weight else ""
    fit = f' textLength="{wide}" lengthAdjust="spacingAndGlyphs"' if len(text) > 1 else ""
    place = f'x="{x}" y="{top + 13}"'
    return f'<text {place} fill="{span.colour}"{fit}{look}>{escape(text)}</text>'


def _whole(rows: str, window: Window, colours: dict[str, str], style: str = "") -> str:
    width, height = window.size
    title = escape(window.title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f"<style>text{{font:13.3px {FONT};white-space:pre}}"
        f".b,.bi,.bu,.biu{{font-weight:bold}}.i,.bi{{font-style:italic}}"
        f".u,.bu,.iu,.biu{{text-decoration:underline}}{style}</style>"
        f'<rect width="{width}" height="{height}" rx="8" fill="{colours["background"]}" '
        f'stroke="{colours["line"]}"/>'
        f'<text x="{width // 2}" y="18" text-anchor="middle" fill="{colours["dim"]}">'
        f"{title}</text>{rows}</svg>\n"
    )
