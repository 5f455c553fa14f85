"""Conversions as sites and servers report them: checked, told apart from what is known already, attributed to a click.

Attribution is the last click by a person, in the rules' number of days before; without one, the page's UTM words.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from analytics.conversion_rules import Rules, get_rules
from audience.contacts import find_contact_by_email
from campaigns.click_ids import find_clicked_message
from errors import InputInvalid
from extensions import db
from lib.clean_text import cut, one_line
from lib.digests import sha256
from lib.email_addresses import AddressInvalid, canonical_address
from models import Campaign, Conversion, TrackedLink, TrackingEvent

LONGEST_REFERENCE = 80
LONGEST_WORD = 80
LARGEST_VALUE = Decimal("999999999.99")
# A server may tell of what happened while it could not reach LUX.
OLDEST = timedelta(days=30)
KEPT_DAYS = 3 * 366
WORDS = ("utm_source", "utm_medium", "utm_campaign")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Claim:
    """What somebody says has happened, checked."""

    name: str
    reference: str | None
    value: Decimal | None
    currency: str | None
    click: str
    email: str
    words: dict[str, str]
    at: datetime


@dataclass(frozen=True)
class Noted:
    """What became of a claim: the row, and whether it was new."""

    id: int
    is_new: bool
    attribution: str


@dataclass(frozen=True)
class Cause:
    """Whom and what a conversion belongs to, as far as anybody can tell."""

    contact_id: int | None = None
    campaign_id: int | None = None
    link_id: int | None = None
    attribution: str = "none"


def read_claim(body: dict[str, Any], rules: Rules, *, is_server: bool) -> Claim:
    """A claim from JSON. Servers may name a person by address and say when. Raises InputInvalid."""
    errors: dict[str, str] = {}
    known = {"name", "key", "value", "currency", "click", *WORDS} | ({"email", "at"} if is_server else {"consent"})
    for field in sorted(set(body) - known)[:5]:
        errors[cut(one_line(field), 40)] = "LUX does not know this field."
    name = body.get("name")
    if name not in rules.names:
        errors["name"] = f"Use one of the names of the rules: {', '.join(rules.names)}."
    value = _read_value(body.get("value"), errors)
    currency = _read_text(body, "currency", 3, errors).upper()
    if currency and not _CURRENCY.fullmatch(currency):
        errors["currency"] = "Three letters, such as EUR."
    if value is not None and not currency and "currency" not in errors:
        errors["currency"] = "A value needs its currency, such as EUR."
    claim = Claim(
        name=str(name),
        reference=_read_text(body, "key", LONGEST_REFERENCE, errors) or None,
        value=value,
        currency=(currency or None) if value is not None else None,
        click=_read_text(body, "click", 40, errors),
        email=_read_email(body, errors),
        words={word: _read_text(body, word, LONGEST_WORD, errors) for word in WORDS},
        at=_read_moment(body.get("at"), errors),
    )
    if errors:
        raise InputInvalid(errors)
    return claim


def add_conversion(claim: Claim, rules: Rules, origin: str) -> Noted:
    """Notes the conversion unless it is known; a server's word replaces a browser's. Commits."""
    cause = _find_cause(claim, rules)
    values = {
        "name": claim.name,
        "reference": claim.reference,
        "value": claim.value,
        "currency": claim.currency,
        "origin": origin,
        "attribution": cause.attribution,
        "contact_id": cause.contact_id,
        "campaign_id": cause.campaign_id,
        "link_id": cause.link_id,
        **{word: text or None for word, text in claim.words.items()},
        "at": claim.at,
    }
    digest = sha256(_sameness(claim, cause))
    statement = insert(Conversion).values(dedupe_sha256=digest, **values).on_conflict_do_nothing()
    made = db.session.scalar(statement.returning(Conversion.id))
    if made is not None:
        db.session.commit()
        return Noted(made, True, cause.attribution)
    known = db.session.scalars(select(Conversion).where(Conversion.dedupe_sha256 == digest).with_for_update()).one()
    if origin == "server" and known.origin == "site":
        known.value, known.currency, known.origin, known.at = claim.value, claim.currency, origin, claim.at
        if known.attribution != "click" and cause.attribution == "click":
            known.attribution, known.contact_id = cause.attribution, cause.contact_id
            known.campaign_id, known.link_id = cause.campaign_id, cause.link_id
    noted = Noted(known.id, False, known.attribution)
    db.session.commit()
    return noted


def list_newest(most: int) -> list[tuple[Conversion, str | None]]:
    """The conversions that were told of last, with the campaign that each is attributed to."""
    statement = select(Conversion, Campaign.name).outerjoin(Campaign, Campaign.id == Conversion.campaign_id)
    rows = db.session.execute(statement.order_by(Conversion.id.desc()).limit(most))
    return [(conversion, name) for conversion, name in rows]


def delete_old_conversions() -> int:
    """Forgets conversions that no period reaches any more; commits; returns how many. For the clock."""
    old = delete(Conversion).where(Conversion.at < datetime.now(UTC) - timedelta(days=KEPT_DAYS))
    gone = db.session.execute(old.returning(Conversion.id)).all()
    db.session.commit()
    return len(gone)


def take_from_site(body: dict[str, Any]) -> Noted:
    """A visitor's browser tells of a conversion, with the visitor's consent. Raises InputInvalid. Commits."""
    rules = get_rules()
    if body.get("consent") != "granted":
        raise InputInvalid({"consent": "Without the visitor's consent nothing is noted. The snippet sends none then."})
    return add_conversion(read_claim(body, rules, is_server=False), rules, "site")


def take_from_server(body: dict[str, Any]) -> Noted:
    """A server tells of a conversion. Raises InputInvalid. Commits."""
    rules = get_rules()
    return add_conversion(read_claim(body, rules, is_server=True), rules, "server")


def _find_cause(claim: Claim, rules: Rules) -> Cause:
    message = find_clicked_message(claim.click) if claim.click else None
    contact_id = message.contact_id if message is not None else None
    if contact_id is None and claim.email:
        contact = find_contact_by_email(claim.email)
        contact_id = contact.id if contact is not None else None
    theirs = [
        condition
        for condition in (
            TrackingEvent.message_id == message.id if message is not None else None,
            TrackingEvent.contact_id == contact_id if contact_id is not None else None,
        )
        if condition is not None
    ]
    if theirs:
        earliest = claim.at - timedelta(days=rules.window_days)
        last = db.session.execute(
            select(TrackingEvent.campaign_id, TrackingEvent.link_id)
            .where(
                or_(*theirs),
                TrackingEvent.kind == "click",
                TrackingEvent.actor != "machine",
                TrackingEvent.at.between(earliest, claim.at + timedelta(minutes=1)),
            )
            .order_by(TrackingEvent.at.desc(), TrackingEvent.id.desc())
            .limit(1)
        ).first()
        if last is not None:
            return Cause(contact_id, last.campaign_id, last.link_id, "click")
    if any(claim.words.values()):
        return Cause(contact_id, _find_campaign(claim, rules), None, "utm")
    return Cause(contact_id)


def _find_campaign(claim: Claim, rules: Rules) -> int | None:
    """The newest campaign in the days before whose links carry the same utm_campaign."""
    word = claim.words["utm_campaign"]
    if not re.fullmatch(r"[\w.~-]+", word):
        return None
    found = (
        select(Campaign.id)
        .join(TrackedLink, TrackedLink.campaign_id == Campaign.id)
        .where(
            Campaign.launched_at.between(claim.at - timedelta(days=rules.window_days), claim.at),
            TrackedLink.url.regexp_match(f"[?&]utm_campaign={re.escape(word)}(&|#|$)"),
        )
        .order_by(Campaign.launched_at.desc())
        .limit(1)
    )
    campaign_id: int | None = db.session.scalar(found)
    return campaign_id


def _sameness(claim: Claim, cause: Cause) -> str:
    """What two tellings of one conversion share: the sender's key; else a person and a day; else nothing."""
    if claim.reference:
        return f"key\n{claim.name}\n{claim.reference}"
    if cause.contact_id is not None:
        return f"contact\n{claim.name}\n{cause.contact_id}\n{claim.at:%Y-%m-%d}"
    return f"once\n{secrets.token_hex(16)}"


