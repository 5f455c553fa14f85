"""The demo's asset library: pictures that LUX draws in each network's size, and one that somebody uploaded."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.brand import get_brand
from creative.assets import add_asset, read_picture
from creative.drawings import Design, add_drawings, draw, read_design, render_png
from demo.team import Person
from demo.topics import CARDS, Card
from lib.networks import EMAIL_HEADER, PLACES

# Every card is drawn for two networks, the first one for mails and advertisements too.
NETWORK_PLACES, FURTHER_PLACES = ("instagram", "linkedin"), ("email_header", "square")


@dataclass(frozen=True)
class Drawn:
    """A picture of the library: where it fits, and what it shows in words."""

    id: int
    place: str
    alt: str


def add_pictures(by: Person) -> list[Drawn]:
    """Draws the cards for their places; commits. Returns what was drawn."""
    made: list[Drawn] = []
    for card in CARDS:
        keys = NETWORK_PLACES + (FURTHER_PLACES if card is CARDS[0] else ())
        places = [place for place in PLACES if place.key in keys]
        design, alt = _design_of(card), f"{card.headline}. {card.sub}."
        assets = add_drawings(design, places, name=card.name, alt=alt, made_by=by.name, created_by_id=by.id)
        made += [Drawn(asset.id, asset.place, alt) for asset in assets]
    _upload(by)
    return made


def _upload(by: Person) -> None:
    """A picture as somebody brings it: its bytes go the way of every upload."""
    card = CARDS[0]
    photo = render_png(draw(_design_of(card), EMAIL_HEADER, title=card.headline).svg)
    picture = read_picture(photo.content)
    alt = "A card on a dark ground: the first flush is here"
    add_asset(name="Card for the parcels", alt=alt, picture=picture, made_by=by.name, created_by_id=by.id)


def _design_of(card: Card) -> Design:
    brand = get_brand()
    words = {"headline": card.headline, "sub": card.sub, "call": card.call, "name": brand.company}
    return read_design({**words, "layout": card.layout, "palette": card.palette, "accent": brand.accent_color})
