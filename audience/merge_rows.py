"""What hangs on a contact when two become one: each table's rows move, or wait to be put back, and all that is written.

A new table with a link to contacts belongs into MOVED, COLLIDING or LEFT: tests/audience/test_merges.py asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Row, text

from audience.message_counts import count_moves
from extensions import db

# Rows that simply belong to the kept contact from then on, with the columns that name them.
MOVED: dict[str, tuple[str, ...]] = {
    "contact_events": ("id",),
    "consent_entries": ("id",),
    "tracking_events": ("id",),
    "conversions": ("id",),
    "intake_bodies": ("id",),
    "contact_import_rows": ("import_id", "row_number"),
    "person_tasks": ("id",),
    "side_effects": ("key",),
    "merged_addresses": ("address",),
    "contact_merges": ("id",),
    "messages": ("id",),
}
# Rows of which a contact has one only, with the columns that say which: what the kept contact has too is put aside.
COLLIDING: dict[str, tuple[str, ...]] = {
    "segment_memberships": ("segment_id",),
    "other_addresses": ("address",),
    "confirmations": (),
}
# What is computed from the rest goes with the contact, and is computed again.
LEFT = ("contact_scores", "duplicate_pairs")
PUT_OFF = "merged"

# A campaign that both have got stays twice in the ledger, and the second one counts as merged.
_MARK_TWICE = """
UPDATE messages AS m SET is_merged = true WHERE contact_id = :gone AND NOT is_merged AND EXISTS (
    SELECT 1 FROM messages AS k WHERE k.contact_id = :kept AND k.campaign_id = m.campaign_id AND k.channel = m.channel
        AND NOT k.is_merged)
RETURNING id
"""
_PUT_OFF_TWICE = """
WITH waiting AS MATERIALIZED (
    SELECT id, campaign_id, state, next_try_at, reason FROM messages
    WHERE id = ANY (:ids) AND state IN ('pending', 'deferred') FOR UPDATE
)
UPDATE messages AS m SET state = 'suppressed', reason = :word, finished_at = now(), next_try_at = NULL
FROM waiting AS w WHERE m.id = w.id
RETURNING m.id, w.campaign_id, w.state, w.next_try_at::text AS next_try_at, w.reason
"""
# What still waits for the other address goes to the one that is kept.
_READDRESS = """
WITH waiting AS MATERIALIZED (
    SELECT id, address FROM messages
    WHERE contact_id = :gone AND NOT is_merged AND channel = 'email' AND state IN ('pending', 'deferred') FOR UPDATE
)
UPDATE messages AS m SET address = :address FROM waiting AS w WHERE m.id = w.id RETURNING m.id, w.address
"""
_WAKE = """
UPDATE messages AS m SET state = w.state, reason = w.reason, finished_at = NULL,
    next_try_at = CAST(w.next_try_at AS timestamptz)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, state text, next_try_at text, reason text)
JOIN messages AS found ON found.id = w.id JOIN campaigns AS k ON k.id = found.campaign_id
WHERE m.id = w.id AND m.state = 'suppressed' AND m.reason = :word AND k.state IN ('sending', 'paused')
RETURNING m.id, m.campaign_id, m.state
"""
_ADDRESS_BACK = """
UPDATE messages AS m SET address = w.address
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, address text)
WHERE m.id = w.id AND m.address = :address AND m.state IN ('pending', 'deferred')
"""
# Whoever was welcomed under one of the two ids was welcomed.
_WELCOMED = """
INSERT INTO side_effects (key, contact_id)
SELECT 'welcome:' || :kept || ':' || split_part(key, ':', 3), :kept FROM side_effects
WHERE contact_id = :kept AND key LIKE 'welcome:' || :gone || ':%'
ON CONFLICT DO NOTHING RETURNING key
"""
# Two who are not the same person as a third stay so.
_STAY_APART = """
INSERT INTO duplicate_pairs (first_id, second_id, reasons, confidence, state, decided_by, decided_at)
SELECT least(:kept, other), greatest(:kept, other), reasons, confidence, state, decided_by, decided_at
FROM (SELECT *, CASE WHEN first_id = :gone THEN second_id ELSE first_id END AS other FROM duplicate_pairs) AS pair
WHERE state = 'apart' AND :gone IN (first_id, second_id) AND other <> :kept
ON CONFLICT DO NOTHING RETURNING first_id, second_id
"""
_PAIRS = "DELETE FROM duplicate_pairs AS t WHERE :gone IN (first_id, second_id) RETURNING to_jsonb(t)"
_PAIRS_BACK = """
INSERT INTO duplicate_pairs SELECT p.* FROM jsonb_populate_recordset(NULL::duplicate_pairs, CAST(:rows AS jsonb)) AS p
WHERE EXISTS (SELECT 1 FROM contacts WHERE id = p.first_id) AND EXISTS (SELECT 1 FROM contacts WHERE id = p.second_id)
ON CONFLICT DO NOTHING
"""


def move_rows(gone_id: int, kept_id: int, kept_address: str) -> dict[str, Any]:
    """Moves all that hangs on a contact to another one, in the caller's transaction; returns what undo needs."""
    both = {"gone": gone_id, "kept": kept_id}
    twice = [row.id for row in _run(_MARK_TWICE, **both)]
    put_off = [dict(row._mapping) for row in _run(_PUT_OFF_TWICE, ids=twice, word=PUT_OFF)]
    count_moves((row["campaign_id"], row["state"], "suppressed") for row in put_off)
    readdressed = [dict(row._mapping) for row in _run(_READDRESS, **both, address=kept_address)]
    aside = {table: _put_aside(table, columns, both) for table, columns in COLLIDING.items()}
    moved = {table: _move(table, columns, gone_id, kept_id) for table, columns in MOVED.items()}
    moved |= {table: _move(table, columns or ("contact_id",), gone_id, kept_id) for table, columns in COLLIDING.items()}
    welcomed = [row.key for row in _run(_WELCOMED, gone=str(gone_id), kept=kept_id)]
    apart = [[row.first_id, row.second_id] for row in _run(_STAY_APART, **both)]
    pairs = [row[0] for row in _run(_PAIRS, gone=gone_id)]
    return {
        "twice": twice,
        "put_off": [{name: row[name] for name in ("id", "state", "next_try_at", "reason")} for row in put_off],
        "readdressed": readdressed,
        "aside": aside,
        "moved": moved,
        "welcomed": welcomed,
        "apart": apart,
        "pairs": pairs,
    }


