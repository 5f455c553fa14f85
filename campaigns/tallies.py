"""How many messages of a campaign stand where: kept beside the ledger in the same transactions, read at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from extensions import db
from models import CampaignTally

SLOTS = 16
WAITING_STATES = ("pending", "claimed", "attempting", "deferred")


@dataclass(frozen=True)
class StateCounts:
    """The sums of one campaign. `opens` and `clicks` count messages, not events; `bounced` are among the sent."""

    planned: int = 0
    pending: int = 0
    claimed: int = 0
    attempting: int = 0
    deferred: int = 0
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    unknown: int = 0
    opens_human: int = 0
    opens_machine: int = 0
    clicks_human: int = 0
    clicks_machine: int = 0
    unsubscribed: int = 0
    bounced: int = 0
    complained: int = 0

    @property
    def waiting(self) -> int:
        """Messages that will still be tried."""
        return self.pending + self.claimed + self.attempting + self.deferred

    @property
    def is_balanced(self) -> bool:
        """planned = sent + failed + suppressed + unknown + those that wait."""
        return self.planned == self.sent + self.failed + self.suppressed + self.unknown + self.waiting


NAMES = [field.name for field in fields(StateCounts)]


def count_states(campaign_id: int) -> StateCounts:
    """The counts of one campaign; a few rows are read, however many messages there are."""
    return count_states_of([campaign_id])[campaign_id]


def count_states_of(campaign_ids: Iterable[int]) -> dict[int, StateCounts]:
    """The counts of several campaigns in one query; one that never launched has zeros."""
    wanted = list(campaign_ids)
    sums = [func.coalesce(func.sum(getattr(CampaignTally, name)), 0) for name in NAMES]
    rows = db.session.execute(
        select(CampaignTally.campaign_id, *sums)
        .where(CampaignTally.campaign_id.in_(wanted))
        .group_by(CampaignTally.campaign_id)
    )
    counts = dict.fromkeys(wanted, StateCounts())
    for campaign_id, *numbers in rows:
        counts[campaign_id] = StateCounts(*(int(number) for number in numbers))
    return counts


def add_to_tally(campaign_id: int, changes: Mapping[str, int], writer: str = "") -> None:
    """Adds differences, in the caller's transaction and as its last statement: the row stays locked until then."""
    changes = {name: number for name, number in changes.items() if number}
    if not changes:
        return
    unknown = set(changes) - set(NAMES)
    if unknown:
        raise ValueError(f"A tally has no {', '.join(sorted(unknown))}.")
    statement = insert(CampaignTally).values(campaign_id=campaign_id, writer=tally_slot(writer), **changes)
    added = {name: getattr(CampaignTally, name) + number for name, number in changes.items()}
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["campaign_id", "writer"], set_=added),
        execution_options={"synchronize_session": False},
    )


def tally_slot(writer: str) -> str:
    """Which row of a campaign's tally this writer changes."""
    return str(zlib.crc32(writer.encode()) % SLOTS)
