"""How a campaign went: whom it reached, what people did with it and what machines did, and why for each person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, distinct, func, literal, select, union_all

from campaigns.tallies import WAITING_STATES
from extensions import db
from models import Campaign, Contact, Message, TrackedLink, TrackingEvent

PAGE_ROWS = 50
GROUPS: dict[str, tuple[str, ...]] = {
    "planned": (),
    "sent": ("sent",),
    "failed": ("failed",),
    "suppressed": ("suppressed",),
    "unknown": ("unknown",),
    "pending": WAITING_STATES,
}
EVENT_OF = {
    "opened": "open",
    "clicked": "click",
    "unsubscribed": "unsubscribe",
    "bounced": "bounce",
    "complained": "complaint",
}
ACTED = tuple(EVENT_OF)
MOST_POINTS = 48
REASONS = {
    "erased": "This contact was erased",
    "no_consent": "No consent to get e-mail",
    "none": "No consent to get e-mail",
    "pending": "Has not confirmed yet",
    "unsubscribed": "Unsubscribed",
    "bounced": "The address bounced before",
    "complained": "Complained about a message",
    "suppressed": "The address is suppressed",
    "cancelled": "The campaign was cancelled first",
    "gave_up": "Given up after a day of trying",
}


@dataclass(frozen=True)
class Acted:
    """How many messages saw an act by a person, else by a machine, else by nobody knows whom."""

    human: int = 0
    machine: int = 0
    unsure: int = 0


@dataclass(frozen=True)
class LinkResult:
    """One link and how many messages it was clicked in, people and machines apart."""

    url: str
    label: str
    human: int
    machine: int
    unsure: int


@dataclass(frozen=True)
class Recipient:
    """One line of the people behind a figure."""

    message_id: int
    contact_id: int | None
    address: str
    name: str | None
    state: str
    reason: str
    attempts: int
    at: datetime | None


@dataclass(frozen=True)
class RecipientPage:
    """One page of people; `after` is the id to go on from, None at the end."""

    recipients: list[Recipient]
    after: int | None


@dataclass(frozen=True)
class Timeline:
    """What happened in each slice of time since the launch."""

    slices: list[datetime] = field(default_factory=list)
    width: timedelta = timedelta(hours=1)
    sent: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    clicked: list[int] = field(default_factory=list)


def count_acts(campaign_id: int) -> dict[str, Acted]:
    """What people and machines did with a campaign, by message: a person's act outweighs a machine's."""
    best = _best_actor(campaign_id).subquery()
    rows = db.session.execute(select(best.c.kind, best.c.actor, func.count()).group_by(best.c.kind, best.c.actor))
    counted: dict[str, dict[str, int]] = {}
    for kind, actor, count in rows:
        counted.setdefault(kind, {})[actor] = count
    return {name: Acted(**counted.get(kind, {})) for name, kind in EVENT_OF.items()}


def list_links(campaign_id: int) -> list[LinkResult]:
    """Every link of the message, the most clicked by people first; the trap for machines is left out."""
    on_link = and_(TrackingEvent.link_id == TrackedLink.id, TrackingEvent.kind == "click")

    def clicks(actor: str) -> ColumnElement[int]:
        return func.count(distinct(TrackingEvent.message_id)).filter(TrackingEvent.actor == actor)

    statement = (
        select(TrackedLink.url, TrackedLink.label, clicks("human"), clicks("machine"), clicks("unsure"))
        .outerjoin(TrackingEvent, on_link)
        .where(TrackedLink.campaign_id == campaign_id, TrackedLink.is_honeypot.is_(False))
        .group_by(TrackedLink.id)
    )
    found = [LinkResult(*row) for row in db.session.execute(statement)]
    return sorted(found, key=lambda link: (-link.human, -link.unsure, link.url))


def list_recipients(campaign_id: int, group: str, *, after: int = 0) -> RecipientPage:
    """The people behind a figure of the balance or behind an act, fifty at a time by id."""
    if group in ACTED:
        ids = _acting_ids(campaign_id, EVENT_OF[group], after)
    else:
        ids = _ids_by_state(campaign_id, GROUPS.get(group, ()), after)
    chosen = ids.subquery()
    statement = (
        select(Message, Contact.name)
        .join(chosen, chosen.c.id == Message.id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .order_by(Message.id)
    )
    rows = [_recipient(message, name) for message, name in db.session.execute(statement)]
    return RecipientPage(rows[:PAGE_ROWS], rows[PAGE_ROWS - 1].message_id if len(rows) > PAGE_ROWS else None)


def read_timeline(campaign: Campaign) -> Timeline:
    """Sent, opened and clicked by people, in at most 48 slices from the launch on."""
    start = campaign.launched_at
    if start is None:
        return Timeline()
    last = db.session.scalar(select(func.max(TrackingEvent.at)).where(TrackingEvent.campaign_id == campaign.id)) or (
        campaign.finished_at or start
    )
    width = _slice_width(max(last, campaign.finished_at or last, start) - start)
    sent = _counted(
        _slices(Message.finished_at, start, width), Message.campaign_id == campaign.id, Message.state == "sent"
    )
    by_people = (TrackingEvent.campaign_id == campaign.id, TrackingEvent.actor == "human")
    slices = _slices(TrackingEvent.at, start, width)
    opened = _counted(slices, *by_people, TrackingEvent.kind == "open")
    clicked = _counted(slices, *by_people, TrackingEvent.kind == "click")
    count = max([0, *sent, *opened, *clicked]) + 1
    numbers = range(min(count, MOST_POINTS))
    return Timeline(
        [start + width * number for number in numbers],
        width,
        [sent.get(number, 0) for number in numbers],
        [opened.get(number, 0) for number in numbers],
        [clicked.get(number, 0) for number in numbers],
    )


def reason_words(message: Message) -> str:
    """Why a message stands where it stands, in words."""
    said = REASONS.get(message.reason or "", message.reason or "")
    answer = " ".join(str(part) for part in (message.response_code, message.response) if part)
    return ": ".join(part for part in (said, answer) if part)


def _best_actor(campaign_id: int) -> Select[str, str]:
    is_human = func.bool_or(TrackingEvent.actor == "human")
    is_unsure = func.bool_or(TrackingEvent.actor == "unsure")
    actor = case((is_human, "human"), (is_unsure, "unsure"), else_="machine")
    return (
        select(TrackingEvent.kind.label("kind"), actor.label("actor"))
        .where(TrackingEvent.campaign_id == campaign_id, TrackingEvent.kind.in_(EVENT_OF.values()))
        .group_by(TrackingEvent.kind, TrackingEvent.message_id)
    )


def _acting_ids(campaign_id: int, kind: str, after: int) -> Select[int]:
    return (
        select(TrackingEvent.message_id.label("id"))
        .where(
            TrackingEvent.campaign_id == campaign_id,
            TrackingEvent.kind == kind,
            TrackingEvent.actor == ("machine" if kind == "bounce" else "human"),
            TrackingEvent.message_id > after,
        )
        .distinct()
        .order_by(TrackingEvent.message_id)
        .limit(PAGE_ROWS + 1)
    )


def _ids_by_state(campaign_id: int, states: tuple[str, ...], after: int) -> Select[int]:
    """One look into the index per state, so that a page of a million messages costs as little as one of ten."""
    every = states or ("sent", "failed", "suppressed", "unknown", *WAITING_STATES)
    parts = [
        select(Message.id)
        .where(Message.campaign_id == campaign_id, Message.state == state, Message.id > after)
        .order_by(Message.id)
        .limit(PAGE_ROWS + 1)
        for state in every
    ]
    together = union_all(*(select(part.subquery().c.id) for part in parts)).subquery()
    return select(together.c.id).order_by(together.c.id).limit(PAGE_ROWS + 1)


def _recipient(message: Message, name: str | None) -> Recipient:
    return Recipient(
        message.id,
        message.contact_id,
        message.address,
        name,
        message.state,
        reason_words(message),
        message.attempts,
        message.finished_at or message.next_try_at,
    )


def _slice_width(span: timedelta) -> timedelta:
    for minutes in (1, 5, 15, 60, 180, 720, 1440, 10_080):
        width = timedelta(minutes=minutes)
        if span <= width * (MOST_POINTS - 1):
            return width
    return timedelta(days=28)


def _slices(column: ColumnElement[Any] | Any, start: datetime, width: timedelta) -> ColumnElement[Any]:
    seconds = func.extract("epoch", column) - literal(start.timestamp())
    return func.floor(seconds / literal(width.total_seconds()))


def _counted(slices: ColumnElement[Any], *conditions: ColumnElement[bool]) -> dict[int, int]:
    statement = select(slices.label("slice"), func.count()).where(*conditions).group_by("slice")
    return {max(0, int(number)): count for number, count in db.session.execute(statement) if number is not None}