def move_rows_back(gone_id: int, kept_id: int, kept_address: str, rows: Mapping[str, Any]) -> None:
    """Takes move_rows() back, in the caller's transaction; what came since stays where it is."""
    _run("DELETE FROM side_effects WHERE key = ANY (:keys)", keys=rows["welcomed"])
    for first_id, second_id in rows["apart"]:
        _run("DELETE FROM duplicate_pairs WHERE first_id = :a AND second_id = :b", a=first_id, b=second_id)
    for table, columns in MOVED.items():
        _move_back(table, columns, gone_id, kept_id, rows["moved"].get(table, []))
    for table, columns in COLLIDING.items():
        _move_back(table, columns or ("contact_id",), gone_id, kept_id, rows["moved"].get(table, []))
        _put_back(table, rows["aside"].get(table, []))
    _run("UPDATE messages SET is_merged = false WHERE id = ANY (:ids)", ids=rows["twice"])
    woken = _run(_WAKE, rows=_json(rows["put_off"]), word=PUT_OFF)
    count_moves((row.campaign_id, "suppressed", row.state) for row in woken)
    _run(_ADDRESS_BACK, rows=_json(rows["readdressed"]), address=kept_address)
    _run(_PAIRS_BACK, rows=_json(rows["pairs"]))


def count_rows_of(contact_id: int) -> dict[str, int]:
    """How many rows of each kind hang on a contact, for the preview of a merge."""
    tables = ("contact_events", "consent_entries", "messages", "segment_memberships", "tracking_events", "person_tasks")
    parts = ", ".join(f"(SELECT count(*) FROM {table} WHERE contact_id = :id) AS {table}" for table in tables)  # noqa: S608 - constants
    row = _run(f"SELECT {parts}", id=contact_id)[0]
    return {name: int(count) for name, count in row._mapping.items()}


def _move(table: str, columns: Sequence[str], gone_id: int, kept_id: int) -> list[list[Any]]:
    named = ", ".join(columns)
    statement = f"UPDATE {table} SET contact_id = :kept WHERE contact_id = :gone RETURNING {named}"  # noqa: S608 - constants
    return [list(row) for row in _run(statement, gone=gone_id, kept=kept_id)]


def _move_back(table: str, columns: Sequence[str], gone_id: int, kept_id: int, names: Sequence[Sequence[Any]]) -> None:
    if not names:
        return
    same = " AND ".join(f"t.{column}::text = n.name ->> {at}" for at, column in enumerate(columns))
    _run(
        f"UPDATE {table} AS t SET contact_id = :gone FROM jsonb_array_elements(CAST(:names AS jsonb)) AS n (name) "  # noqa: S608 - constants
        f"WHERE t.contact_id = :kept AND {same}",
        gone=gone_id,
        kept=kept_id,
        names=_json(names),
    )


def _put_aside(table: str, columns: Sequence[str], both: Mapping[str, int]) -> list[Any]:
    """Deletes the rows that the kept contact has too, and gives them."""
    same = " AND ".join(["k.contact_id = :kept", *(f"k.{column} = t.{column}" for column in columns)])
    statement = (
        f"DELETE FROM {table} AS t WHERE contact_id = :gone AND EXISTS (SELECT 1 FROM {table} AS k WHERE {same}) "  # noqa: S608 - constants
        "RETURNING to_jsonb(t)"
    )
    return [row[0] for row in _run(statement, **both)]


def _put_back(table: str, rows: Sequence[Any]) -> None:
    """Rows that were put aside, but for memberships of segments that are gone."""
    if not rows:
        return
    alive = "EXISTS (SELECT 1 FROM segments WHERE id = p.segment_id)" if table == "segment_memberships" else "true"
    _run(
        f"INSERT INTO {table} SELECT p.* FROM jsonb_populate_recordset(NULL::{table}, CAST(:rows AS jsonb)) AS p "  # noqa: S608 - constants
        f"WHERE {alive} ON CONFLICT DO NOTHING",
        rows=_json(rows),
    )


def _run(statement: str, **values: Any) -> Sequence[Row[Any]]:
    done = db.session.execute(text(statement), values)
    return done.all() if isinstance(done, CursorResult) and done.returns_rows else []


def _json(value: Any) -> str:
    return json.dumps(value)
