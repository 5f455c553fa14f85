"""Words on the left, planets of the accent on the right: for something new."""

from __future__ import annotations

from creative.layouts.base import Box, Canvas, Words, place_words

LABEL = "Orbit"
TEXT = "Words on the left, circles of the accent on the right."


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette = canvas.width, canvas.height, canvas.palette
    canvas.ground()
    is_tall = canvas.is_tall
    centre = (width * 0.72, height * 0.21) if is_tall else (width * 0.84, height * 0.5)
    size = min(width * 0.3, height * 0.235) if is_tall else min(height * 0.36, width * 0.2)
    for step, share in enumerate((2.5, 2.0, 1.5)):
        canvas.ring(*centre, size * share, palette.tints[min(step, 1)], size * 0.012, opacity=0.55 + 0.2 * step)
    canvas.circle(*centre, size, canvas.fade("planet", palette.tints[2], palette.tints[1]))
    canvas.circle(centre[0] - size * 1.44, centre[1] + size * 0.42, size * 0.15, palette.tints[2])
    canvas.circle(centre[0] - size * 0.42, centre[1] - size * 1.44, size * 0.07, palette.accent)
    if not is_tall:
        canvas.circle(centre[0] - size * 1.17, centre[1] + size * 1.62, size * 0.06, palette.accent)
    margin = canvas.margin
    box = (
        Box(margin, height * 0.47, width - 2 * margin, height * 0.53 - margin)
        if is_tall
        else Box(margin, margin, width * (0.62 if canvas.is_wide else 0.57) - margin, height - 2 * margin)
    )
    place_words(canvas, words, box)
