"""What networks and inboxes take: limits of posts and ads, sizes of pictures, as their own help pages say in 2026.

To add a network, add a row; whatever is checked and counted reads this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit


@dataclass(frozen=True)
class Network:
    """A social network: how long a post may be, how many tags help, and when people of work read it."""

    key: str
    label: str
    longest: int
    tags: int
    hour: int
    picture: str


@dataclass(frozen=True)
class AdFormat:
    """An ad format: which texts it has, how many of each, and how long each may be."""

    key: str
    label: str
    headlines: int
    headline_longest: int
    descriptions: int
    description_longest: int


NETWORKS = (
    Network("linkedin", "LinkedIn", 3000, 3, 9, "1200 × 627"),
    Network("instagram", "Instagram", 2200, 5, 18, "1080 × 1350"),
    Network("facebook", "Facebook", 5000, 2, 12, "1200 × 630"),
    Network("x", "X", 280, 2, 13, "1600 × 900"),
    Network("mastodon", "Mastodon", 500, 3, 17, "1280 × 720"),
)
AD_FORMATS = (
    AdFormat("google_search", "Google search ad", 5, 30, 3, 90),
    AdFormat("meta_feed", "Meta feed ad", 3, 40, 2, 125),
    AdFormat("linkedin_single", "LinkedIn single image ad", 3, 70, 2, 150),
    AdFormat("microsoft_search", "Microsoft search ad", 5, 30, 3, 90),
)
EMAIL_HEADER = "1200 × 400"


def get_network(key: str) -> Network:
    """The network of that key; raises KeyError."""
    return next(one for one in NETWORKS if one.key == key)


def get_ad_format(key: str) -> AdFormat:
    """The ad format of that key; raises KeyError."""
    return next(one for one in AD_FORMATS if one.key == key)


def add_utm(url: str, *, source: str, medium: str, campaign: str) -> str:
    """The address with where a visit came from; addresses that say it already stay as they are."""
    if not url or "utm_source=" in url:
        return url
    parts = urlsplit(url)
    slug = "-".join("".join(c if c.isalnum() else " " for c in campaign.lower()).split())[:60]
    query = urlencode({"utm_source": source, "utm_medium": medium, "utm_campaign": slug or "lux"})
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