def _read_text(body: dict[str, Any], field: str, most: int, errors: dict[str, str]) -> str:
    given = body.get(field)
    if given is None:
        return ""
    if not isinstance(given, str | int) or isinstance(given, bool):
        errors[field] = "Text is needed here."
        return ""
    text = one_line(str(given))
    if len(text) > most:
        errors[field] = f"At most {most} characters."
        return ""
    return text


def _read_value(given: Any, errors: dict[str, str]) -> Decimal | None:
    if given is None or given == "":
        return None
    try:
        value = Decimal(str(given)) if isinstance(given, int | float | str) and not isinstance(given, bool) else None
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or not 0 <= value <= LARGEST_VALUE:
        errors["value"] = "A number from 0 to 999,999,999.99, such as 49.90."
        return None
    return value.quantize(Decimal("0.01"))


def _read_email(body: dict[str, Any], errors: dict[str, str]) -> str:
    text = _read_text(body, "email", 254, errors)
    if not text:
        return ""
    try:
        return canonical_address(text)
    except AddressInvalid as error:
        errors["email"] = str(error)
        return ""


def _read_moment(given: Any, errors: dict[str, str]) -> datetime:
    now = datetime.now(UTC)
    if given is None:
        return now
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        errors["at"] = "A moment with its zone, such as 2026-11-23T10:15:00Z."
    elif not now - OLDEST <= at <= now + timedelta(minutes=5):
        errors["at"] = f"A moment of the last {OLDEST.days} days."
    else:
        return at
    return now
