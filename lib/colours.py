"""Colours mixed and lightened as the eye sees it (OKLab), and moved until they can be read on a ground."""

from __future__ import annotations

from math import atan2, cos, hypot, sin

from lib.contrast import contrast_ratio

Lch = tuple[float, float, float]
BLACK, WHITE = "#000000", "#ffffff"
STEPS = 100


def to_oklch(colour: str) -> Lch:
    """Lightness 0 to 1, chroma, hue in radians, of #rrggbb."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    light = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return light, hypot(a, b), atan2(b, a)


def from_oklch(light: float, chroma: float, hue: float) -> str:
    """#rrggbb; chroma is lowered until a screen can show it."""
    light = min(1.0, max(0.0, light))
    for step in range(STEPS):
        channels = _to_rgb(light, chroma * (1 - step / STEPS), hue)
        if all(-0.0005 <= one <= 1.0005 for one in channels):
            break
    return "#" + "".join(f"{round(255 * _gamma(min(1.0, max(0.0, one)))):02x}" for one in channels)


def shade(colour: str, *, light: float, chroma: float | None = None) -> str:
    """The same hue at another lightness; `chroma` is the share of its colourfulness that stays."""
    _, full, hue = to_oklch(colour)
    return from_oklch(light, full * (1.0 if chroma is None else chroma), hue)


def mix(first: str, second: str, share: float) -> str:
    """So much of the second in the first, in linear light."""
    pairs = [(int(first[at : at + 2], 16), int(second[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(
        f"{round(255 * _gamma((1 - share) * _linear(a / 255) + share * _linear(b / 255))):02x}" for a, b in pairs
    )


def ink_on(*grounds: str) -> str:
    """Black or white: whichever is read better on the worst of the grounds."""
    return max((WHITE, BLACK), key=lambda ink: lowest_contrast(ink, *grounds))


def readable(colour: str, *grounds: str, ratio: float = 4.5) -> str:
    """The colour made lighter or darker, no more than needed, until it reads on every ground."""
    if lowest_contrast(colour, *grounds) >= ratio:
        return colour
    light, chroma, hue = to_oklch(colour)
    target = 1.0 if ink_on(*grounds) == WHITE else 0.0
    for step in range(1, STEPS + 1):
        moved = from_oklch(light + (target - light) * step / STEPS, chroma, hue)
        if lowest_contrast(moved, *grounds) >= ratio:
            return moved
    return ink_on(*grounds)


def lowest_contrast(colour: str, *grounds: str) -> float:
    """The contrast on the ground where it is lowest."""
    return min(contrast_ratio(colour, ground) for ground in grounds)


def _to_rgb(light: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * cos(hue), chroma * sin(hue)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else float(1.055 * channel ** (1 / 2.4) - 0.055)
