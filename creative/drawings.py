"""Pictures that LUX draws: a design in words becomes SVG, and a PNG of it, in the size of each place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import resvg_py
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from creative.assets import draft_asset
from creative.layouts import grid, hills, orbit, panel, poster, rays
from creative.layouts.base import Canvas, Contrast, Draw, Words
from creative.lettering import find_unknown
from creative.palettes import PALETTES, make_palette
from errors import InputInvalid
from extensions import db
from lib.clean_text import one_line
from lib.networks import Place, find_place
from lib.pictures import Picture, picture_of_png
from models import Asset

LAYOUTS: dict[str, tuple[str, str, Draw]] = {
    "orbit": (orbit.LABEL, orbit.TEXT, orbit.draw),
    "panel": (panel.LABEL, panel.TEXT, panel.draw),
    "poster": (poster.LABEL, poster.TEXT, poster.draw),
    "hills": (hills.LABEL, hills.TEXT, hills.draw),
    "rays": (rays.LABEL, rays.TEXT, rays.draw),
    "grid": (grid.LABEL, grid.TEXT, grid.draw),
}
READABLE = 4.5
LONGEST = {"headline": 80, "sub": 140, "call": 30, "name": 40}
SENTENCES = {
    "headline": "The headline needs 1 to 80 characters.",
    "sub": "The line below takes at most 140 characters.",
    "call": "The button takes at most 30 characters.",
    "name": "The name takes at most 40 characters.",
    "layout": "Choose one of the layouts.",
    "palette": "Choose one of the palettes.",
    "accent": "A colour is written #rrggbb.",
}


class Design(BaseModel):
    """What a drawn picture says and how: everything that is needed to draw it again in any size."""

    model_config = ConfigDict(extra="forbid")

    headline: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST["headline"])]
    sub: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST["sub"])] = ""
    call: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST["call"])] = ""
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST["name"])] = ""
    layout: str = "orbit"
    palette: str = "night"
    accent: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] = "#8c2dd9"


@dataclass(frozen=True)
class Drawing:
    """A drawn picture and how well each of its texts can be read."""

    svg: str
    place: Place
    contrasts: list[Contrast]

    @property
    def contrast(self) -> float:
        return min(one.ratio for one in self.contrasts)

    @property
    def is_readable(self) -> bool:
        return self.contrast >= READABLE


def read_design(values: Mapping[str, Any]) -> Design:
    """The design, its texts on one line each. Raises InputInvalid, one sentence for each field."""
    cleaned = {key: one_line(value) if isinstance(value, str) else value for key, value in values.items()}
    try:
        design = Design.model_validate(cleaned)
    except ValidationError as error:
        fields = dict.fromkeys(str(one["loc"][0]) for one in error.errors())
        raise InputInvalid({key: SENTENCES.get(key, "This does not belong to a design.") for key in fields}) from error
    problems = {}
    for key in LONGEST:
        if unknown := find_unknown(getattr(design, key)):
            shown = " ".join(unknown[:6])
            problems[key] = f"{shown} cannot be drawn: LUX's letters are Latin, Greek and Cyrillic, without emoji."
    if design.layout not in LAYOUTS:
        problems["layout"] = SENTENCES["layout"]
    if design.palette not in PALETTES:
        problems["palette"] = SENTENCES["palette"]
    if problems:
        raise InputInvalid(problems)
    return design


def get_place(key: str) -> Place:
    """Where it will be shown. Raises InputInvalid."""
    place = find_place(key)
    if place is None:
        raise InputInvalid({"places": "Choose where the picture will be shown."})
    return place


def draw(design: Design, place: Place, *, title: str = "") -> Drawing:
    """The picture as SVG; `title` is what a screen reader says."""
    palette = make_palette(design.palette, design.accent.lower())
    canvas = Canvas(place.width, place.height, palette)
    words = Words(design.headline, design.sub, design.call, design.name)
    LAYOUTS[design.layout][2](canvas, words)
    return Drawing(canvas.to_svg(title or design.headline), place, canvas.contrasts)


def render_png(svg: str) -> Picture:
    """The SVG as PNG; only what LUX drew itself is ever given to this."""
    content = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return picture_of_png(content)


def draft_drawings(
    design: Design,
    places: Sequence[Place],
    *,
    name: str,
    alt: str,
    made_by: str,
    proposal_id: int | None = None,
    created_by_id: int | None = None,
) -> list[Asset]:
    """The picture in each size as assets, within the caller's transaction. Raises InputInvalid."""
    if not places:
        raise InputInvalid({"places": "Choose where the picture will be shown."})
    assets = []
    for place in places:
        drawing = draw(design, place, title=alt)
        asset = draft_asset(
            name=f"{name}, {place.label}",
            alt=alt,
            picture=render_png(drawing.svg),
            svg=drawing.svg,
            place=place.key,
            design=design.model_dump(),
            contrast=drawing.contrast,
            made_by=made_by,
            proposal_id=proposal_id,
            created_by_id=created_by_id,
        )
        assets.append(asset)
    return assets


def add_drawings(
    design: Design, places: Sequence[Place], *, name: str, alt: str, made_by: str, created_by_id: int | None = None
) -> list[Asset]:
    """The same as a whole; commits. Raises InputInvalid."""
    assets = draft_drawings(design, places, name=name, alt=alt, made_by=made_by, created_by_id=created_by_id)
    db.session.commit()
    return assets
