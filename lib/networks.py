"""What networks and inboxes take: limits of posts and ads, sizes of pictures, as their own help pages say in 2026.

To add a network, add a row; whatever is checked, drawn and counted reads this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit


@dataclass(frozen=True)
class Place:
    """Where a picture is shown, and how large it is there in pixels."""

    key: str
    label: str
    width: int
    height: int

    @property
    def size(self) -> str:
        return f"{self.width} × {self.height}"


@dataclass(frozen=True)
class Network:
    """A social network: how long a post may be, how many tags help, and when people of work read it.

    `link_counts`: so many characters whatever a link's length, 0: as many as it has. `takes_links`: a link in a post's
    text leads somewhere. `weighs_scripts`: letters of some scripts and emoji count twice.
    """

    key: str
    label: str
    longest: int
    tags: int
    hour: int
    place: Place
    link_counts: int = 0
    takes_links: bool = True
    needs_picture: bool = False
    weighs_scripts: bool = False

    @property
    def picture(self) -> str:
        return self.place.size


@dataclass(frozen=True)
class AdFormat:
    """An ad format: how many texts LUX writes of each kind, how long each may be, where its picture is shown.

    A network refuses an ad with fewer texts than `fewest_…`, and takes up to `…_taken`.
    """

    key: str
    label: str
    headlines: int
    headline_longest: int
    descriptions: int
    description_longest: int
    place: str = ""
    fewest_headlines: int = 1
    fewest_descriptions: int = 1
    headlines_taken: int = 5
    descriptions_taken: int = 5


EMAIL_HEADER = Place("email_header", "E-mail header", 1200, 400)
SQUARE = Place("square", "Square", 1080, 1080)
NETWORKS = (
    Network("linkedin", "LinkedIn", 3000, 3, 9, Place("linkedin", "LinkedIn", 1200, 627)),
    Network(
        "instagram",
        "Instagram",
        2200,
        5,
        18,
        Place("instagram", "Instagram", 1080, 1350),
        takes_links=False,
        needs_picture=True,
    ),
    Network("facebook", "Facebook", 5000, 2, 12, Place("facebook", "Facebook", 1200, 630)),
    Network("x", "X", 280, 2, 13, Place("x", "X", 1600, 900), link_counts=23, weighs_scripts=True),
    Network("mastodon", "Mastodon", 500, 3, 17, Place("mastodon", "Mastodon", 1280, 720), link_counts=23),
)
PLACES = (EMAIL_HEADER, *(one.place for one in NETWORKS), SQUARE)
AD_FORMATS = (
    AdFormat("google_search", "Google search ad", 5, 30, 3, 90, "", 3, 2, 15, 4),
    AdFormat("meta_feed", "Meta feed ad", 3, 40, 2, 125, "square"),
    AdFormat("linkedin_single", "LinkedIn single image ad", 3, 70, 2, 150, "linkedin"),
    AdFormat("microsoft_search", "Microsoft search ad", 5, 30, 3, 90, "", 3, 2, 15, 4),
)


def get_network(key: str) -> Network:
    """The network of that key; raises KeyError."""
    found = next((one for one in NETWORKS if one.key == key), None)
    if found is None:
        raise KeyError(key)
    return found


def find_place(key: str) -> Place | None:
    """Where a picture of that key is shown."""
    return next((one for one in PLACES if one.key == key), None)


def get_ad_format(key: str) -> AdFormat:
    """The ad format of that key; raises KeyError."""
    found = next((one for one in AD_FORMATS if one.key == key), None)
    if found is None:
        raise KeyError(key)
    return found


def add_utm(url: str, *, source: str, medium: str, campaign: str) -> str:
    """The address with where a visit came from; addresses that say it already stay as they are."""
    if not url or "utm_source=" in url:
        return url
    parts = urlsplit(url)
    slug = "-".join("".join(c if c.isalnum() else " " for c in campaign.lower()).split())[:60]
    query = urlencode({"utm_source": source, "utm_medium": medium, "utm_campaign": slug or "lux"})
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
