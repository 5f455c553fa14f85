"""The life of a campaign after its draft: launch, take back, start, pause, resume, cancel, revive, finish."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Select, func, insert, literal, select, text
from sqlalchemy.exc import SQLAlchemyError

from accounts.audit import add_audit_entry
from accounts.users import name_of
from audience.consent import can_be_written_to
from audience.segment_queries import segment_query
from campaigns.drafting import change_schedule, get_campaign
from campaigns.mail_brand import get_mail_brand
from campaigns.rendering import CompiledCampaign, render_campaign
from campaigns.tallies import add_to_tally
from errors import Conflict, NotFound
from extensions import db, defer
from lib.merge_tags import HeaderRefused
from models import Campaign, Contact, Message, TrackedLink

GRACE_SECONDS = 60
SETTLE_AT_ONCE = 20_000
TASK = "send_due_messages"
# What "send to the missing" takes up again: everything planned that did not go out and might this time.
MISSING = """
    m.campaign_id = :campaign AND m.state IN ('unknown', 'failed', 'suppressed') AND (
        m.state = 'unknown'
        OR (m.state = 'failed' AND EXISTS (
            SELECT 1 FROM contacts c WHERE c.id = m.contact_id AND c.subscription = 'subscribed'
        ))
        OR (m.state = 'suppressed' AND m.reason = 'cancelled')
    )
"""
COUNT_MISSING = text(f"SELECT count(*) FROM messages m WHERE {MISSING}")  # noqa: S608 - put together from constants
REVIVE = text(f"""
WITH missing AS MATERIALIZED (
    SELECT m.id, m.state FROM messages m WHERE {MISSING} AND (NOT :is_failed_only OR m.state = 'failed') FOR UPDATE
)
UPDATE messages m SET state = 'pending', reason = NULL, next_try_at = now(), first_tried_at = NULL, attempts = 0,
    finished_at = NULL
