"""The rows of the webhook inbox: kept before they are read, marked, collapsed, replayed, forgotten in time."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Cursor, RawCursor
from psycopg.types.json import Jsonb

DUPLICATE_HOURS = 48
IDEMPOTENT_HOURS = 72
DONE_DAYS = 30
DEAD_DAYS = 90
LONGEST_DETAIL = 500
DELETE_BATCH = 5_000


@dataclass(frozen=True)
class Received:
    """A body as it came in, before anything is known about it."""

    body: bytes
    content_type: str
    headers: Mapping[str, str]
    credential_id: int | None
    idempotency_key: str | None = None
    receipt: str = field(default_factory=lambda: secrets.token_hex(12))
    received_at: datetime | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True)
class Kept:
    """A body that is in the inbox. `twin_id` is an earlier row with the same body that was dealt with lately."""

    id: int
    received: Received
    twin_id: int | None = None


@dataclass(frozen=True)
class Stored:
    """What an inbox row became, for whoever asks again."""

    id: int
    receipt: str
    sha256: str
    state: str
    status: int | None
    answer: dict[str, Any] | None
    is_fresh: bool


# One parameter for any number of bodies; RawCursor spares psycopg the reading of a long statement.
_KEEP = f"""
    INSERT INTO intake_bodies
        (receipt, credential_id, content_type, headers, body, sha256, idempotency_key, received_at)
    SELECT receipt, credential_id, content_type, headers, decode(body, 'base64'), sha256, idempotency_key,
        coalesce(received_at, now())
    FROM jsonb_to_recordset($1::jsonb) AS given (receipt text, credential_id bigint, content_type text, headers jsonb,
        body text, sha256 text, idempotency_key text, received_at timestamptz)
    WHERE credential_id IN (SELECT id FROM webhook_credentials WHERE revoked_at IS NULL)
    ON CONFLICT DO NOTHING
    RETURNING receipt, id, CASE WHEN idempotency_key IS NULL THEN (
        SELECT twin.id FROM intake_bodies AS twin
        WHERE twin.credential_id = intake_bodies.credential_id AND twin.sha256 = intake_bodies.sha256
            AND twin.received_at > now() - interval '{DUPLICATE_HOURS} hours'
            AND twin.state = 'done' AND twin.reason IS NULL
        ORDER BY twin.received_at DESC LIMIT 1) END
"""  # noqa: S608 - a constant
_KEEP_UNCHECKED = """
    INSERT INTO intake_bodies
        (receipt, credential_id, content_type, headers, body, sha256, idempotency_key, received_at)
    VALUES (%(receipt)s::text, (SELECT id FROM webhook_credentials WHERE id = %(credential_id)s::bigint),
        %(content_type)s::text, %(headers)s::jsonb, %(body)s::bytea, %(sha256)s::text, %(idempotency_key)s::text,
        coalesce(%(received_at)s::timestamptz, now()))
    ON CONFLICT DO NOTHING
"""
_STORED = f"""
    SELECT id, receipt, sha256, state, answer_status, answer,
        received_at > now() - interval '{IDEMPOTENT_HOURS} hours' AS is_fresh
    FROM intake_bodies WHERE
"""  # noqa: S608 - a constant
_DUPLICATE = """
    WITH twin AS (SELECT contact_id, answer FROM intake_bodies WHERE id = %(twin_id)s),
    marked AS (
        UPDATE intake_bodies SET state = 'done', reason = 'duplicate', contact_id = twin.contact_id,
            answer_status = 200, processed_at = now()
        FROM twin WHERE intake_bodies.id = %(id)s
    )
    SELECT twin.answer, c.id, c.email, c.name, c.phone, c.source, c.segment, c.subscription,
        (SELECT coalesce(jsonb_agg(key ORDER BY segments.id), '[]') FROM segments
         JOIN segment_memberships ON segment_id = segments.id WHERE contact_id = c.id)
    FROM twin LEFT JOIN contacts AS c ON c.id = twin.contact_id
