"""Words beside a panel of the accent with arcs in it: for an offer or an event."""

from __future__ import annotations

from creative.layouts.base import Box, Canvas, Words, place_words

LABEL = "Panel"
TEXT = "Words beside a panel of the accent, with arcs in it."


def draw(canvas: Canvas, words: Words) -> None:
    width, height, palette, unit = canvas.width, canvas.height, canvas.palette, canvas.unit
    canvas.ground()
    is_tall = canvas.is_tall
    panel = Box(0, 0, width, height * 0.36) if is_tall else Box(width * 0.66, 0, width * 0.34, height)
    clip = f'<rect x="{panel.x:.1f}" y="{panel.y:.1f}" width="{panel.width:.1f}" height="{panel.height:.1f}"/>'
    canvas.definitions.append(f'<clipPath id="panel">{clip}</clipPath>')
    canvas.elements.append('<g clip-path="url(#panel)">')
    canvas.rect(panel, canvas.fade("panel-fill", palette.tints[1], palette.tints[2]))
    corner = (panel.x + panel.width, panel.y + panel.height)
    reach = max(panel.width, panel.height)
    for step in range(7, 0, -1):
        fill = palette.tints[2] if step % 2 else palette.tints[1]
        canvas.circle(*corner, reach * step / 6.4, fill, opacity=0.9)
    canvas.circle(panel.x + panel.width * 0.24, panel.y + panel.height * 0.2, unit * 3.6, palette.ground)
    canvas.elements.append("</g>")
    margin = canvas.margin
    box = (
        Box(margin, panel.height + margin, width - 2 * margin, height - panel.height - 2 * margin)
        if is_tall
        else Box(margin, margin, width * 0.66 - 2 * margin, height - 2 * margin)
    )
    place_words(canvas, words, box)
