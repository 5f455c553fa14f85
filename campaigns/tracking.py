"""Opens, clicks and farewells: signed ids read, people and machines told apart, consent changed by POST only.

Where a click leads was written down at launch; nothing of it comes from the address that was clicked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import exists, func, select, text, update

from audience.consent import add_suppression, withdraw_consent
from campaigns.click_ids import add_click_id
from campaigns.letters import LetterWriter
from campaigns.mail_links import (
    CLICK,
    OPEN,
    PREFERENCES,
    TEST_UNSUBSCRIBE,
    UNSUBSCRIBE,
    VIEW,
    make_link_signer,
)
from campaigns.merge_values import read_merge_values
from campaigns.rendering import CompiledCampaign, fill_link
from campaigns.tallies import add_to_tally
from campaigns.visits import HUMAN, MACHINE, Judgement, Visit, judge_visit
from config import current_settings
from extensions import db
from lib.signed_links import SignedId
from models import Campaign, Contact, ContactEvent, Message, TestMessage, TrackedLink, TrackingEvent

BURST_SECONDS = 10
BURST_CLICKS = 3
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


@dataclass(frozen=True)
class TokenTarget:
    """Whom and what a link in a mail belongs to."""

    kind: int
    message_id: int
    campaign_id: int
    contact_id: int | None
    address: str
    is_test: bool = False


def read_token(token: str) -> TokenTarget | None:
    """Whom an unsubscribe, preferences or view link belongs to; None for anything not signed here. Changes nothing."""
    signed = _read(token)
    if signed is None or signed.kind not in (UNSUBSCRIBE, PREFERENCES, VIEW, TEST_UNSUBSCRIBE):
        return None
    return _find_target(signed)


def record_open(token: str, visit: Visit) -> bool:
    """Notes that the pixel was loaded; commits. False for an unknown id."""
    found = _find_message(token, OPEN)
    if found is None:
        return False
    message, _ = found
    _record(message, "open", judge_visit(visit, message.finished_at, is_click=False), visit)
    db.session.commit()
    return True


def record_click(token: str, visit: Visit) -> str | None:
    """Notes a click and gives its target; commits. None for an unknown id."""
    found = _find_message(token, CLICK)
    if found is None:
        return None
    message, number = found
    link = db.session.scalar(
        select(TrackedLink).where(TrackedLink.campaign_id == message.campaign_id, TrackedLink.position == number)
    )
    if link is None:
        db.session.rollback()
        return None
    judgement = judge_visit(visit, message.finished_at, is_click=True)
    if link.is_honeypot:
        judgement = Judgement(MACHINE, "followed a link that no person sees")
        _disbelieve(message, judgement.reason)
    elif judgement.actor != MACHINE and _is_burst(message, link):
        judgement = Judgement(MACHINE, "opened the links of the message in one burst")
        _disbelieve(message, judgement.reason)
    _record(message, "click", judgement, visit, link)
    target = link.url if link.is_honeypot else _target(message, link)
    if judgement.actor != MACHINE and not visit.wants_privacy:
        target = add_click_id(target, message, link)
    db.session.commit()
    return target


def unsubscribe(token: str, *, method: str = "one_click") -> TokenTarget | None:
    """Takes the person out, at once and in one transaction; commits. None for an unknown id.

    Again and again is the same as once. For test mails the address is suppressed, or its contact unsubscribed.
    """
    signed = _read(token)
    if signed is None or signed.kind not in (UNSUBSCRIBE, PREFERENCES, TEST_UNSUBSCRIBE):
        return None
    target = _find_target(signed)
    if target is None:
        return None
    contact_id = target.contact_id
    if contact_id is not None:
        wording = f"Unsubscribe link of campaign {target.campaign_id}"
        withdraw_consent(contact_id, method=method, source="unsubscribe link", actor="the person", wording=wording)
    elif target.address:
        add_suppression(target.address, "unsubscribed", "by a link in a message")
    if not target.is_test:
        _note_farewell(target)
    db.session.commit()
    return target


def render_in_browser(token: str, visit: Visit) -> str | None:
    """The message as its recipient got it, for a browser; commits the view. None for an unknown id."""
    found = _find_message(token, VIEW)
    if found is None:
        return None
    message, _ = found
    campaign = db.session.get_one(Campaign, message.campaign_id)
    compiled = CompiledCampaign.from_json(campaign.compiled or {})
    writer = LetterWriter(campaign.id, compiled, campaign.compiled["seed"], current_settings().session_secrets)  # type: ignore[index]  # a message exists, so it was launched
    html = compiled.render_html(_values_of(message), writer.make_marks(message.id, message.address, b""))
    _record(message, "view", judge_visit(visit, message.finished_at, is_click=False), visit)
    db.session.commit()
    return html


def _read(token: str) -> SignedId | None:
    return make_link_signer(current_settings().session_secrets).read(token)


def _find_message(token: str, kind: int) -> tuple[Message, int] | None:
    signed = _read(token)
    if signed is None or signed.kind != kind:
        return None
    message = db.session.get(Message, signed.row_id)
    return None if message is None else (message, signed.number)


def _find_target(signed: SignedId) -> TokenTarget | None:
    if signed.kind == TEST_UNSUBSCRIBE:
        test = db.session.get(TestMessage, signed.row_id)
        if test is None:
            return None
        contact_id = db.session.scalar(select(Contact.id).where(Contact.email == test.address))
        return TokenTarget(signed.kind, test.id, test.campaign_id, contact_id, test.address, is_test=True)
    message = db.session.get(Message, signed.row_id)
    if message is None:
        return None
    return TokenTarget(signed.kind, message.id, message.campaign_id, message.contact_id, message.address)


def _record(message: Message, kind: str, judgement: Judgement, visit: Visit, link: TrackedLink | None = None) -> None:
    """The event, the campaign's tally and the contact's last sign of life, in the caller's transaction."""
    is_first = _is_first(message, kind, judgement.actor)
    at = visit.at or datetime.now(UTC)
    event = TrackingEvent(
        campaign_id=message.campaign_id,
        message_id=message.id,
        contact_id=message.contact_id,
        link_id=link.id if link is not None else None,
        kind=kind,
        actor=judgement.actor,
        reason=judgement.reason or None,
        at=at,
    )
    db.session.add(event)
    is_counted = kind in ("open", "click")
    if is_counted and judgement.actor == HUMAN and message.contact_id is not None:
        moment = {"opened_at": at} if kind == "open" else {"clicked_at": at, "opened_at": at}
        db.session.execute(update(Contact).where(Contact.id == message.contact_id).values(**moment))
        if is_first:
            detail = {"campaign_id": message.campaign_id, "message_id": message.id}
            if link is not None:
                detail["link_id"] = link.id
            timeline_kind = "opened" if kind == "open" else "clicked"
            db.session.add(
                ContactEvent(contact_id=message.contact_id, kind=timeline_kind, source="email", at=at, detail=detail)
            )
    if is_counted and is_first and judgement.actor in (HUMAN, MACHINE):
        db.session.flush()
        add_to_tally(message.campaign_id, {f"{kind}s_{judgement.actor}": 1}, f"tracking {message.id % 97}")


