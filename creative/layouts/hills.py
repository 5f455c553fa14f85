"""Words above, hills in the accent's tints below: calm, for a story or a season."""

from __future__ import annotations

from creative.layouts.base import Box, Canvas, Words, place_words, wave

LABEL = "Hills"
TEXT = "Words above, rolling hills of the accent below."


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette, unit = canvas.width, canvas.height, canvas.palette, canvas.unit
    canvas.ground()
    is_wide = canvas.is_wide
    foot = 0.84 if is_wide else 0.76
    sun = (width * (0.76 if canvas.is_tall else 0.86), height * (0.36 if is_wide else 0.19))
    canvas.circle(*sun, unit * (12 if is_wide else 13), canvas.fade("sun", palette.tints[2], palette.tints[1]))
    for at, tint in enumerate(palette.tints):
        level = height * (foot + at * (0.065 if is_wide else 0.085))
        canvas.path(wave(width, height, level, height * 0.05, 1.1 + at * 1.9, waves=1.1 + 0.25 * at), tint)
    margin = canvas.margin
    top = margin * (0.6 if is_wide else 1.1)
    share = 0.74 if is_wide else 0.7
    box = (
        Box(margin, height * 0.33, width - 2 * margin, height * (foot - 0.07 - 0.33))
        if canvas.is_tall
        else Box(margin, top, width * share - margin, height * (foot - 0.07) - top)
    )
    place_words(canvas, words, box)
