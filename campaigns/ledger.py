"""The ledger as a worker sees it: claim, attempt, record, release. One row per message, and it is also the queue.

pending → claimed → attempting (committed before the message leaves) → sent, deferred, failed, suppressed or unknown.
Each method is one short transaction; none is open while a mail server is spoken to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection as DriverConnection
from psycopg import Cursor, OperationalError
from sqlalchemy import Connection, create_engine, text

from campaigns.bounces import note_bounce
from campaigns.tallies import add_to_tally, tally_slot
from channels.base import FAILED, SENT, Outcome
from config import current_settings
from extensions import db
from models import MESSAGE_STATES

SUPPRESSED_ADDRESS = (
    "EXISTS (SELECT 1 FROM suppressions s WHERE s.channel = m.channel"
    " AND s.address_sha256 = encode(sha256(convert_to(m.address, 'UTF8')), 'hex'))"
)
# Why a message must not go, judged at the last moment; NULL: it may.
REFUSAL = f"""CASE
    WHEN c.id IS NULL THEN 'erased'
    WHEN c.subscription = 'none' THEN 'no_consent'
    WHEN c.subscription <> 'subscribed' THEN c.subscription
    WHEN {SUPPRESSED_ADDRESS} THEN 'suppressed'
END"""
# Nothing is claimed in quiet hours, whoever asks; a span such as 21:00 to 08:00 passes midnight.
IS_QUIET = """EXISTS (
    SELECT 1 FROM sending_rules r, (SELECT (now() AT TIME ZONE %(zone)s)::time AS clock) here
    WHERE CASE WHEN r.quiet_from < r.quiet_until THEN clock >= r.quiet_from AND clock < r.quiet_until
        ELSE r.quiet_from <> r.quiet_until AND (clock >= r.quiet_from OR clock < r.quiet_until) END)"""
CLAIM = f"""
WITH due AS (
    SELECT id, state FROM messages
    WHERE campaign_id = %(campaign)s AND state IN ('pending', 'deferred') AND next_try_at <= now() AND NOT {IS_QUIET}
    ORDER BY next_try_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), judged AS MATERIALIZED (
    SELECT m.id, due.state AS before, {REFUSAL} AS refusal, c.name, c.phone, c.source,
        CASE WHEN %(wants_attributes)s THEN c.attributes END AS attributes
    FROM due JOIN messages m ON m.id = due.id LEFT JOIN contacts c ON c.id = m.contact_id
)
UPDATE messages m SET
    state = CASE WHEN j.refusal IS NULL THEN 'claimed' ELSE 'suppressed' END,
    reason = j.refusal,
    claimed_by = CASE WHEN j.refusal IS NULL THEN %(worker)s END,
    finished_at = CASE WHEN j.refusal IS NULL THEN NULL ELSE now() END