def _is_first(message: Message, kind: str, actor: str) -> bool:
    """Whether this message had no such event yet; events of one message wait for each other here."""
    db.session.execute(text("SELECT pg_advisory_xact_lock(:area, :id)"), {"area": 0x4C555A, "id": message.id % 2**31})
    known = select(
        exists().where(TrackingEvent.message_id == message.id, TrackingEvent.kind == kind, TrackingEvent.actor == actor)
    )
    return not db.session.scalar(known)


def _is_burst(message: Message, link: TrackedLink) -> bool:
    """Whether nearly all links of the message were opened within seconds: a scanner follows them all."""
    since = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, BURST_SECONDS)
    recent = select(func.count(func.distinct(TrackingEvent.link_id))).where(
        TrackingEvent.message_id == message.id,
        TrackingEvent.kind == "click",
        TrackingEvent.at >= since,
        TrackingEvent.link_id != link.id,
    )
    links = select(func.count()).where(TrackedLink.campaign_id == message.campaign_id, ~TrackedLink.is_honeypot)
    opened = int(db.session.scalar(recent) or 0) + 1
    all_links = int(db.session.scalar(links) or 0)
    return opened >= BURST_CLICKS and opened * 2 > all_links


def _disbelieve(message: Message, reason: str) -> None:
    """Clicks of the same burst that came before it was seen as one are a machine's too."""
    since = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, BURST_SECONDS)
    is_first_machine = _is_first(message, "click", MACHINE)
    changed = db.session.execute(
        update(TrackingEvent)
        .where(
            TrackingEvent.message_id == message.id,
            TrackingEvent.kind == "click",
            TrackingEvent.actor != MACHINE,
            TrackingEvent.at >= since,
        )
        .values(actor=MACHINE, reason=reason)
        .returning(TrackingEvent.id),
        execution_options={"synchronize_session": False},
    ).all()
    if not changed:
        return
    corrections = {"clicks_machine": 1 if is_first_machine else 0}
    if _is_first(message, "click", HUMAN) and _had_human_click(message):
        corrections["clicks_human"] = -1
    add_to_tally(message.campaign_id, corrections, f"tracking {message.id % 97}")


def _had_human_click(message: Message) -> bool:
    """Whether the timeline already says that the person clicked; the line is taken back."""
    taken = db.session.execute(
        text(
            "DELETE FROM contact_events WHERE contact_id = :contact AND kind = 'clicked'"
            " AND detail->>'message_id' = CAST(:message AS text) RETURNING id"
        ),
        {"contact": message.contact_id, "message": message.id},
    ).all()
    return bool(taken)


def _note_farewell(target: TokenTarget) -> None:
    known = select(exists().where(TrackingEvent.message_id == target.message_id, TrackingEvent.kind == "unsubscribe"))
    if db.session.scalar(known):
        return
    db.session.add(
        TrackingEvent(
            campaign_id=target.campaign_id,
            message_id=target.message_id,
            contact_id=target.contact_id,
            kind="unsubscribe",
            actor=HUMAN,
        )
    )
    db.session.flush()
    add_to_tally(target.campaign_id, {"unsubscribed": 1}, f"tracking {target.message_id % 97}")


def _target(message: Message, link: TrackedLink) -> str:
    """The stored address, its merge tags filled; the bare public address when a value spoils it."""
    return fill_link(link.url, _values_of(message)) or current_settings().lux_public_url


def _values_of(message: Message) -> dict[str, str]:
    contact = db.session.get(Contact, message.contact_id) if message.contact_id is not None else None
    if contact is None:
        return {}
    return read_merge_values(
        email=message.address,
        name=contact.name,
        phone=contact.phone,
        source=contact.source,
        attributes=contact.attributes,
    )
