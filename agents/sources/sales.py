"""What the sales agent reads: scores of contacts by what they are and what they did, each point with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, func, select
from sqlalchemy import cast as sql_cast

from agents.sources.marketing import LISTENING_DAYS, QUIET_DAYS
from agents.sources.readings import Reading, make_reading, percent_of
from extensions import db
from models import Contact, TrackingEvent

# Points of a hundred: what somebody did counts more than what is known of them.
FIT: dict[str, int] = {"has a name": 10, "has a phone number": 15, "names a company": 15}
INTENT: dict[str, int] = {
    "clicked in the last month": 30,
    "opened in the last month": 10,
    "clicked in two campaigns or more": 20,
}
HOT, WARM = 60, 35
MOST_LEADS = 12


def read_scores() -> Reading:
    """Everybody who may be written to, scored in one statement; the highest by their number, with their reasons."""
    now = datetime.now(UTC)
    month, quarter = now - timedelta(days=LISTENING_DAYS), now - timedelta(days=QUIET_DAYS)
    often = (
        select(TrackingEvent.contact_id)
        .where(TrackingEvent.kind == "click", TrackingEvent.actor == "human")
        .group_by(TrackingEvent.contact_id)
        .having(func.count(TrackingEvent.campaign_id.distinct()) >= 2)
    )
    reasons: dict[str, ColumnElement[bool]] = {
        "has a name": func.coalesce(Contact.name, "") != "",
        "has a phone number": Contact.phone.is_not(None),
        "names a company": func.coalesce(Contact.attributes["company"].astext, "") != "",
        "clicked in the last month": func.coalesce(Contact.clicked_at >= month, False),
        "opened in the last month": func.coalesce(Contact.opened_at >= month, False),
        "clicked in two campaigns or more": Contact.id.in_(often),
    }
    points = {**FIT, **INTENT}
    score: Any = sum((case((reasons[name], points[name]), else_=0) for name in points), start=sql_cast(0, Integer))
    may_write = and_(Contact.subscription == "subscribed")
    scored = (
        select(Contact.id, score.label("score"), *(reasons[name].label(f"r{at}") for at, name in enumerate(points)))
        .where(may_write)
        .subquery()
    )
    row = db.session.execute(
        select(
            func.count().label("scored"),
            func.count().filter(scored.c.score >= HOT).label("hot"),
            func.count().filter(scored.c.score >= WARM, scored.c.score < HOT).label("warm"),
        )
    ).one()
    top = db.session.execute(
        select(scored).where(scored.c.score >= WARM).order_by(scored.c.score.desc(), scored.c.id).limit(MOST_LEADS)
    ).all()
    leads = [
        {
            "contact": f"#{one.id}",
            "points": int(one.score),
            "reasons": "; ".join(
                f"{name} ({points[name]})" for at, name in enumerate(points) if getattr(one, f"r{at}")
            ),
        }
        for one in top
    ]
    scores = {"scored": row.scored, "hot": row.hot, "warm": row.warm, "hot_percent": percent_of(row.hot, row.scored)}
    facts = {
        "scores": scores,
        "points": points,
        "marks": {"hot_from": HOT, "warm_from": WARM},
        "leads": leads,
        "quiet_since": f"{quarter:%Y-%m-%d}",
    }
    value = f"{row.scored:,} scored, {row.hot:,} hot"
    how = f"points for what is known and for opens and clicks within {LISTENING_DAYS} days"
    coverage = min(1.0, row.scored / 50)
    return make_reading("scores", "Scores", value, facts, source="/contacts", coverage=coverage, how=how)
