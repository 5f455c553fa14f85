"""Tiles that grow towards a corner: orderly, for figures, products and services."""

from __future__ import annotations

from creative.layouts.base import Box, Canvas, Words, place_words

LABEL = "Tiles"
TEXT = "Tiles of the accent gather at one side."
# Columns from the edge inwards, each with the tiles that are filled, and how strongly.
PATTERN = ((2, 0, 1, 2, 0, 1), (0, 2, 2, 0, 1, 0), (1, 0, 2, 1, 0, 2), (0, 1, 0, 0, 1, 0))


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette = canvas.width, canvas.height, canvas.palette
    canvas.ground()
    is_tall = canvas.is_tall
    rows = 6
    cell = width / rows if is_tall else height / rows
    gap = cell * 0.08
    for column, tiles in enumerate(PATTERN):
        for row, strength in enumerate(tiles):
            x, y = (row * cell, column * cell) if is_tall else (width - (column + 1) * cell, row * cell)
            box = Box(x + gap / 2, y + gap / 2, cell - gap, cell - gap)
            if strength == 1 and column < 3:
                canvas.circle(x + cell / 2, y + cell / 2, (cell - gap) / 2, palette.tints[1])
            elif strength == 2 or (strength == 0 and column == 0):
                canvas.rect(box, palette.tints[2 if strength == 2 else 0], radius=cell * 0.12)
    margin = canvas.margin
    taken = cell * (2.4 if is_tall else 3.2)
    box = (
        Box(margin, taken + margin * 2.6, width - 2 * margin, height - taken - 3.6 * margin)
        if is_tall
        else Box(margin, margin, width - taken - 2.4 * margin, height - 2 * margin)
    )
    place_words(canvas, words, box)
