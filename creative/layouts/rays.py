"""Rays from a corner behind the words: for good news."""

from __future__ import annotations

from math import cos, pi, sin

from creative.layouts.base import Box, Canvas, Words, place_words

LABEL = "Rays"
TEXT = "Rays rise from a corner; the words stand before them."
RAYS = 11


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette = canvas.width, canvas.height, canvas.palette
    canvas.ground()
    centre = (width * 1.0, height * 1.0)
    reach = width + height
    for at in range(RAYS):
        first, last = (pi + pi / 2 * (at + share) / RAYS for share in (0.0, 0.5))
        (x1, y1), (x2, y2) = (
            (centre[0] + reach * cos(angle), centre[1] + reach * sin(angle)) for angle in (first, last)
        )
        canvas.path(f"M{centre[0]:.1f} {centre[1]:.1f}L{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}Z", palette.tints[0])
    size = min(width * 0.24, height * 0.46)
    canvas.circle(*centre, size, palette.tints[1])
    canvas.circle(*centre, size * 0.66, canvas.fade("core", palette.tints[2], palette.tints[1]))
    canvas.grounds.append(palette.tints[0])
    margin = canvas.margin
    room = width * (0.7 if not canvas.is_tall else 1) - (2 if canvas.is_tall else 1) * margin
    box = Box(margin, margin, room, height * (0.76 if canvas.is_tall else 1) - 2 * margin)
    place_words(canvas, words, box, largest=12.5)
