"""Colours of a drawn picture, computed from the brand's accent so that every text on every ground can be read.

To add a palette, write a function of the accent and list it in PALETTES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lib.colours import BLACK, WHITE, from_oklch, ink_on, readable, shade, to_oklch

CLEAR = 7.0
LIGHT = 0.7  # from this lightness on, a colour wants dark text


@dataclass(frozen=True)
class Palette:
    """The ground (from, to), the text on it, the button, and three tints for shapes, the last the strongest."""

    ground: str
    ground_to: str
    ink: str
    soft: str
    accent: str
    button: str
    button_ink: str
    tints: tuple[str, str, str]


def night(accent: str) -> Palette:
    """Nearly black with a breath of the accent."""
    ground, ground_to = shade(accent, light=0.13, chroma=0.25), shade(accent, light=0.22, chroma=0.5)
    button = shade(accent, light=max(0.55, min(0.72, to_oklch(accent)[0] + 0.1)))
    return Palette(
        ground,
        ground_to,
        "#f6f4fb",
        readable(shade(accent, light=0.82, chroma=0.25), ground, ground_to, ratio=CLEAR),
        readable(shade(accent, light=0.78), ground, ground_to),
        button,
        ink_on(button),
        (shade(accent, light=0.27, chroma=0.6), shade(accent, light=0.38, chroma=0.85), shade(accent, light=0.6)),
    )


def bold(accent: str) -> Palette:
    """The accent itself as the ground: under white text, or under nearly black where the accent is light."""
    return _bold_light(accent) if to_oklch(accent)[0] > LIGHT else _bold_dark(accent)


def _bold_dark(accent: str) -> Palette:
    light, chroma, hue = to_oklch(accent)
    ground = readable(from_oklch(min(light, 0.5), chroma, hue), WHITE, ratio=5.5)
    ground_to = from_oklch(to_oklch(ground)[0] - 0.1, chroma, hue + 0.25)
    base = to_oklch(ground)[0]
    return Palette(
        ground,
        ground_to,
        WHITE,
        readable(shade(accent, light=0.93, chroma=0.2), ground, ground_to),
        readable(shade(accent, light=0.9, chroma=0.35), ground, ground_to),
        WHITE,
        readable(shade(accent, light=0.35), WHITE, ratio=CLEAR),
        (
            from_oklch(base + 0.05, chroma, hue),
            from_oklch(base + 0.12, chroma * 0.95, hue - 0.1),
            from_oklch(base + 0.24, chroma * 0.75, hue - 0.2),
        ),
    )


def _bold_light(accent: str) -> Palette:
    light, chroma, hue = to_oklch(accent)
    ground = from_oklch(max(light, 0.78), chroma, hue)
    base = to_oklch(ground)[0]
    ground_to = from_oklch(base - 0.05, chroma, hue - 0.12)
    button = shade(accent, light=0.2, chroma=0.5)
    return Palette(
        ground,
        ground_to,
        readable(button, ground, ground_to, ratio=CLEAR),
        readable(shade(accent, light=0.32, chroma=0.5), ground, ground_to),
        readable(shade(accent, light=0.4, chroma=0.7), ground, ground_to),
        button,
        readable(shade(accent, light=0.95, chroma=0.3), button, ratio=CLEAR),
        (
            from_oklch(base - 0.04, chroma, hue),
            from_oklch(base - 0.1, chroma, hue - 0.06),
            from_oklch(base - 0.24, chroma, hue - 0.1),
        ),
    )


def paper(accent: str) -> Palette:
    """A warm white with the accent in shapes and the button."""
    ground, ground_to = shade(accent, light=0.985, chroma=0.04), shade(accent, light=0.94, chroma=0.14)
    button = readable(shade(accent, light=min(0.55, to_oklch(accent)[0])), WHITE)
    return Palette(
        ground,
        ground_to,
        shade(accent, light=0.2, chroma=0.5),
        readable(shade(accent, light=0.4, chroma=0.25), ground, ground_to),
        readable(shade(accent, light=0.5), ground, ground_to),
        button,
        WHITE,
        (
            shade(accent, light=0.89, chroma=0.28),
            shade(accent, light=0.79, chroma=0.55),
            shade(accent, light=max(0.5, to_oklch(accent)[0])),
        ),
    )


def ink(_accent: str) -> Palette:
    """Black on white, nothing else: it fits beside any other colour."""
    return Palette(
        "#ffffff", "#f2f2f2", "#111111", "#4a4a4a", "#4a4a4a", BLACK, WHITE, ("#e6e6e6", "#c9c9c9", "#111111")
    )


PALETTES: dict[str, tuple[str, Callable[[str], Palette]]] = {
    "night": ("Night", night),
    "bold": ("Bold", bold),
    "paper": ("Paper", paper),
    "ink": ("Black and white", ink),
}


def make_palette(key: str, accent: str) -> Palette:
    """The palette of that key from the accent. Raises KeyError."""
    return PALETTES[key][1](accent)
