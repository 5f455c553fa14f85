"""Words as outlines: shaped and kerned by HarfBuzz in Inter, measured to the pixel, wrapped and fitted into a box.

A drawn picture needs no font where it is shown, so it looks the same in every browser, mail program and network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import uharfbuzz

FONT = Path(__file__).resolve().parent / "fonts" / "inter.ttf"
CAP_HEIGHT = 0.727
REGULAR, MEDIUM, BOLD = 400, 560, 760
LARGEST_LINES = 6
Command = tuple[str, tuple[float, ...]]


@dataclass(frozen=True)
class Fitted:
    """Text that fits: its size in pixels, its lines, how wide the widest is and how high they are together."""

    size: float
    lines: list[str]
    width: float
    height: float
    leading: float


@lru_cache(maxsize=8)
def _font(weight: int) -> uharfbuzz.Font:
    font = uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(FONT)))
    font.set_variations({"wght": float(weight)})
    return font


@lru_cache(maxsize=8)
def _units(weight: int) -> int:
    return int(_font(weight).face.upem)


def _pen() -> uharfbuzz.DrawFuncs:
    pen = uharfbuzz.DrawFuncs()
    pen.set_move_to_func(lambda x, y, out: out.append(("M", (x, y))))
    pen.set_line_to_func(lambda x, y, out: out.append(("L", (x, y))))
    pen.set_quadratic_to_func(lambda cx, cy, x, y, out: out.append(("Q", (cx, cy, x, y))))
    pen.set_cubic_to_func(lambda ax, ay, bx, by, x, y, out: out.append(("C", (ax, ay, bx, by, x, y))))
    pen.set_close_path_func(lambda out: out.append(("Z", ())))
    return pen


PEN = _pen()


@lru_cache(maxsize=4096)
def _glyph(weight: int, glyph: int) -> tuple[Command, ...]:
    out: list[Command] = []
    _font(weight).draw_glyph(glyph, PEN, out)
    return tuple(out)


@lru_cache(maxsize=4096)
def _shaped(text: str, weight: int) -> tuple[tuple[int, float, float, float], ...]:
    """Glyph, advance and offsets of each, in units of the font."""
    if not text:
        return ()
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    uharfbuzz.shape(_font(weight), buffer, {"kern": True, "liga": True})
    places = zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    return tuple((info.codepoint, place.x_advance, place.x_offset, place.y_offset) for info, place in places)


def find_unknown(text: str) -> list[str]:
    """The characters that the font does not have: an emoji, a script that it lacks."""
    font = _font(REGULAR)
    return [one for one in dict.fromkeys(text) if not font.get_nominal_glyph(ord(one))]


def without_unknown(text: str) -> str:
    """The text without what cannot be drawn."""
    unknown = set(find_unknown(text))
    return " ".join("".join(one for one in text if one not in unknown).split())


def measure(text: str, size: float, weight: int, *, tracking: float = 0.0) -> float:
    """How wide the text is, in pixels; `tracking` is added after each letter, as a share of the size."""
    shaped = _shaped(text, weight)
    units = sum(one[1] for one in shaped)
    return units * size / _units(weight) + tracking * size * len(shaped)


def outline(text: str, size: float, weight: int, *, x: float, y: float, tracking: float = 0.0) -> str:
    """The text as the `d` of a path, its baseline beginning at x, y."""
    scale = size / _units(weight)
    pieces: list[str] = []
    pen_x = x
    for glyph, advance, offset_x, offset_y in _shaped(text, weight):
        left, base = pen_x + offset_x * scale, y - offset_y * scale
        for letter, numbers in _glyph(weight, glyph):
            shown = " ".join(
                _number(left + number * scale if at % 2 == 0 else base - number * scale)
                for at, number in enumerate(numbers)
            )
            pieces.append(f"{letter}{shown}")
        pen_x += advance * scale + tracking * size
    return "".join(pieces)


def wrap(text: str, size: float, weight: int, width: float, *, tracking: float = 0.0) -> list[str] | None:
    """The text in lines of about equal length, or None where a word alone is wider than the box."""
    lines = _greedy(text, size, weight, width, tracking)
    if lines is None or len(lines) < 2:
        return lines
    low, high = width * 0.5, width
    best = lines
    for _ in range(7):
        middle = (low + high) / 2
        tried = _greedy(text, size, weight, middle, tracking)
        if tried is not None and len(tried) <= len(lines):
            best, high = tried, middle
        else:
            low = middle
    return best


def fit(
    text: str,
    weight: int,
    *,
    width: float,
    height: float,
    largest: float,
    smallest: float,
    most_lines: int = LARGEST_LINES,
    leading: float = 1.12,
    tracking: float = 0.0,
) -> Fitted:
    """The largest size at which the text fits into the box; below the smallest, words are broken and cut."""
    size = largest
    while size >= smallest:
        lines = wrap(text, size, weight, width, tracking=tracking)
        if lines is not None and len(lines) <= most_lines and _height(len(lines), size, leading) <= height:
            return _fitted(lines, size, weight, leading, tracking)
        size *= 0.96
    return _fitted(_cut(text, smallest, weight, width, most_lines), smallest, weight, leading, tracking)


def _height(lines: int, size: float, leading: float) -> float:
    return (lines - 1) * size * leading + size * (CAP_HEIGHT + 0.22)


def _fitted(lines: list[str], size: float, weight: int, leading: float, tracking: float) -> Fitted:
    widest = max((measure(line, size, weight, tracking=tracking) for line in lines), default=0.0)
    return Fitted(size, lines, widest, _height(len(lines), size, leading), leading)


def _greedy(text: str, size: float, weight: int, width: float, tracking: float) -> list[str] | None:
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if measure(longer, size, weight, tracking=tracking) <= width:
            line = longer
            continue
        if measure(word, size, weight, tracking=tracking) > width:
            return None
        lines.append(line)
        line = word
    return [*lines, line] if line else lines


def _cut(text: str, size: float, weight: int, width: float, most_lines: int) -> list[str]:
    """Lines of at most this width, words broken where they must be, an ellipsis where there is no room."""
    pieces: list[str] = []
    for word in text.split():
        while measure(word, size, weight) > width and len(word) > 1:
            length = max(1, int(len(word) * width / measure(word, size, weight)) - 1)
            pieces.append(word[:length])
            word = word[length:]
        pieces.append(word)
    lines = _greedy(" ".join(pieces), size, weight, width, 0.0) or []
    if len(lines) <= most_lines:
        return lines
    last = lines[most_lines - 1]
    while last and measure(f"{last}…", size, weight) > width:
        last = last[:-1].rstrip()
    return [*lines[: most_lines - 1], f"{last}…"]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
