"""Words that playbooks share: the brand's own lines, a slug, a sentence, a text within its limit."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from agents.base import Context
from agents.parts.brief_fields import lines_of


@dataclass(frozen=True)
class BrandWords:
    """What the brand page says, ready to be put into sentences."""

    company: str
    offer: list[str]
    audience: str
    proofs: list[str]
    avoided: list[str]
    link: str


def brand_words(context: Context, link: str = "") -> BrandWords:
    """The brand of a context; plain words where the brand page is empty."""
    brand: dict[str, Any] = context.facts["brand"]
    links = context.facts.get("allowed_links", [])
    return BrandWords(
        company=" ".join(str(brand["company"]).split())[:60] or "our house",
        offer=[line.rstrip(".") for line in lines_of(brand["offer"])] or ["What we make"],
        audience=(lines_of(brand["audience"]) or ["the people we make it for"])[0].rstrip("."),
        proofs=[str(proof).rstrip(".") for proof in brand["proof_points"]],
        avoided=[str(word).lower() for word in brand["words_to_avoid"]],
        link=link or (links[0] if links else ""),
    )


def allow_link(context: Context, link: str) -> Context:
    """The context with the brief's own link among those that may be written."""
    links = context.facts["allowed_links"]
    if link and link not in links:
        links.insert(0, link)
    return context


def slug_of(text: str) -> str:
    """The text as the last part of an address."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:70].strip("-") or "article"


def within(text: str, most: int) -> str:
    """The text within so many characters, cut at a word."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    kept = text[: most + 1].rsplit(" ", 1)[0] if " " in text[: most + 1] else text[:most]
    return kept.rstrip(" .,;:–-")


def lowered(text: str) -> str:
    """The text inside of a sentence: its first letter small, unless it is an abbreviation."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or len(text) < 2 else text


def tag_of(words: str) -> str:
    """A tag of a network, from some words."""
    return "#" + "".join(word.capitalize() for word in re.findall(r"[A-Za-z][a-z]+", words)[:3])
