"""A campaign rendered for every recipient without sending: who lacks a value, whose value cannot stand in a header.

Small audiences are run at once; large ones in the worker, with progress, and what came out is kept for a while.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from audience.consent import can_be_written_to
from audience.segments import segment_query
from campaigns.drafting import content_of, get_campaign, mark_of
from campaigns.mail_brand import get_mail_brand
from campaigns.merge_values import read_merge_values
from campaigns.rendering import (
    DATE,
    LINK,
    MESSAGE_ID,
    PIXEL,
    PREFERENCES,
    TO,
    UNSUBSCRIBE,
    VIEW,
    CompiledCampaign,
    render_campaign,
)
from extensions import db, defer
from lib.merge_tags import HeaderRefused
from models import Campaign, Contact

TASK = "dry_run_campaign"
AT_ONCE = 2_000
BATCH_ROWS = 1_000
NOTE_EVERY_ROWS = 5_000
KEPT_MINUTES = 15
# A run that has not been heard of for so long has lost its worker; it is asked for again.
SILENCE_MINUTES = 2
MOST_EXAMPLES = 5
EXAMPLE_TOKEN = b"A" * 40


@dataclass
class DryRun:
    """What a dry run found, or how far it is. `key` names the content, audience and brand that it was made with."""

    key: str
    state: str = "running"
    checked: int = 0
    people: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    examples: list[str] = field(default_factory=list)
    at: str = ""

    @property
    def is_done(self) -> bool:
        return self.state == "done"


def find_dry_run(campaign: Campaign) -> DryRun | None:
    """The run that is valid for the campaign as it is now, done or under way, or None."""
    stored = campaign.dry_run
    if not stored or stored.get("key") != dry_run_key(campaign):
        return None
    run = DryRun(**stored)
    age = datetime.now(UTC) - datetime.fromisoformat(run.at)
    return run if age < timedelta(minutes=KEPT_MINUTES if run.is_done else SILENCE_MINUTES) else None


def ensure_dry_run(campaign: Campaign, people: int) -> DryRun:
    """The valid run; without one, it is made now for a small audience and begun in the worker for a large one.

    Commits.
    """
    found = find_dry_run(campaign)
    if found is not None:
        return found
    begun = DryRun(dry_run_key(campaign), people=people, at=_now())
    if people <= AT_ONCE:
        return _run(campaign, begun)
    _keep(campaign.id, begun)
    defer(db.session(), TASK, lock=f"dry-run:{campaign.id}", campaign_id=campaign.id, key=begun.key)
    db.session.commit()
    return begun


def dry_run_campaign(campaign_id: int, key: str) -> None:
    """The worker's task. A campaign that has changed since is left alone: its page asks again."""
    campaign = get_campaign(campaign_id)
    if campaign.segment_id is None or dry_run_key(campaign) != key:
        return
    stored = campaign.dry_run or {}
    _run(campaign, DryRun(key, people=int(stored.get("people", 0)), at=_now()))


def dry_run_key(campaign: Campaign) -> str:
    """A short name for everything that a rendered message depends on, the people apart."""
    brand = asdict(get_mail_brand())
    segment = campaign.segment.updated_at.isoformat() if campaign.segment else ""
    parts = [mark_of(campaign.content), campaign.segment_id, segment, brand]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _run(campaign: Campaign, begun: DryRun) -> DryRun:
    campaign_id, segment_id = campaign.id, campaign.segment_id
    compiled = render_campaign(content_of(campaign), get_mail_brand())
    statement = select(Contact.email, Contact.name, Contact.phone, Contact.source, Contact.attributes).where(
        Contact.id.in_(segment_query(segment_id or 0)), can_be_written_to()
    )
    db.session.rollback()
    run, missing = begun, Counter[str]()
    for address, lacking, is_refused in _render_all(compiled, statement, begun.key):
        run.checked += 1
        run.refused += is_refused
        missing.update(lacking)
        if (lacking or is_refused) and len(run.examples) < MOST_EXAMPLES:
            run.examples.append(address)
        if run.checked % NOTE_EVERY_ROWS == 0:
            run.missing, run.at = dict(missing), _now()
            _keep(campaign_id, run)
            db.session.commit()
    run.state, run.people, run.missing, run.at = "done", run.checked, dict(missing), _now()
    _keep(campaign_id, run)
    db.session.commit()
    return run


def _render_all(compiled: CompiledCampaign, statement: Any, key: str) -> Iterator[tuple[str, list[str], bool]]:
    """Address, missing values, and whether the message cannot be written, of each person.

    The rows come over a connection of their own, so that progress can be committed meanwhile.
    """
    template = compiled.make_template(f"dry-run-{key}")
    bare = [tag.name for tag in compiled.merge_tags if not tag.has_fallback]
    marks = dict.fromkeys((PIXEL, UNSUBSCRIBE, PREFERENCES, VIEW, DATE, MESSAGE_ID), EXAMPLE_TOKEN)
    marks |= {f"{LINK}{link.number}": EXAMPLE_TOKEN for link in compiled.links}
    with db.engine.connect().execution_options(yield_per=BATCH_ROWS) as connection:
        for email, name, phone, source, attributes in connection.execute(statement):
            values = read_merge_values(email=email, name=name, phone=phone, source=source, attributes=attributes)
            is_refused = False
            try:
                template.render(values, {**marks, TO: email.encode()})
            except HeaderRefused:
                is_refused = True
            yield email, [tag for tag in bare if not values.get(tag)], is_refused


def _keep(campaign_id: int, run: DryRun) -> None:
    db.session.execute(update(Campaign).where(Campaign.id == campaign_id).values(dry_run=asdict(run)))


def _now() -> str:
    return datetime.now(UTC).isoformat()
