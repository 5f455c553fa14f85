"""How many people a campaign will reach, and who falls away on the way: each person is counted once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Subquery, and_, case, func, select

from audience.consent import is_suppressed_contact
from audience.segments import segment_query
from extensions import db
from models import Contact

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
    fate = case(
        (Contact.subscription.in_(LEFT), "unsubscribed"),
        (Contact.subscription == "bounced", "suppressed"),
        (and_(Contact.subscription == "subscribed", ~is_suppressed_contact()), "will_receive"),
        (is_suppressed_contact(), "suppressed"),
        else_="no_consent",
    )
    return select(fate.label("fate")).where(Contact.id.in_(segment_query(segment_id))).subquery()
