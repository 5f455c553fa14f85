"""What a layout is: a function that draws shapes and words of a design on a canvas of any size.

To add a layout, write creative/layouts/<key>.py with `draw` and list it in LAYOUTS of creative/drawings.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from math import cos, pi, sin

from creative.lettering import BOLD, CAP_HEIGHT, MEDIUM, REGULAR, Fitted, fit, measure, outline
from creative.palettes import Palette
from lib.colours import lowest_contrast, readable

LEFT, CENTRE = "left", "centre"


@dataclass(frozen=True)
class Words:
    """What a picture says."""

    headline: str
    sub: str = ""
    call: str = ""
    name: str = ""


@dataclass(frozen=True)
class Box:
    """A part of the canvas."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Contrast:
    """How well a text can be read where it stands; of several grounds the worst counts."""

    use: str
    ink: str
    ground: str
    ratio: float


@dataclass
class Canvas:
    """The picture while it is drawn: elements of SVG, first the lowest; `grounds` is all that words may stand on."""

    width: int
    height: int
    palette: Palette
    elements: list[str] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)
    contrasts: list[Contrast] = field(default_factory=list)
    grounds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grounds = [self.palette.ground, self.palette.ground_to]

    @property
    def ratio(self) -> float:
        return self.width / self.height

    @property
    def is_tall(self) -> bool:
        return self.ratio < 1.25

    @property
    def is_wide(self) -> bool:
        return self.ratio > 2.2

    @property
    def unit(self) -> float:
        """What sizes of words are told in: networks and inboxes show a picture at half its width or less."""
        return self.width / (105 if self.is_tall else 150)

    @property
    def margin(self) -> float:
        return min(8 * self.unit, self.height * 0.1)

    def ink(self, use: str, colour: str, *grounds: str) -> str:
        """The colour, moved where it could not be read on the grounds; its contrast is noted."""
        under = grounds or tuple(self.grounds)
        moved = readable(colour, *under)
        worst = min(under, key=lambda one: lowest_contrast(moved, one))
        self.contrasts.append(Contrast(use, moved, worst, round(lowest_contrast(moved, worst), 2)))
        return moved

    def ground(self) -> None:
        """The gradient from the palette's ground to its end, from corner to corner."""
        stops = f'<stop stop-color="{self.palette.ground}"/><stop offset="1" stop-color="{self.palette.ground_to}"/>'
        self.definitions.append(f'<linearGradient id="ground" x1="0" y1="0" x2="1" y2="1">{stops}</linearGradient>')
        self.rect(Box(0, 0, self.width, self.height), "url(#ground)")

    def rect(self, box: Box, fill: str, *, radius: float = 0.0) -> None:
        rounded = f' rx="{_n(radius)}"' if radius else ""
        place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'
        self.elements.append(f'<rect {place}{rounded} fill="{fill}"/>')

    def circle(self, x: float, y: float, radius: float, fill: str, *, opacity: float = 1.0) -> None:
        seen = "" if opacity == 1.0 else f' fill-opacity="{_n(opacity, 2)}"'
        self.elements.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}"{seen}/>')

    def ring(self, x: float, y: float, radius: float, stroke: str, width: float, *, opacity: float = 1.0) -> None:
        seen = "" if opacity == 1.0 else f' stroke-opacity="{_n(opacity, 2)}"'
        line = f'stroke="{stroke}" stroke-width="{_n(width)}"{seen}'
        self.elements.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="none" {line}/>')

    def path(self, d: str, fill: str, *, opacity: float = 1.0) -> None:
        seen = "" if opacity == 1.0 else f' fill-opacity="{_n(opacity, 2)}"'
        self.elements.append(f'<path d="{d}" fill="{fill}"{seen}/>')

    def fade(self, key: str, first: str, last: str, *, is_down: bool = False) -> str:
        """A gradient from left to right or downwards, as a fill."""
        way = 'x2="0" y2="1"' if is_down else 'x2="1" y2="1"'
        stops = f'<stop stop-color="{first}"/><stop offset="1" stop-color="{last}"/>'
        self.definitions.append(f'<linearGradient id="{key}" x1="0" y1="0" {way}>{stops}</linearGradient>')
        return f"url(#{key})"

    def line(self, text: str, size: float, weight: int, *, x: float, y: float, fill: str, tracking: float = 0) -> None:
        self.path(outline(text, size, weight, x=x, y=y, tracking=tracking), fill)

    def to_svg(self, title: str) -> str:
        """The whole document; nothing in it is run or fetched."""
        defs = f"<defs>{''.join(self.definitions)}</defs>" if self.definitions else ""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>'
        return f"{head}{defs}{''.join(self.elements)}</svg>"


