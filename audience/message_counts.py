"""The campaigns' counts follow when messages stop waiting, or wait again, because of what became of a contact."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from sqlalchemy.dialects.postgresql import insert

from extensions import db
from models import CampaignTally

# The row of a campaign's tally that is written from here: waiting for the workers' rows would hold them up.
WRITER = "audience"


def count_moves(moves: Iterable[tuple[int, str, str]]) -> None:
    """Notes messages that went from one state to another, each as (campaign, before, after), in the transaction.

    planned = sent + failed + suppressed + unknown + those that wait stays true by it.
    """
    changes: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for campaign_id, before, after in moves:
        changes[campaign_id][before] -= 1
        changes[campaign_id][after] += 1
    for campaign_id, change in sorted(changes.items()):
        row = insert(CampaignTally).values(campaign_id=campaign_id, writer=WRITER, **change)
        added = {name: getattr(CampaignTally, name) + number for name, number in change.items()}
        db.session.execute(
            row.on_conflict_do_update(index_elements=["campaign_id", "writer"], set_=added),
            execution_options={"synchronize_session": False},
        )
