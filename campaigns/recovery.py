"""Puts right what a dead worker left: claimed messages wait again, those it had begun are in doubt and say so."""

from __future__ import annotations

from collections import Counter, defaultdict

from sqlalchemy import text

from campaigns.launching import defer_sending, finish_campaign, settle_cancelled
from campaigns.tallies import add_to_tally
from extensions import db

# A worker is alive while its lease runs; the clock of the database decides, so that a jump of ours changes nothing.
STALE = text("""
WITH stale AS MATERIALIZED (
    SELECT m.id, m.state, m.unknown_count, k.unknown_policy
    FROM messages m JOIN campaigns k ON k.id = m.campaign_id
    WHERE m.state IN ('claimed', 'attempting')
        AND (CAST(:campaign AS bigint) IS NULL OR m.campaign_id = :campaign)
        AND NOT EXISTS (SELECT 1 FROM sending_leases l WHERE l.worker = m.claimed_by AND l.until > now())
    ORDER BY m.id LIMIT 5000 FOR UPDATE OF m SKIP LOCKED
)
UPDATE messages m SET
    state = CASE
        WHEN s.state = 'claimed' THEN 'pending'
        WHEN s.unknown_policy = 'resend' AND s.unknown_count = 0 THEN 'pending'
        ELSE 'unknown'
    END,
    unknown_count = m.unknown_count + CASE WHEN s.state = 'attempting' THEN 1 ELSE 0 END,
    response = CASE
        WHEN s.state = 'attempting' THEN 'The worker ended before the mail server answered.' ELSE m.response
    END,
    claimed_by = NULL,
    next_try_at = now(),
    finished_at = CASE
        WHEN s.state = 'attempting' AND NOT (s.unknown_policy = 'resend' AND s.unknown_count = 0) THEN now()
    END
FROM stale s WHERE m.id = s.id
RETURNING m.campaign_id, s.state AS before, m.state AS after
""")
COUNT_STALE = text("""
SELECT count(*) FROM messages m WHERE m.state IN ('claimed', 'attempting')
    AND NOT EXISTS (SELECT 1 FROM sending_leases l WHERE l.worker = m.claimed_by AND l.until > now())
""")
FORGET_LEASES = text("DELETE FROM sending_leases WHERE until < now() - interval '1 hour'")
DUE = text("""
SELECT k.id, k.state FROM campaigns k
WHERE (k.state = 'sending' AND NOT EXISTS (
    SELECT 1 FROM channel_states c WHERE c.channel = k.channel AND (c.is_paused OR c.rests_until > now())
)) OR (k.state = 'cancelled' AND EXISTS (
    SELECT 1 FROM messages m WHERE m.campaign_id = k.id AND m.state IN ('pending', 'deferred')
))
""")
HAS_DUE = text("""
SELECT EXISTS (
    SELECT 1 FROM messages WHERE campaign_id = :id AND state IN ('pending', 'deferred') AND next_try_at <= now()
)
""")


def count_stale_claims() -> int:
    """How many messages a dead worker holds."""
    count = db.session.scalar(COUNT_STALE) or 0
    db.session.rollback()
    return int(count)


def release_stale_claims() -> int:
    """Frees every message that a dead worker holds; commits. For the clock, every 15 s."""
    return release_stale_claims_of(None)


def release_stale_claims_of(campaign_id: int | None) -> int:
    """The same for one campaign."""
    rows = db.session.execute(STALE, {"campaign": campaign_id}).all()
    changes: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for campaign, before, after in rows:
        changes[campaign][before] -= 1
        changes[campaign][after] += 1
    for campaign in sorted(changes):
        add_to_tally(campaign, changes[campaign], "recovery")
    db.session.execute(FORGET_LEASES)
    db.session.commit()
    return len(rows)


def resume_sending() -> int:
    """Sees to it that every campaign with something due has a task, and ends those with nothing left; commits.

    For the clock, every 15 s. Returns how many tasks it put on the queue.
    """
    deferred = 0
    campaigns = db.session.execute(DUE).all()
    db.session.rollback()
    for campaign_id, state in campaigns:
        if state == "cancelled":
            settle_cancelled(campaign_id)
        elif db.session.scalar(HAS_DUE, {"id": campaign_id}):
            deferred += defer_sending(campaign_id, only_if_idle=True)
            db.session.commit()
        else:
            finish_campaign(campaign_id)
    return deferred