FROM missing WHERE m.id = missing.id RETURNING missing.state
""")  # noqa: S608 - put together from constants
SETTLE = text("""
WITH rest AS MATERIALIZED (
    SELECT id, state FROM messages WHERE campaign_id = :campaign AND state IN ('pending', 'deferred')
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET state = 'suppressed', reason = 'cancelled', finished_at = now()
FROM rest WHERE m.id = rest.id RETURNING rest.state
""")
IS_WAITING = text("""
SELECT EXISTS (SELECT 1 FROM messages WHERE campaign_id = :campaign AND state IN ('pending', 'deferred'))
    OR EXISTS (SELECT 1 FROM messages WHERE campaign_id = :campaign AND state IN ('claimed', 'attempting'))
""")
HAS_TASK = text("""
SELECT EXISTS (
    SELECT 1 FROM procrastinate_jobs WHERE task_name = :task AND CAST(status AS text) = ANY(:states)
        AND args->>'campaign_id' = CAST(:campaign AS text)
)
""")


def launch_campaign(campaign_id: int, by_user_id: int | None = None, *, grace_seconds: int = GRACE_SECONDS) -> Campaign:
    """Freezes the content and sets the start: the scheduled time, or after the seconds to take it back. Commits.

    Raises NotFound, and Conflict where the campaign cannot go: the sentence says why.
    """
    campaign = _locked(campaign_id)
    if campaign.state != "draft":
        raise Conflict("This campaign was launched already.")
    if campaign.segment_id is None:
        raise Conflict("Choose an audience before the launch.")
    compiled = _compiled(campaign)
    campaign.compiled = {**compiled.to_json(), "seed": secrets.token_hex(8)}
    now = datetime.now(UTC)
    at = campaign.scheduled_at
    campaign.launch_at = at if at is not None and at > now else now + timedelta(seconds=grace_seconds)
    campaign.state = "scheduled"
    campaign.updated_at = now
    _note("campaign_launched", campaign, by_user_id, launch_at=campaign.launch_at.isoformat())
    db.session.commit()
    return campaign


def take_back(campaign_id: int, by_user_id: int | None = None) -> Campaign:
    """Makes a launched campaign a draft again, as long as no ledger is written. Commits. Raises NotFound, Conflict."""
    campaign = _locked(campaign_id)
    if campaign.state != "scheduled":
        raise Conflict("This campaign has started; it can be paused or cancelled.")
    campaign.state = "draft"
    campaign.launch_at = campaign.compiled = None
    _note("campaign_taken_back", campaign, by_user_id)
    db.session.commit()
    return campaign


def move_campaign(campaign_id: int, at: datetime | None, by_user_id: int | None, *, timezone: str) -> None:
    """Gives a draft or a launched campaign another time; a launched one goes out at it as it is now. Commits.

    Raises InputInvalid for a time that has passed, Conflict once it has begun, NotFound.
    """
    campaign = get_campaign(campaign_id)
    is_launched, zone = campaign.state == "scheduled", campaign.timezone or timezone
    if is_launched:
        take_back(campaign_id, by_user_id)
    change_schedule(campaign_id, at=at, timezone=zone)
    if is_launched:
        launch_campaign(campaign_id, by_user_id)


def start_due_campaigns() -> int:
    """Starts every launched campaign whose time has come; commits each. For the clock, every 5 s."""
    due = select(Campaign.id).where(Campaign.state == "scheduled", Campaign.launch_at <= func.now())
    campaign_ids = list(db.session.scalars(due.order_by(Campaign.launch_at)))
    db.session.rollback()
    started = 0
    for campaign_id in campaign_ids:
        try:
            start_campaign(campaign_id)
            started += 1
        except SQLAlchemyError:
            # One campaign that cannot start must not hold up the others; the next tick tries it again.
            db.session.rollback()
            current_app.logger.exception("Campaign %s could not start.", campaign_id)
    return started


def start_campaign(campaign_id: int) -> int:
    """Writes the ledger in one statement and sets sending going; commits. Again and again is the same as once.

    Returns how many messages are planned. Raises NotFound, Conflict.
    """
    campaign = _locked(campaign_id)
    if campaign.state != "scheduled":
        db.session.rollback()
        if campaign.launched_at is None:
            raise Conflict("This campaign is not launched.")
        return campaign.planned_count
    compiled = CompiledCampaign.from_json(campaign.compiled or {})
    links = [
        {
            "campaign_id": campaign.id,
            "position": link.number,
            "url": link.url,
            "label": link.label,
            "is_honeypot": link.is_honeypot,
        }
        for link in compiled.links
    ]
    if links:
        db.session.execute(insert(TrackedLink), links)
    columns = ["campaign_id", "contact_id", "channel", "address", "next_try_at"]
    statement = insert(Message).from_select(columns, _recipients(campaign))
    written = db.session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    planned = written.rowcount
    campaign.state = "sending"
    campaign.launched_at = datetime.now(UTC)
    campaign.planned_count = planned
    add_to_tally(campaign.id, {"planned": planned, "pending": planned})
    defer_sending(campaign.id)
    db.session.commit()
    return planned


def pause_campaign(campaign_id: int, reason: str = "", by_user_id: int | None = None) -> Campaign:
    """Nothing leaves from now on but what is on the wire. Commits. Raises NotFound, Conflict."""
    campaign = _locked(campaign_id)
    if campaign.state != "sending":
        raise Conflict("Only a campaign that is being sent can be paused.")
    campaign.state = "paused"
    campaign.pause_reason = reason or None
    _note("campaign_paused", campaign, by_user_id, reason=reason)
    db.session.commit()
    return campaign


def resume_campaign(campaign_id: int, by_user_id: int | None = None) -> Campaign:
    """Goes on where it was paused. Commits. Raises NotFound, Conflict."""
    campaign = _locked(campaign_id)
    if campaign.state != "paused":
        raise Conflict("This campaign is not paused.")
    campaign.state = "sending"
    campaign.pause_reason = None
    _note("campaign_resumed", campaign, by_user_id)
    defer_sending(campaign.id)
    db.session.commit()
    return campaign


def cancel_campaign(campaign_id: int, by_user_id: int | None = None) -> Campaign:
    """Ends a campaign: what has not left never leaves, unless somebody sends to the missing. Commits."""
    campaign = _locked(campaign_id)
    if campaign.state not in ("scheduled", "sending", "paused"):
        raise Conflict("This campaign is not under way.")
    campaign.state = "cancelled"
    campaign.finished_at = datetime.now(UTC)
    _note("campaign_cancelled", campaign, by_user_id)
    db.session.commit()
    settle_cancelled(campaign_id, at_most=SETTLE_AT_ONCE)
    return campaign


def settle_cancelled(campaign_id: int, *, at_most: int | None = None) -> int:
    """Marks what a cancelled campaign has left as suppressed, a portion at a time; commits each."""
    settled = 0
    while at_most is None or settled < at_most:
        campaign = _locked(campaign_id)
        if campaign.state != "cancelled":
            db.session.rollback()
            break
        states = list(db.session.scalars(SETTLE, {"campaign": campaign_id, "limit": SETTLE_AT_ONCE}))
        add_to_tally(campaign_id, _changes(states, "suppressed"), "cancel")
        db.session.commit()
        settled += len(states)
        if len(states) < SETTLE_AT_ONCE:
            break
    return settled


def count_missing(campaign_id: int) -> int:
    """How many planned messages did not go out and could still: failed, unknown or cancelled."""
    return int(db.session.scalar(COUNT_MISSING, {"campaign": campaign_id}) or 0)


def send_missing(campaign_id: int, by_user_id: int | None = None) -> int:
    """Tries everybody again whom the campaign did not reach; returns how many. Commits. Raises NotFound, Conflict."""
    return _revive(campaign_id, by_user_id, is_failed_only=False)


def retry_failed(campaign_id: int, by_user_id: int | None = None) -> int:
    """The same for failed messages only."""
    return _revive(campaign_id, by_user_id, is_failed_only=True)


def finish_campaign(campaign_id: int) -> bool:
    """Finishes a campaign that has nothing waiting; says whether it is finished. Commits."""
    if db.session.scalar(IS_WAITING, {"campaign": campaign_id}):
        db.session.rollback()
        return False
    campaign = _locked(campaign_id)
    # Looked at again under the lock: somebody may have sent to the missing meanwhile.
    if campaign.state == "sending" and not db.session.scalar(IS_WAITING, {"campaign": campaign_id}):
        campaign.state = "finished"
        campaign.finished_at = datetime.now(UTC)
        db.session.commit()
        return True
    db.session.rollback()
    return campaign.state == "finished"


def defer_sending(campaign_id: int, *, only_if_idle: bool = False) -> bool:
    """Puts the task on the queue within the transaction, unless one waits (or works, with `only_if_idle`).

    A task that works now may have looked at the campaign before it was resumed; the queue's lock makes a second wait.
    """
    states = ["todo", "doing"] if only_if_idle else ["todo"]
    if db.session.scalar(HAS_TASK, {"task": TASK, "campaign": campaign_id, "states": states}):
        return False
    defer(db.session(), TASK, lock=f"sending-{campaign_id}", campaign_id=campaign_id)
    return True


def _revive(campaign_id: int, by_user_id: int | None, *, is_failed_only: bool) -> int:
    campaign = _locked(campaign_id)
    if campaign.state not in ("finished", "cancelled", "paused", "sending") or campaign.launched_at is None:
        raise Conflict("This campaign was never sent.")
    states = list(db.session.scalars(REVIVE, {"campaign": campaign_id, "is_failed_only": is_failed_only}))
    if states:
        campaign.state = "sending"
        campaign.finished_at = campaign.pause_reason = None
        add_to_tally(campaign_id, _changes(states, "pending"), "revive")
        defer_sending(campaign_id)
        _note("campaign_sent_to_missing", campaign, by_user_id, messages=len(states))
    db.session.commit()
    return len(states)


def _compiled(campaign: Campaign) -> CompiledCampaign:
    brand = get_mail_brand()
    if not brand.sender_address:
        raise Conflict("Set MAIL_FROM before the launch: every message needs a sender.")
    if not brand.postal_address:
        raise Conflict("Set POSTAL_ADDRESS before the launch: the law wants one in every message.")
    compiled = render_campaign(campaign.content, brand)
    if compiled.problems:
        raise Conflict(compiled.problems[0].text)
    try:
        compiled.make_template("check")
    except HeaderRefused as error:
        raise Conflict(str(error)) from error
    return compiled


def _recipients(campaign: Campaign) -> Select[int, int, str, str, datetime]:
    """Everybody of the segment who may be written to, as rows of the ledger."""
    return (
        select(literal(campaign.id), Contact.id, literal(campaign.channel), Contact.email, func.now())
        .where(Contact.id.in_(segment_query(campaign.segment_id or 0)), can_be_written_to(campaign.channel))
        .order_by(Contact.id)
    )


def _changes(states: list[str], after: str) -> dict[str, int]:
    changes = {state: -states.count(state) for state in set(states)}
    changes[after] = changes.get(after, 0) + len(states)
    return changes


def _locked(campaign_id: int) -> Campaign:
    campaign = db.session.get(Campaign, campaign_id, with_for_update=True, populate_existing=True)
    if campaign is None:
        raise NotFound("There is no such campaign.")
    return campaign


def _note(action: str, campaign: Campaign, by_user_id: int | None, **detail: Any) -> None:
    subject = f"campaign {campaign.id}"
    add_audit_entry(action, actor=name_of(by_user_id), user_id=by_user_id, subject=subject, **detail)
