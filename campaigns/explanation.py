"""Why somebody did or did not get a campaign: what the ledger, the segment and the consent say, in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from audience.consent import find_suppression, list_consents
from audience.segment_queries import segment_query
from campaigns.results import reason_words
from campaigns.tallies import WAITING_STATES
from channels.outbox import SUFFIX
from errors import InputInvalid
from extensions import db
from lib.email_addresses import AddressInvalid, canonical_address
from models import Campaign, Contact, Message, TrackedLink, TrackingEvent

ANSWERS = {
    "sent": "Yes. The receiving mail server took the message.",
    "failed": "No. The mail server refused it for good.",
    "suppressed": "No. LUX held it back.",
    "unknown": "Nobody can tell. The connection broke after the message had been given out.",
}
ACTORS = {"human": "by a person", "machine": "by a machine", "unsure": "unsure by whom"}
KINDS = {
    "open": "Opened",
    "click": "Clicked",
    "unsubscribe": "Unsubscribed",
    "view": "Viewed in the browser",
    "complaint": "Complained",
    "bounce": "Bounced",
}


@dataclass(frozen=True)
class Fact:
    """One thing that is known, and when it was."""

    text: str
    at: datetime | None = None


@dataclass(frozen=True)
class Explanation:
    """The answer in one sentence and the facts that it rests on."""

    address: str
    answer: str
    did_get: bool | None
    facts: list[Fact] = field(default_factory=list)
    contact_id: int | None = None


def explain_recipient(campaign: Campaign, given: str) -> Explanation:
    """Why this address did or did not get the campaign. Raises InputInvalid for what is no address."""
    try:
        address = canonical_address(given)
    except AddressInvalid as error:
        raise InputInvalid({"address": "This is not an e-mail address."}) from error
    contact = db.session.scalar(select(Contact).where(Contact.email == address))
    message = _find_message(campaign, contact, address)
    if message is not None:
        return _by_ledger(message, contact, address)
    if contact is None:
        return Explanation(address, "No. LUX knows nobody with this address.", False)
    return _without_message(campaign, contact, address)


def _find_message(campaign: Campaign, contact: Contact | None, address: str) -> Message | None:
    by_person = Message.contact_id == contact.id if contact is not None else Message.address == address
    return db.session.scalar(select(Message).where(Message.campaign_id == campaign.id, by_person).limit(1))


def _by_ledger(message: Message, contact: Contact | None, address: str) -> Explanation:
    waiting = "Not yet. The message waits for its next try." if message.attempts else "Not yet. The message waits."
    answer = waiting if message.state in WAITING_STATES else ANSWERS[message.state]
    if message.state == "sent" and (message.queue_id or "").endswith(SUFFIX):
        answer = "No mail server was set up, so the message was written to the test outbox."
    reason = reason_words(message)
    if message.state != "sent" and message.reason:
        answer = f"{answer} {reason}."
    facts = [Fact("Planned for this campaign", message.created_at)]
    if message.first_tried_at:
        tries = "1 try" if message.attempts == 1 else f"{message.attempts} tries"
        facts.append(Fact(f"First tried; {tries} so far", message.first_tried_at))
    if message.unknown_count:
        facts.append(Fact("An earlier try ended without an answer, so it may have arrived twice"))
    if message.response:
        facts.append(Fact(f"The mail server said: {message.response_code or ''} {message.response}".strip()))
    if message.queue_id:
        facts.append(Fact(f"The mail server knows it as {message.queue_id}"))
    if message.next_try_at and message.state in WAITING_STATES:
        facts.append(Fact("Next try", message.next_try_at))
    if message.finished_at:
        facts.append(Fact(f"Ended as {message.state}", message.finished_at))
    did_get = {"sent": True, "failed": False, "suppressed": False}.get(message.state)
    return Explanation(
        address, answer, did_get, [*facts, *_acts(message.id)], contact.id if contact is not None else None
    )


def _acts(message_id: int) -> list[Fact]:
    statement = (
        select(TrackingEvent, TrackedLink.url)
        .outerjoin(TrackedLink, TrackedLink.id == TrackingEvent.link_id)
        .where(TrackingEvent.message_id == message_id)
        .order_by(TrackingEvent.at)
        .limit(50)
    )
    facts = []
    for event, url in db.session.execute(statement):
        by = ACTORS[event.actor] + (f" ({event.reason})" if event.reason else "")
        facts.append(Fact(f"{KINDS[event.kind]} {by}{f': {url}' if url else ''}", event.at))
    return facts


def _without_message(campaign: Campaign, contact: Contact, address: str) -> Explanation:
    """Not in the ledger: what speaks against this person, and whether they are in the segment."""
    query = segment_query(campaign.segment_id or 0).subquery()
    is_inside = bool(db.session.scalar(select(func.count()).select_from(query).where(query.c[0] == contact.id)))
    launched = campaign.launched_at
    facts = [Fact(f"In the segment now: {'yes' if is_inside else 'no'}"), Fact(f"Consent now: {contact.subscription}")]
    facts += [
        Fact(f"Consent ledger: {entry.state} by {entry.method}", entry.at) for entry in list_consents(contact.id)[:5]
    ]
    suppression = find_suppression(address)
    if suppression is not None:
        facts.append(Fact(f"The address is suppressed: {suppression.reason}", suppression.at))
    facts.append(Fact("Became a contact", contact.created_at))
    if launched is None:
        may = contact.subscription == "subscribed" and suppression is None
        answer = "The campaign has not started. " + _forecast(is_inside, may)
        return Explanation(address, answer, None, facts, contact.id)
    if contact.created_at > launched:
        why = "They became a contact after the campaign had started."
    elif suppression is not None:
        why = "Their address is suppressed."
    elif contact.subscription != "subscribed":
        why = "They had not agreed to get e-mail." if contact.subscription in ("none", "pending") else "They had left."
    elif not is_inside:
        why = "They are not in the segment."
    else:
        why = "When it started they were not in the segment or had not agreed yet; now both are true."
    return Explanation(address, f"No. {why}", False, facts, contact.id)


def _forecast(is_inside: bool, may: bool) -> str:
    if is_inside and may:
        return "As things stand, this person would get it."
    if not is_inside:
        return "As things stand, this person is not in the segment."
    return "As things stand, this person may not be written to."
