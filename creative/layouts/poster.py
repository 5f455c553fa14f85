"""Words alone, large and in the middle, within a thin frame: for one thing that is said."""

from __future__ import annotations

from creative.layouts.base import CENTRE, Box, Canvas, Words, place_words

LABEL = "Poster"
TEXT = "Large words in the middle of a thin frame."


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette, unit = canvas.width, canvas.height, canvas.palette, canvas.unit
    canvas.ground()
    edge = min(4 * unit, height * 0.055)
    radius = 2.5 * unit
    frame = f'x="{edge:.1f}" y="{edge:.1f}" width="{width - 2 * edge:.1f}" height="{height - 2 * edge:.1f}"'
    canvas.elements.append(
        f'<rect {frame} rx="{radius:.1f}" fill="none" stroke="{palette.tints[1]}" stroke-width="{unit * 0.3:.1f}"/>'
    )
    for x, y in ((edge, edge), (width - edge, height - edge)):
        canvas.circle(x, y, edge * 0.75, palette.tints[2])
    margin = edge + canvas.margin * (0.75 if canvas.is_wide else 1)
    box = Box(margin, margin, width - 2 * margin, height - 2 * margin)
    place_words(canvas, words, box, align=CENTRE, largest=15)