FROM judged j WHERE m.id = j.id
RETURNING m.id, m.state, j.before, m.address, m.attempts, m.contact_id, j.name, j.phone, j.source, j.attributes
"""  # noqa: S608 - put together from constants
SUPPRESS = text(f"""
UPDATE messages m SET state = 'suppressed', reason = j.refusal, claimed_by = NULL, finished_at = now()
FROM (
    SELECT m.id, {REFUSAL} AS refusal FROM messages m LEFT JOIN contacts c ON c.id = m.contact_id
    WHERE m.id = ANY(:ids) AND m.state = 'claimed' AND m.claimed_by = :worker
) j WHERE m.id = j.id AND j.refusal IS NOT NULL
RETURNING m.id
""")  # noqa: S608 - put together from constants
COUNTED = [f"count(*) FILTER (WHERE after = '{s}') - count(*) FILTER (WHERE before = '{s}')" for s in MESSAGE_STATES]
# One statement records what came back and notes what leaves next: one round trip and one commit for both.
# An outcome that comes after its worker was taken for dead still counts, unless somebody has tried again since.
ADVANCE = f"""
WITH o AS (
    SELECT * FROM unnest(
        %(ids)s::bigint[], %(states)s::text[], %(codes)s::bigint[], %(texts)s::text[], %(queue_ids)s::text[],
        %(waits)s::float8[]
    ) AS o(id, state, code, response, queue_id, wait)
), before AS MATERIALIZED (
    SELECT m.id, m.state, m.unknown_count, m.first_tried_at < now() - interval '24 hours' AS is_old
    FROM messages m JOIN o ON o.id = m.id
    WHERE (m.state = 'attempting' AND m.claimed_by = %(worker)s)
        OR (m.unknown_count > 0 AND m.state IN ('unknown', 'pending', 'claimed'))
    FOR UPDATE OF m
), judged AS (
    SELECT b.id, b.state AS before, o.code, o.response, o.queue_id, o.wait,
        CASE
            WHEN o.state = 'deferred' AND b.is_old THEN 'failed'
            WHEN o.state = 'unknown' AND %(is_resent)s AND b.unknown_count = 0 THEN 'pending'
            ELSE o.state
        END AS state,
        CASE WHEN o.state = 'deferred' AND b.is_old THEN 'gave_up' END AS reason,
        CASE WHEN o.state = 'unknown' AND b.state = 'attempting' THEN 1 ELSE 0 END AS doubts
    FROM before b JOIN o ON o.id = b.id
), recorded AS (
    UPDATE messages m SET
        state = j.state, reason = j.reason, response_code = j.code, response = j.response, queue_id = j.queue_id,
        claimed_by = NULL, unknown_count = m.unknown_count + j.doubts,
        next_try_at = CASE WHEN j.state IN ('deferred', 'pending') THEN now() + make_interval(secs => j.wait) END,
        finished_at = CASE WHEN j.state IN ('deferred', 'pending') THEN NULL ELSE now() END
    FROM judged j WHERE m.id = j.id
    RETURNING m.id, j.before, m.state AS after, m.contact_id, m.address
), attempted AS (
    UPDATE messages m SET
        state = 'attempting', attempts = m.attempts + 1, first_tried_at = coalesce(m.first_tried_at, now())
    WHERE m.id = ANY(%(starting)s::bigint[]) AND m.state = 'claimed' AND m.claimed_by = %(worker)s
        AND EXISTS (SELECT 1 FROM campaigns k WHERE k.id = m.campaign_id AND k.state = 'sending')
        AND EXISTS (SELECT 1 FROM contacts c WHERE c.id = m.contact_id AND c.subscription = 'subscribed')
        AND NOT {SUPPRESSED_ADDRESS}
    RETURNING m.id
), moves AS (
    SELECT before, after FROM recorded UNION ALL SELECT 'claimed', 'attempting' FROM attempted
), tallied AS (
    INSERT INTO campaign_tallies AS t (campaign_id, writer, {", ".join(MESSAGE_STATES)})
    SELECT %(campaign)s, %(slot)s, {", ".join(COUNTED)} FROM moves HAVING count(*) > 0
    ON CONFLICT (campaign_id, writer) DO UPDATE SET {", ".join(f"{s} = t.{s} + excluded.{s}" for s in MESSAGE_STATES)}
)
SELECT 'attempting', id, NULL::bigint, NULL FROM attempted
UNION ALL SELECT 'sent', count(*), NULL, NULL FROM recorded WHERE after = 'sent'
UNION ALL SELECT after, id, contact_id, address FROM recorded WHERE after <> 'sent'
"""  # noqa: S608 - put together from constants
RELEASE = text("""
WITH held AS MATERIALIZED (
    SELECT id, state FROM messages WHERE state IN ('claimed') AND claimed_by = :worker FOR UPDATE
)
UPDATE messages m SET state = 'pending', claimed_by = NULL, next_try_at = now()
FROM held WHERE m.id = held.id RETURNING m.id
""")
PUT_OFF = text("""
UPDATE messages m SET state = 'deferred', claimed_by = NULL, next_try_at = now() + make_interval(secs => o.wait)
FROM unnest(CAST(:ids AS bigint[]), CAST(:waits AS float8[])) AS o(id, wait)
WHERE m.id = o.id AND m.state = 'claimed' AND m.claimed_by = :worker RETURNING m.id
""")
LEASE = text("""
WITH held AS MATERIALIZED (
    SELECT id, state FROM messages WHERE state IN ('claimed') AND claimed_by = :worker FOR UPDATE
)
UPDATE messages m SET state = 'pending', claimed_by = NULL, next_try_at = now()
FROM held WHERE m.id = held.id RETURNING m.id
""")
WAIT = text("""
UPDATE messages m SET state = 'deferred', claimed_by = NULL, next_try_at = now() + make_interval(secs => :seconds)
WHERE m.id = ANY(:ids) AND m.state = 'claimed' AND m.claimed_by = :worker RETURNING m.id
""")
LEASE = text("""
INSERT INTO sending_leases (worker, campaign_id, until)
VALUES (:worker, :campaign, now() + make_interval(secs => :seconds))
ON CONFLICT (worker) DO UPDATE SET until = excluded.until
""")


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that this worker holds, with what is needed to write it."""

    id: int
    address: str
    domain: str
    attempts: int
    contact_id: int | None
    name: str | None
    phone: str | None
    source: str | None
    attributes: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Finished:
    """An outcome, and how long to wait if the message is to be tried again."""

    outcome: Outcome
    wait_seconds: float = 0.0