"""
_COLLAPSE = """
    WITH same AS (
        UPDATE intake_bodies SET seen_count = seen_count + 1, received_at = now(), processed_at = now(),
            reason = %(reason)s, detail = %(detail)s
        WHERE credential_id = (SELECT credential_id FROM intake_bodies WHERE id = %(id)s)
            AND sha256 = (SELECT sha256 FROM intake_bodies WHERE id = %(id)s AND idempotency_key IS NULL)
            AND state = 'dead' AND idempotency_key IS NULL AND id <> %(id)s
        RETURNING receipt
    ), gone AS (
        DELETE FROM intake_bodies WHERE id = %(id)s AND EXISTS (SELECT 1 FROM same)
    )
    SELECT receipt FROM same
"""
_DEAD = """
    UPDATE intake_bodies SET state = 'dead', reason = %(reason)s, detail = %(detail)s, processed_at = now(),
        answer_status = %(status)s, answer = %(answer)s
    WHERE id = %(id)s AND state = 'new' RETURNING receipt
"""
_DONE = """
    UPDATE intake_bodies SET state = 'done', reason = %(reason)s, detail = NULL, processed_at = now(),
        contact_id = %(contact_id)s, answer_status = %(status)s, answer = %(answer)s
    WHERE id = %(id)s AND state = 'new'
"""


def keep_bodies(cursor: Cursor[Any], bodies: Sequence[Received]) -> list[Kept | None]:
    """Writes bodies into the inbox, in their order.

    None stands for one whose credential lives no more, or whose receipt or key is there already.
    """
    rows = [
        {
            "receipt": received.receipt,
            "credential_id": received.credential_id,
            "content_type": received.content_type,
            "headers": dict(received.headers),
            "body": base64.b64encode(received.body).decode(),
            "sha256": received.sha256,
            "idempotency_key": received.idempotency_key,
            "received_at": received.received_at.isoformat() if received.received_at else None,
        }
        for received in bodies
    ]
    found = RawCursor(cursor.connection).execute(_KEEP, [json.dumps(rows)]).fetchall()
    ids = {receipt: (row_id, twin_id) for receipt, row_id, twin_id in found}
    return [Kept(ids[one.receipt][0], one, ids[one.receipt][1]) if one.receipt in ids else None for one in bodies]


def keep_unchecked_body(cursor: Cursor[Any], received: Received) -> None:
    """Writes a body that was let in earlier, from the spool or by hand; a second time does nothing."""
    values = _values(received)
    if cursor.execute(_KEEP_UNCHECKED, values).rowcount:
        return
    same = find_by_key(cursor, received)
    if same is not None and same.receipt != received.receipt and same.sha256 != received.sha256:
        cursor.execute(_KEEP_UNCHECKED, {**values, "idempotency_key": None})


def find_by_receipt(cursor: Cursor[Any], receipt: str) -> Stored | None:
    """The row of a receipt."""
    row = cursor.execute(_STORED + "receipt = %s", [receipt]).fetchone()
    return Stored(*row) if row else None


def find_by_key(cursor: Cursor[Any], received: Received) -> Stored | None:
    """The row that holds the same credential's idempotency key."""
    if received.idempotency_key is None:
        return None
    where = "credential_id = %s AND idempotency_key = %s"
    row = cursor.execute(_STORED + where, [received.credential_id, received.idempotency_key]).fetchone()
    return Stored(*row) if row else None


def free_key(cursor: Cursor[Any], stored: Stored) -> None:
    """Lets a key that is too old be used again."""
    cursor.execute("UPDATE intake_bodies SET idempotency_key = NULL WHERE id = %s", [stored.id])


def mark_duplicate(cursor: Cursor[Any], kept: Kept) -> dict[str, Any] | None:
    """Marks a row as a duplicate of its twin; gives the answer with what the contact is now."""
    row = cursor.execute(_DUPLICATE, {"id": kept.id, "twin_id": kept.twin_id}).fetchone()
    if row is None:
        return None
    answer, contact_id, *rest = row
    if contact_id is None:
        return dict(answer or {})
    names = ("email", "name", "phone", "source", "segment", "subscription", "segments")
    return {"id": contact_id, "status": "unchanged", **dict(zip(names, rest, strict=True)), "warnings": []}


def mark_dead(
    cursor: Cursor[Any], kept_id: int, *, reason: str, detail: str, status: int, answer: dict[str, Any]
) -> str:
    """Marks a row as dead, or counts it on the one with the same body that is dead already; the receipt that stays."""
    values = {
        "id": kept_id,
        "reason": reason,
        "detail": detail[:LONGEST_DETAIL],
        "status": status,
        "answer": Jsonb(answer),
    }
    while True:
        row = cursor.execute(_COLLAPSE, values).fetchone()
        if row is not None:
            return str(row[0])
        try:
            row = cursor.execute(_DEAD, values).fetchone()
        except psycopg.errors.UniqueViolation:  # the same body died in another thread just now: count it there
            continue
        return str(row[0]) if row else str(answer.get("receipt", ""))


