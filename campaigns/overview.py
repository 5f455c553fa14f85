"""The list of campaigns: search, state, one page after the other."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from extensions import db
from models import CAMPAIGN_STATES, Campaign

PAGE_ROWS = 50
STATES = (*CAMPAIGN_STATES, "archived")


@dataclass(frozen=True)
class CampaignPage:
    """One page of the list. `older_than` and `newer_than` are the ids to go on from, None at an end."""

    campaigns: list[Campaign]
    older_than: int | None
    newer_than: int | None


def list_campaigns(
    *, q: str = "", state: str = "", older_than: int | None = None, newer_than: int | None = None
) -> CampaignPage:
    """A page of campaigns, the newest first; archived ones only when asked for."""
    statement = select(Campaign).options(selectinload(Campaign.segment))
    if state == "archived":
        statement = statement.where(Campaign.archived_at.is_not(None))
    else:
        statement = statement.where(Campaign.archived_at.is_(None))
        if state in CAMPAIGN_STATES:
            statement = statement.where(Campaign.state == state)
    for word in q.split()[:8]:
        statement = statement.where(Campaign.name.icontains(word, autoescape=True))
    if newer_than is not None:
        rows = list(
            db.session.scalars(statement.where(Campaign.id > newer_than).order_by(Campaign.id).limit(PAGE_ROWS + 1))
        )
        has_newer, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS][::-1]
        has_older = True
    else:
        if older_than is not None:
            statement = statement.where(Campaign.id < older_than)
        rows = list(db.session.scalars(statement.order_by(Campaign.id.desc()).limit(PAGE_ROWS + 1)))
        has_older, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
        has_newer = older_than is not None
    return CampaignPage(
        rows,
        rows[-1].id if rows and has_older else None,
        rows[0].id if rows and has_newer else None,
    )


def count_campaigns() -> dict[str, int]:
    """How many campaigns there are in each state, archived ones apart."""
    archived = Campaign.archived_at.is_not(None)
    rows = db.session.execute(select(Campaign.state, archived, func.count()).group_by(Campaign.state, archived))
    counted = dict.fromkeys(STATES, 0)
    for state, is_archived, count in rows:
        counted["archived" if is_archived else state] += count
    return counted
