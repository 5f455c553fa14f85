"""A contact's story, newest first: arrivals, changes, consent, messages and what the person did with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from extensions import db
from models import Campaign, ContactEvent, Conversion, Message, Segment, TrackedLink, TrackingEvent

PAGE_SIZE = 60
METHODS = {
    "webhook": "by the webhook",
    "import": "by an import",
    "form": "by hand",
    "by_hand": "by hand",
    "agent": "by an agent",
    "sample": "as sample data",
    "one_click": "by the mail program's unsubscribe button",
    "link": "by the link in a message",
    "preferences": "on the preference page",
    "bounce": "because mail bounced",
}


@dataclass(frozen=True)
class Moment:
    """One line of the story. `kind` colours it: neutral, success, warn, danger, info."""

    at: datetime
    icon: str
    title: str
    text: str
    kind: str = "neutral"
    campaign_id: int | None = None


@dataclass(frozen=True)
class SentMessage:
    """A message to the contact, and why they got it."""

    message: Message
    campaign: Campaign
    segment: Segment | None


def list_moments(contact_id: int, *, before: datetime | None = None, limit: int = PAGE_SIZE) -> list[Moment]:
    """The newest lines of the story, or those before a moment."""
    moments = [
        *_events(contact_id, before, limit),
        *_messages(contact_id, before, limit),
        *_reactions(contact_id, before, limit),
        *_conversions(contact_id, before, limit),
    ]
    return sorted(moments, key=lambda moment: moment.at, reverse=True)[:limit]


def list_messages_of(contact_id: int, limit: int = 50) -> list[SentMessage]:
    """The contact's messages, newest first, each with its campaign and the segment that it went to."""
    query = (
        select(Message, Campaign, Segment)
        .join(Campaign, Campaign.id == Message.campaign_id)
        .outerjoin(Segment, Segment.id == Campaign.segment_id)
        .where(Message.contact_id == contact_id)
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return [SentMessage(message, campaign, segment) for message, campaign, segment in db.session.execute(query)]


def _events(contact_id: int, before: datetime | None, limit: int) -> list[Moment]:
    query = select(ContactEvent).where(ContactEvent.contact_id == contact_id)
    if before is not None:
        query = query.where(ContactEvent.at < before)
    query = query.order_by(ContactEvent.at.desc(), ContactEvent.id.desc()).limit(limit)
    return [_event(event) for event in db.session.scalars(query)]


def _event(event: ContactEvent) -> Moment:
    icon, title, kind = _EVENTS.get(event.kind, ("circle", event.kind.replace("_", " ").capitalize(), "neutral"))
    return Moment(event.at, icon, title, _sentence(event.source, event.detail), kind)


def _sentence(source: str | None, detail: Mapping[str, Any]) -> str:
    """What an event's detail says, in the order in which a person would tell it."""
    method = detail.get("method")
    parts = [
        METHODS.get(str(method), f"by {method}").capitalize() if method else "",
        f"Source: {source}" if source and source not in ("by hand", method) else "",
        f"Form: {detail['form']}" if detail.get("form") and detail["form"] != source else "",
        _changes(detail.get("changes")),
        f"Tags: {_listed(detail['tags'])}" if detail.get("tags") else "",
        f"Segment: {detail['segment']}" if detail.get("segment") else "",
        f"Joined {_listed(detail['joined'])}" if detail.get("joined") else "",
        f"Also called {detail['later_name']}" if detail.get("later_name") else "",
        f"This time from {detail['later_source']}" if detail.get("later_source") else "",
        f"Phone as given, not valid: {detail['phone_invalid']}" if detail.get("phone_invalid") else "",
        f"Other addresses: {_listed(detail['other_addresses'])}" if detail.get("other_addresses") else "",
        f"Stays {detail['not_resubscribed']}" if detail.get("not_resubscribed") else "",
        f"File: {detail['file']}" if detail.get("file") else "",
        f"Was {detail['before']} before" if detail.get("before") and detail["before"] != "none" else "",
        f"Done by {detail['by']}" if detail.get("by") else "",
    ]
    return " · ".join(part for part in parts if part)


def _changes(changes: Any) -> str:
    if not isinstance(changes, dict):
        return ""
    told = []
    for name, pair in changes.items():
        if name == "attributes" or not isinstance(pair, list) or len(pair) != 2:
            told.append(name)
        else:
            told.append(f"{name}: {pair[0] or 'nothing'} → {pair[1] or 'nothing'}")
    return f"Changed {'; '.join(told)}"


def _listed(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _messages(contact_id: int, before: datetime | None, limit: int) -> list[Moment]:
    at = func.coalesce(Message.finished_at, Message.created_at)
    query = (
        select(at, Message.state, Message.reason, Campaign.id, Campaign.name)
        .join(Campaign, Campaign.id == Message.campaign_id)
        .where(Message.contact_id == contact_id)
    )
    if before is not None:
        query = query.where(at < before)
    rows = db.session.execute(query.order_by(at.desc()).limit(limit))
    moments = []
    for moment, state, reason, campaign_id, name in rows:
        icon, title, kind = _MESSAGES.get(state, ("mail", "Message is on its way", "neutral"))
        text = f"Campaign: {name}" + (f" · {reason}" if reason else "")
        moments.append(Moment(moment, icon, title, text, kind, campaign_id))
    return moments


def _reactions(contact_id: int, before: datetime | None, limit: int) -> list[Moment]:
    query = (
        select(TrackingEvent, Campaign.name, TrackedLink.label, TrackedLink.url)
        .join(Campaign, Campaign.id == TrackingEvent.campaign_id)
        .outerjoin(TrackedLink, TrackedLink.id == TrackingEvent.link_id)
        .where(TrackingEvent.contact_id == contact_id, TrackingEvent.kind.in_(list(_REACTIONS)))
    )
    if before is not None:
        query = query.where(TrackingEvent.at < before)
    rows: Sequence[Any] = db.session.execute(query.order_by(TrackingEvent.at.desc()).limit(limit)).all()
    moments = []
    for event, name, label, url in rows:
        icon, verb = _REACTIONS[event.kind]
        who = {"human": "", "machine": " by a machine", "unsure": ", perhaps by a machine"}[event.actor]
        link = f" · Link: {label or url}" if url else ""
        kind = "success" if event.actor == "human" else "neutral"
        moments.append(Moment(event.at, icon, f"{verb}{who}", f"Campaign: {name}{link}", kind, event.campaign_id))
    return moments


def _conversions(contact_id: int, before: datetime | None, limit: int) -> list[Moment]:
    query = (
        select(Conversion, Campaign.name)
        .outerjoin(Campaign, Campaign.id == Conversion.campaign_id)
        .where(Conversion.contact_id == contact_id)
    )
    if before is not None:
        query = query.where(Conversion.at < before)
    moments = []
    for one, name in db.session.execute(query.order_by(Conversion.at.desc()).limit(limit)):
        worth = f": {one.value:,.2f} {one.currency}" if one.value is not None else ""
        parts = (
            f"Reference: {one.reference}" if one.reference else "",
            f"Campaign: {name}" if name else "",
            "Told by a server" if one.origin == "server" else "Told by the browser",
        )
        title = f"{one.name.replace('_', ' ').capitalize()}{worth}"
        text = " · ".join(part for part in parts if part)
        moments.append(Moment(one.at, "star", title, text, "success", one.campaign_id))
    return moments


_EVENTS = {
    "arrived": ("user-plus", "Arrived", "success"),
    "arrived_again": ("inbox", "Came in again", "neutral"),
    "changed": ("pencil", "Changed", "neutral"),
    "tagged": ("tag", "Tagged", "neutral"),
    "untagged": ("tag", "Tag taken off", "neutral"),
    "joined": ("users", "Added to a segment", "neutral"),
    "left_segment": ("users", "Taken out of a segment", "neutral"),
    "subscribed": ("circle-check", "Subscribed", "success"),
    "pending": ("clock", "Asked to confirm", "info"),
    "unsubscribed": ("log-out", "Unsubscribed", "warn"),
    "bounced": ("ban", "Mail bounced", "danger"),
    "complained": ("flag", "Complained", "danger"),
    "merged": ("git-merge", "Merged with another contact", "info"),
    "merge_undone": ("split", "A merge was undone", "neutral"),
    "import_undone": ("rotate-ccw", "An import was undone", "neutral"),
}
_MESSAGES = {
    "sent": ("send", "Message sent", "info"),
    "failed": ("circle-x", "Message failed", "danger"),
    "suppressed": ("ban", "Message not sent", "warn"),
    "unknown": ("circle-help", "Message perhaps sent", "warn"),
}
_REACTIONS = {
    "open": ("eye", "Opened"),
    "click": ("link", "Clicked"),
    "view": ("monitor", "Viewed in the browser"),
    "complaint": ("flag", "Marked as spam"),
}