def mark_done(
    cursor: Cursor[Any],
    kept_id: int,
    *,
    status: int,
    answer: dict[str, Any],
    contact_id: int | None,
    reason: str | None,
) -> None:
    """Marks a row of several items as done; one of a single item is marked by its arrival."""
    values = {"id": kept_id, "status": status, "answer": Jsonb(answer), "contact_id": contact_id, "reason": reason}
    cursor.execute(_DONE, values)


def mark_edited(cursor: Cursor[Any], body_id: int, *, receipt: str, contact_id: int | None) -> None:
    """Marks a dead row whose edited copy, by its receipt, went through."""
    cursor.execute(
        """
        UPDATE intake_bodies SET state = 'done', reason = 'edited', detail = %s, contact_id = %s, processed_at = now()
        WHERE id = %s AND state = 'dead'
        """,
        [f"Edited and replayed as {receipt}.", contact_id, body_id],
    )


def list_waiting(cursor: Cursor[Any], *, older_than_seconds: float, limit: int) -> list[Kept]:
    """Rows that nobody finished, oldest first, each with one more attempt on its count."""
    rows = cursor.execute(
        """
        UPDATE intake_bodies SET attempts = attempts + 1 WHERE id IN (
            SELECT id FROM intake_bodies WHERE state = 'new' AND received_at < now() - make_interval(secs => %s)
            ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING id, body, content_type, headers, credential_id, idempotency_key, receipt, received_at, attempts
        """,
        [older_than_seconds, limit],
    ).fetchall()
    return [Kept(row[0], Received(*row[1:8])) for row in sorted(rows, key=lambda row: int(row[0]))]


def count_attempts(cursor: Cursor[Any], kept_id: int) -> int:
    """How often a waiting row was tried by the sweeper."""
    row = cursor.execute("SELECT attempts FROM intake_bodies WHERE id = %s", [kept_id]).fetchone()
    return int(row[0]) if row else 0


def wake_dead(cursor: Cursor[Any], *, ids: list[int] | None = None, reason: str | None = None) -> list[int]:
    """Sets dead rows back to new, by id or by reason, so that they are read again; their ids."""
    rows = cursor.execute(
        """
        UPDATE intake_bodies SET state = 'new', attempts = 0
        WHERE state = 'dead' AND (id = ANY(%s::bigint[]) OR reason = %s::text) RETURNING id
        """,
        [ids or [], reason],
    ).fetchall()
    return sorted(row[0] for row in rows)


def get_kept(cursor: Cursor[Any], kept_id: int) -> Kept | None:
    """A waiting row by its id."""
    row = cursor.execute(
        """
        SELECT id, body, content_type, headers, credential_id, idempotency_key, receipt, received_at
        FROM intake_bodies WHERE id = %s AND state = 'new'
        """,
        [kept_id],
    ).fetchone()
    return Kept(row[0], Received(*row[1:])) if row else None


def delete_old(cursor: Cursor[Any]) -> int:
    """Deletes done rows after 30 days and dead ones after 90; what waits is never deleted."""
    deleted = 0
    while True:
        gone = cursor.execute(
            """
            DELETE FROM intake_bodies WHERE id IN (
                SELECT id FROM intake_bodies WHERE (state = 'done' AND received_at < now() - make_interval(days => %s))
                    OR (state = 'dead' AND received_at < now() - make_interval(days => %s)) LIMIT %s)
            """,
            [DONE_DAYS, DEAD_DAYS, DELETE_BATCH],
        ).rowcount
        deleted += gone
        if gone < DELETE_BATCH:
            return deleted


def _values(received: Received) -> dict[str, Any]:
    return {
        "receipt": received.receipt,
        "credential_id": received.credential_id,
        "content_type": received.content_type,
        "headers": Jsonb(dict(received.headers)),
        "body": received.body,
        "sha256": received.sha256,
        "idempotency_key": received.idempotency_key,
        "received_at": received.received_at,
    }
