"""How many people a campaign will reach, and who falls away on the way: each person is counted once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Subquery, and_, case, func, or_, select

from audience.segment_queries import segment_condition
from extensions import db
from models import Contact, Suppression

LEFT = ("unsubscribed", "complained")


@dataclass(frozen=True)
class AudienceCount:
    """segment − unsubscribed − suppressed − no consent = will receive."""

    segment: int
    unsubscribed: int
    suppressed: int
    no_consent: int
    will_receive: int
    counted_at: datetime


def count_audience(segment_id: int) -> AudienceCount:
    """Counts the segment as it is now. Raises NotFound for an unknown segment."""
    fate = _fates(segment_id)
    rows = db.session.execute(select(fate.c.fate, func.count()).group_by(fate.c.fate))
    counted: dict[str, int] = {str(name): int(number) for name, number in rows}
    return AudienceCount(
        segment=sum(counted.values()),
        unsubscribed=counted.get("unsubscribed", 0),
        suppressed=counted.get("suppressed", 0),
        no_consent=counted.get("no_consent", 0),
        will_receive=counted.get("will_receive", 0),
        counted_at=datetime.now(UTC),
    )


def _fates(segment_id: int) -> Subquery:
    """What becomes of each person."""
    is_same = and_(Suppression.channel == "email", Suppression.address_sha256 == Contact.address_sha256)
    fate = case(
        (Contact.subscription.in_(LEFT), "unsubscribed"),
        (or_(Contact.subscription == "bounced", Suppression.id.is_not(None)), "suppressed"),
        (Contact.subscription == "subscribed", "will_receive"),
        else_="no_consent",
    )
    statement = select(fate.label("fate")).select_from(Contact).outerjoin(Suppression, is_same)
    return statement.where(segment_condition(segment_id)).subquery()