@dataclass(slots=True)
class Step:
    """What one transaction did."""

    allowed: set[int] = field(default_factory=set)
    is_sending: bool = True
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Claim:
    """Messages that are this worker's now, and how many it found that must not go."""

    messages: list[ClaimedMessage] = field(default_factory=list)
    suppressed: int = 0


class Ledger:
    """The ledger for one worker and one campaign."""

    def __init__(
        self, campaign_id: int, worker: str, *, is_unknown_resent: bool, wants_attributes: bool, lease_seconds: float
    ) -> None:
        self._campaign_id = campaign_id
        self._worker = worker
        self._is_unknown_resent = is_unknown_resent
        self._wants_attributes = wants_attributes
        self._lease_seconds = lease_seconds
        # One connection of its own, without a ping before each use: a lost database shows in the statement itself.
        self._engine = create_engine(
            db.engine.url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=0,
            connect_args={"connect_timeout": 5, "application_name": "lux sending"},
        )

    def advance(self, finished: Sequence[Finished], starting: Sequence[int], *, renews_lease: bool) -> Step:
        """Records outcomes and notes which messages are about to leave; commits.

        Only the messages in `allowed` may be sent, and only after this has returned.
        """
        step = Step()
        if renews_lease:
            self._renew()
        if finished or starting:
            self._move(finished, list(starting), step)
        return step

    def claim(self, limit: int) -> Claim:
        """Takes messages that are due; commits."""
        values = {
            "campaign": self._campaign_id,
            "worker": self._worker,
            "limit": limit,
            "wants_attributes": self._wants_attributes,
            "zone": current_settings().timezone,
        }
        claim = Claim()
        changes: Counter[str] = Counter()
        cursor = _cursor_of(db.session.connection())
        for message_id, state, before, address, *rest in cursor.execute(CLAIM, values, prepare=True):
            changes[before] -= 1
            changes[state] += 1
            if state == "claimed":
                domain = address.rpartition("@")[2].lower()
                claim.messages.append(ClaimedMessage(message_id, address, domain, *rest))
            else:
                claim.suppressed += 1
        # Another row of the tally than advance() uses: the two need not wait for each other.
        add_to_tally(self._campaign_id, changes, f"{self._worker} claims")
        db.session.commit()
        return claim

    def put_off(self, waits: Sequence[tuple[int, float]]) -> None:
        """Gives claimed messages back for later, because their receiving domain wants fewer; commits."""
        values = {
            "ids": [message_id for message_id, _ in waits],
            "waits": [seconds for _, seconds in waits],
            "worker": self._worker,
        }
        rows = db.session.execute(PUT_OFF, values).all()
        add_to_tally(self._campaign_id, {"claimed": -len(rows), "deferred": len(rows)}, self._worker)
        db.session.commit()

    def release(self) -> None:
        """Gives everything back that is claimed and not begun, and the lease; commits."""
        rows = db.session.execute(RELEASE, {"worker": self._worker}).all()
        db.session.execute(text("DELETE FROM sending_leases WHERE worker = :worker"), {"worker": self._worker})
        add_to_tally(self._campaign_id, {"claimed": -len(rows), "pending": len(rows)}, self._worker)
        db.session.commit()
        self._engine.dispose()

    def _renew(self) -> None:
        values = {"worker": self._worker, "campaign": self._campaign_id, "seconds": self._lease_seconds}
        with self._engine.connect() as connection:
            connection.execute(LEASE, values)

    def _move(self, finished: Sequence[Finished], starting: list[int], step: Step) -> None:
        """By the driver itself: this runs for every few messages, and SQLAlchemy's layers would cost as much again."""
        outcomes = [one.outcome for one in finished]
        values = {
            "campaign": self._campaign_id,
            "slot": tally_slot(self._worker),
            "worker": self._worker,
            "is_resent": self._is_unknown_resent,
            "starting": starting,
            "ids": [o.key for o in outcomes],
            "states": [o.state for o in outcomes],
            "codes": [o.code for o in outcomes],
            "texts": [o.text[:500].replace("\x00", "") for o in outcomes],
            "queue_ids": [o.queue_id for o in outcomes],
            "waits": [one.wait_seconds for one in finished],
        }
        if all(outcome.state == SENT for outcome in outcomes):
            # The usual case: one statement that commits itself, one round trip.
            with self._engine.connect() as connection:
                try:
                    self._note(_cursor_of(connection).execute(ADVANCE, values, prepare=True), step)
                except OperationalError:
                    connection.invalidate()
                    raise
        else:
            # A refused message may suppress its address: both are noted in one transaction.
            refused = self._note(_cursor_of(db.session.connection()).execute(ADVANCE, values, prepare=True), step)
            known = {outcome.key: outcome for outcome in outcomes}
            for message_id, contact_id, address in refused:
                note_bounce(known[message_id], contact_id, address)
            db.session.commit()
        if len(step.allowed) < len(starting):
            self._suppress([message_id for message_id in starting if message_id not in step.allowed], step)

    def _note(self, moved: Iterable[tuple[Any, ...]], step: Step) -> list[tuple[int, int, str]]:
        """What the statement said; gives the messages that failed for good, with contact and address."""
        refused = []
        for state, number, contact_id, address in moved:
            if state == "attempting":
                step.allowed.add(number)
            elif state == SENT:
                step.counts[SENT] += number
            else:
                step.counts[state] += 1
                if state == FAILED and contact_id is not None:
                    refused.append((number, contact_id, address))
        return refused

    def _suppress(self, ids: list[int], step: Step) -> None:
        """Those that may not leave any more: the person has gone meanwhile, or the campaign was stopped."""
        suppressed = len(db.session.execute(SUPPRESS, {"ids": ids, "worker": self._worker}).all())
        add_to_tally(self._campaign_id, {"claimed": -suppressed, "suppressed": suppressed}, self._worker)
        step.counts["suppressed"] += suppressed
        state = db.session.scalar(text("SELECT state FROM campaigns WHERE id = :id"), {"id": self._campaign_id})
        step.is_sending = state == "sending"
        db.session.commit()


def _cursor_of(connection: Connection) -> Cursor[tuple[Any, ...]]:
    """The driver's own cursor on a connection that SQLAlchemy keeps."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, DriverConnection):
        raise TypeError("The ledger speaks to PostgreSQL through psycopg.")
    return driver.cursor()
