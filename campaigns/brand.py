"""The brand: what every agent reads before it writes, and what every message looks like. One row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy.dialects.postgresql import insert

from accounts.audit import add_audit_entry
from errors import InputInvalid
from extensions import db
from models import Brand

DEFAULT_ACCENT = "#8c2dd9"
COLOUR = re.compile(r"#[0-9a-f]{6}")
LONGEST = {"company": 120, "website": 500, "voice": 2000, "audience": 2000, "offer": 2000}
LABELS = {"company": "The company's name", "voice": "The voice", "audience": "The audience", "offer": "The offer"}
MOST_WORDS, LONGEST_WORD = 60, 80
MOST_LINKS, MOST_PROOFS, LONGEST_PROOF = 20, 20, 300


@dataclass(frozen=True)
class BrandLink:
    """A page that campaigns may point to."""

    label: str
    url: str


@dataclass(frozen=True)
class BrandValues:
    """The brand as a person gives it."""

    company: str = ""
    website: str = ""
    voice: str = ""
    audience: str = ""
    offer: str = ""
    accent_color: str = DEFAULT_ACCENT
    words_to_use: Sequence[str] = ()
    words_to_avoid: Sequence[str] = ()
    proof_points: Sequence[str] = ()
    links: Sequence[BrandLink] = ()


@dataclass(frozen=True)
class Completeness:
    """How much of the brand is told. `missing` holds field and label of each part that is not."""

    percent: int
    missing: list[tuple[str, str]]

    @property
    def is_complete(self) -> bool:
        return not self.missing


# How much each part helps an agent to write; the sum is 100.
WEIGHTS = (
    ("company", "Company", 15),
    ("voice", "Voice", 20),
    ("offer", "Offer", 20),
    ("audience", "Audience", 15),
    ("website", "Website", 5),
    ("links", "Links", 10),
    ("proof_points", "Proof points", 10),
    ("words_to_avoid", "Words to avoid", 5),
)


def get_brand() -> Brand:
    """The brand; an empty one, not yet saved, when nobody has told it."""
    return db.session.get(Brand, 1) or Brand(
        id=1,
        company="",
        voice="",
        audience="",
        offer="",
        website="",
        accent_color=DEFAULT_ACCENT,
        words_to_use=[],
        words_to_avoid=[],
        links=[],
        proof_points=[],
    )


def change_brand(values: BrandValues, *, actor: str, user_id: int | None = None, peer: str | None = None) -> Brand:
    """Saves the brand; commits. Raises InputInvalid."""
    row = _checked(values)
    before = get_brand()
    changed = sorted(name for name, value in row.items() if getattr(before, name) != value)
    statement = insert(Brand).values(id=1, **row)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={**row, "updated_at": datetime.now(UTC)})
    )
    if changed:
        add_audit_entry("brand_changed", actor=actor, user_id=user_id, peer=peer, fields=changed)
    db.session.commit()
    db.session.expire_all()
    return get_brand()


def measure_brand(brand: Brand) -> Completeness:
    """How complete the brand is, and what is missing, most helpful first."""
    missing = [(name, label, weight) for name, label, weight in WEIGHTS if not getattr(brand, name)]
    missing.sort(key=lambda part: -part[2])
    percent = 100 - sum(weight for _, _, weight in missing)
    return Completeness(percent, [(name, label) for name, label, _ in missing])


def list_links(brand: Brand) -> list[BrandLink]:
    """The pages that campaigns may point to, the website included."""
    links = [BrandLink(str(link.get("label", "")), str(link.get("url", ""))) for link in brand.links]
    if brand.website and brand.website not in {link.url for link in links}:
        links.append(BrandLink("Website", brand.website))
    return links


def _checked(values: BrandValues) -> dict[str, object]:
    errors: dict[str, str] = {}
    row: dict[str, object] = {}
    for name, most in LONGEST.items():
        text = str(getattr(values, name)).replace("\x00", "").strip()
        if len(text) > most:
            errors[name] = f"{LABELS.get(name, 'This')} may have {most:,} characters; it has {len(text):,}."
        row[name] = text
    website = str(row["website"])
    if website:
        row["website"] = website = website if "://" in website else f"https://{website}"
        if not is_web_address(website):
            errors["website"] = "The website must be an address such as https://example.com."
    color = values.accent_color.strip().lower() or DEFAULT_ACCENT
    if not COLOUR.fullmatch(color):
        errors["accent_color"] = "The colour must look like #8c2dd9."
    row["accent_color"] = color
    row["words_to_use"] = _words(values.words_to_use, "words_to_use", errors)
    row["words_to_avoid"] = _words(values.words_to_avoid, "words_to_avoid", errors)
    row["proof_points"] = _proofs(values.proof_points, errors)
    row["links"] = _links(values.links, errors)
    if errors:
        raise InputInvalid(errors)
    return row


def _words(words: Sequence[str], name: str, errors: dict[str, str]) -> list[str]:
    cleaned = list(dict.fromkeys(" ".join(word.split()) for word in words if word.strip()))
    too_long = next((word for word in cleaned if len(word) > LONGEST_WORD), None)
    if too_long:
        errors[name] = f"“{too_long[:40]}…” is longer than {LONGEST_WORD} characters."
    elif len(cleaned) > MOST_WORDS:
        errors[name] = f"Keep it to {MOST_WORDS} words; there are {len(cleaned)}."
    return cleaned


def _proofs(proofs: Sequence[str], errors: dict[str, str]) -> list[str]:
    cleaned = list(dict.fromkeys(" ".join(proof.split()) for proof in proofs if proof.strip()))
    if len(cleaned) > MOST_PROOFS or any(len(proof) > LONGEST_PROOF for proof in cleaned):
        errors["proof_points"] = f"Keep it to {MOST_PROOFS} points of at most {LONGEST_PROOF} characters."
    return cleaned


def _links(links: Sequence[BrandLink], errors: dict[str, str]) -> list[dict[str, str]]:
    cleaned = []
    for link in links:
        url = link.url.strip()
        if not url:
            continue
        if not is_web_address(url):
            errors["links"] = f"“{url[:80]}” is not an address that begins with https:// or http://."
        cleaned.append({"label": " ".join(link.label.split())[:80] or (urlsplit(url).hostname or url)[:80], "url": url})
    if len(cleaned) > MOST_LINKS:
        errors["links"] = f"Keep it to {MOST_LINKS} links."
    return cleaned


def is_web_address(url: str) -> bool:
    """Whether a text is an http or https address with a host and nothing that could hide another."""
    if len(url) > 2000 or any(character.isspace() or character in "\"'<>\\`" for character in url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        is_host = "." in host.strip(".") or host == "localhost"
        return parts.scheme in ("http", "https") and is_host and parts.username is None
    except ValueError:
        return False