def place_words(canvas: Canvas, words: Words, box: Box, *, align: str = LEFT, largest: float = 12.0) -> None:
    """Name, headline, line below and button as one block in the box, in the middle of its height.

    `largest` is the headline's largest size in units of the canvas; everything else follows from it.
    """
    unit, palette = canvas.unit, canvas.palette
    name_size, call_size = 2.7 * unit, 3.3 * unit
    gap = min(3.4 * unit, canvas.height * 0.048)
    name = _shortened(words.name.upper(), name_size, box.width)
    name_height = name_size * CAP_HEIGHT + gap * 1.1 if name else 0.0
    call_box = _call_box(words.call, call_size)
    call_height = call_box.height + gap * 1.4 if words.call else 0.0
    room = box.height - name_height - call_height
    sub = _fit_sub(words.sub, box, unit, room)
    sub_height = sub.height + gap if words.sub else 0.0
    head = fit(
        words.headline,
        BOLD,
        width=box.width,
        height=max(room - sub_height, unit * 5),
        largest=largest * unit,
        smallest=3.4 * unit,
        leading=1.08,
        tracking=-0.012,
    )
    y = box.y + max(0.0, (box.height - name_height - head.height - sub_height - call_height) / 2)
    if name:
        x = _start(box, measure(name, name_size, MEDIUM, tracking=0.09), align)
        y += name_size * CAP_HEIGHT
        canvas.line(name, name_size, MEDIUM, x=x, y=y, fill=canvas.ink("Name", palette.accent), tracking=0.09)
        y += gap * 1.1
    y = _place_lines(canvas, head, BOLD, box, y, canvas.ink("Headline", palette.ink), align, tracking=-0.012)
    if words.sub:
        y = _place_lines(canvas, sub, REGULAR, box, y + gap, canvas.ink("Line below", palette.soft), align)
    if words.call:
        _place_call(canvas, words.call, call_size, box, y + gap * 1.4, align)


def wave(width: float, height: float, level: float, swing: float, phase: float, *, waves: float = 1.0) -> str:
    """A hill line from edge to edge, closed along the foot of the canvas."""
    steps = 8
    points = [(width * at / steps, level + swing * sin(2 * pi * waves * at / steps + phase)) for at in range(steps + 1)]
    slopes = [swing * cos(2 * pi * waves * at / steps + phase) * 2 * pi * waves / steps for at in range(steps + 1)]
    third = width / steps / 3
    d = f"M0 {_n(points[0][1])}"
    for at in range(steps):
        (x, y), (next_x, next_y) = points[at], points[at + 1]
        first, second = (x + third, y + slopes[at] / 3), (next_x - third, next_y - slopes[at + 1] / 3)
        d += f"C{_n(first[0])} {_n(first[1])} {_n(second[0])} {_n(second[1])} {_n(next_x)} {_n(next_y)}"
    return f"{d}V{_n(height)}H0Z"


def _fit_sub(text: str, box: Box, unit: float, room: float) -> Fitted:
    return fit(
        text,
        REGULAR,
        width=min(box.width, unit * 110),
        height=max(unit * 3.6, room * 0.36),
        largest=4.1 * unit,
        smallest=2.9 * unit,
        most_lines=4,
        leading=1.34,
    )


def _place_lines(
    canvas: Canvas, text: Fitted, weight: int, box: Box, y: float, fill: str, align: str, *, tracking: float = 0.0
) -> float:
    base = y + text.size * CAP_HEIGHT
    for line in text.lines:
        x = _start(box, measure(line, text.size, weight, tracking=tracking), align)
        canvas.line(line, text.size, weight, x=x, y=base, fill=fill, tracking=tracking)
        base += text.size * text.leading
    return base - text.size * text.leading + text.size * 0.22


def _call_box(call: str, size: float) -> Box:
    return Box(0, 0, measure(call, size, MEDIUM) + size * 2.2, size * 2.35)


def _place_call(canvas: Canvas, call: str, size: float, box: Box, y: float, align: str) -> None:
    fitted = fit(call, MEDIUM, width=box.width - size * 2.2, height=size * 2, largest=size, smallest=8, most_lines=1)
    call, size = fitted.lines[0], fitted.size
    pill = _call_box(call, size)
    x = _start(box, pill.width, align)
    canvas.rect(Box(x, y, pill.width, pill.height), canvas.palette.button, radius=pill.height / 2)
    base = y + pill.height / 2 + size * CAP_HEIGHT / 2
    canvas.line(
        call,
        size,
        MEDIUM,
        x=x + size * 1.1,
        y=base,
        fill=canvas.ink("Button", canvas.palette.button_ink, canvas.palette.button),
    )


def _shortened(name: str, size: float, width: float) -> str:
    while name and measure(name, size, MEDIUM, tracking=0.09) > width:
        name = name[:-2].rstrip("… ") + "…" if len(name) > 3 else ""
    return name


def _start(box: Box, width: float, align: str) -> float:
    return box.x + (box.width - width) / 2 if align == CENTRE else box.x


def _n(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"


Draw = Callable[[Canvas, Words], None]
