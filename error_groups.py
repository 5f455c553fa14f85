"""What is known of errors: groups with exact counts, hours, samples; read, resolved and cleared here.

record_events() is called by the error logger's writer on a connection of its own; everything else by pages and jobs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, delete, func, or_, select, tuple_, update

from accounts.audit import add_audit_entry
from errors import InputInvalid, NotFound
from extensions import db
from lib.fingerprint import VERSION, message_template
from models import ErrorFlush, ErrorGroup, ErrorHour, ErrorLog

FIRST_SAMPLES = 5
# A switch of repairs (repairs/prune_files.py): until the moment in its value no sample is kept.
SAMPLES_STOPPED = "samples_stopped"
RESOLVED_STATES = ("resolved_verified", "resolved_by_human")

Event = dict[str, Any]

_UPSERT_GROUP = """
INSERT INTO error_groups AS g (fingerprint, fingerprint_version, error_type, title, place, source, severity, count,
    first_seen, last_seen, first_release, last_release, alert_reason)
VALUES (%(fp)s, %(version)s, %(type)s, %(title)s, %(place)s, %(source)s, %(severity)s, %(count)s,
    %(first)s, %(last)s, %(release)s, %(release)s, 'new')
ON CONFLICT (fingerprint) DO UPDATE SET
    count = g.count + excluded.count,
    first_seen = least(g.first_seen, excluded.first_seen),
    last_seen = greatest(g.last_seen, excluded.last_seen),
    last_release = excluded.last_release,
    severity = CASE WHEN excluded.severity = 'critical' THEN 'critical' ELSE g.severity END,
    state = CASE WHEN g.state = ANY(%(resolved)s) AND excluded.last_seen > g.resolved_at
        AND (g.resolved_release IS NULL OR excluded.last_release = g.resolved_release
             OR excluded.last_release IS DISTINCT FROM g.last_release)
        THEN 'regressed' ELSE g.state END,
    alert_reason = CASE WHEN g.state = ANY(%(resolved)s) AND excluded.last_seen > g.resolved_at
        AND (g.resolved_release IS NULL OR excluded.last_release = g.resolved_release
             OR excluded.last_release IS DISTINCT FROM g.last_release)
        THEN 'regression' ELSE g.alert_reason END
RETURNING id, count
"""
_INSERT_SAMPLE = """
INSERT INTO error_log (error_type, error_message, error_stack, endpoint, method, user_id, severity, created_at,
    group_id, event_id, is_latest, request_id, release, fingerprint, context)
VALUES (%(type)s, %(message)s, %(stack)s, %(endpoint)s, %(method)s, (SELECT id FROM users WHERE id = %(user_id)s),
    %(severity)s, %(at)s, %(group_id)s, %(id)s, %(is_latest)s, %(request_id)s, %(release)s, %(fp)s, %(context)s)
ON CONFLICT (event_id) DO NOTHING
"""


def record_events(connection: psycopg.Connection, events: list[Event], name: str) -> bool:
    """Takes events into the database in one transaction and commits; False when `name` was recorded before."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO error_flushes (name) VALUES (%s) ON CONFLICT DO NOTHING RETURNING name", (name,))
        if cursor.fetchone() is None:
            return False
        groups: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event.get("fp") and event.get("at") and _is_first_to_tell(cursor, event):
                groups[str(event["fp"])].append(event)
        # In one order everywhere, so that two processes never wait for each other.
        batches = [groups[fingerprint] for fingerprint in sorted(groups)]
        if batches:
            counts = _upsert_groups(cursor, batches)
            _count_hours(cursor, batches, counts)
            _keep_samples(cursor, batches, counts)
    return True


def _is_first_to_tell(cursor: psycopg.Cursor, event: Event) -> bool:
    """Whether nobody recorded under one of the event's names before; what was recorded gets its evidence otherwise."""
    names = sorted(str(name) for name in event.get("once") or ())
    if not names:
        return True
    cursor.execute(
        "INSERT INTO error_flushes (name) SELECT 'once:' || name FROM unnest(%s::text[]) AS name "
        "ON CONFLICT DO NOTHING RETURNING name",
        (names,),
    )
    if len(cursor.fetchall()) == len(names):
        return True
    evidence = (event.get("context") or {}).get("evidence") or []
    cursor.execute(
        "UPDATE error_log SET context = context || jsonb_build_object('evidence', "
        "coalesce(context->'evidence', '[]'::jsonb) || %s) WHERE context->'once' ?| %s "
        "AND NOT coalesce(context->'evidence', '[]'::jsonb) @> %s",
        (Jsonb(evidence), names, Jsonb(evidence)),
    )
    return False


def _upsert_groups(cursor: psycopg.Cursor, batches: list[list[Event]]) -> list[tuple[int, int]]:
    """Each batch's group id and new count, in the order of the batches."""
    cursor.executemany(_UPSERT_GROUP, [_group_values(events) for events in batches], returning=True)
    found: list[tuple[int, int]] = []
    for result in cursor.results():
        row = result.fetchone()
        found.append((row[0], row[1]) if row else (0, 0))
    return found


def _group_values(events: list[Event]) -> dict[str, Any]:
    newest = events[-1]
    times = [str(event[key]) for event in events for key in ("first", "at") if event.get(key)]
    return {
        "fp": newest["fp"],
        "version": VERSION,
        "type": newest["type"],
        "title": message_template(str(newest.get("message", "")))[:300] or newest["type"],
        "place": newest.get("place"),
        "source": newest.get("source", "app"),
        "severity": newest.get("severity", "error"),
        "count": sum(int(event.get("times", 1)) for event in events),
        "first": min(times),
        "last": max(times),
        "release": newest.get("release"),
        "resolved": list(RESOLVED_STATES),
    }


def _count_hours(cursor: psycopg.Cursor, batches: list[list[Event]], counts: list[tuple[int, int]]) -> None:
    hours: dict[tuple[int, datetime], int] = defaultdict(int)
    for events, (group_id, _) in zip(batches, counts, strict=True):
        for event in events:
            at = datetime.fromisoformat(str(event["at"])).astimezone(UTC)
            hours[group_id, at.replace(minute=0, second=0, microsecond=0)] += int(event.get("times", 1))
    cursor.executemany(
        "INSERT INTO error_hours AS h (group_id, hour, count) VALUES (%s, %s, %s) "
        "ON CONFLICT (group_id, hour) DO UPDATE SET count = h.count + excluded.count",
        [(group_id, hour, count) for (group_id, hour), count in hours.items()],
    )


def _keep_samples(cursor: psycopg.Cursor, batches: list[list[Event]], counts: list[tuple[int, int]]) -> None:
    """The first five of a group, then one more each time its count doubles, and always the latest.

    None while a repair has stopped samples because the disk is full: what is counted stays exact.
    """
    cursor.execute(
        "SELECT 1 FROM repair_switches WHERE key = %s AND is_on AND value::timestamptz > now()", (SAMPLES_STOPPED,)
    )
    if cursor.fetchone() is not None:
        return
    ids = [group_id for group_id, _ in counts]
    cursor.execute(
        "SELECT group_id, count(*) FILTER (WHERE NOT is_latest), count(*) FILTER (WHERE is_latest) "
        "FROM error_log WHERE group_id = ANY(%s) GROUP BY group_id",
        (ids,),
    )
    kept = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    demoted: list[int] = []
    dropped: list[int] = []
    rows: list[dict[str, Any]] = []
    for events, (group_id, count) in zip(batches, counts, strict=True):
        samples = [event for event in events if event.get("sample")]
        if not samples:
            continue
        steady, latest_count = kept.get(group_id, (0, 0))
        free = FIRST_SAMPLES + max(0, count.bit_length() - 3) - steady
        (demoted if free > 0 else dropped).append(group_id)
        *earlier, latest = samples
        rows += [_sample_values(group_id, event, is_latest=False) for event in earlier[: max(0, free - latest_count)]]
        rows.append(_sample_values(group_id, latest, is_latest=True))
    cursor.execute("UPDATE error_log SET is_latest = false WHERE is_latest AND group_id = ANY(%s)", (demoted,))
    cursor.execute("DELETE FROM error_log WHERE is_latest AND group_id = ANY(%s)", (dropped,))
    cursor.executemany(_INSERT_SAMPLE, rows)


def _sample_values(group_id: int, event: Event, *, is_latest: bool) -> dict[str, Any]:
    return {
        "type": event["type"],
        "message": event.get("message", ""),
        "stack": event.get("stack"),
        "endpoint": event.get("endpoint"),
        "method": event.get("method"),
        "user_id": event.get("user_id"),
        "severity": event.get("severity", "error"),
        "at": event["at"],
        "group_id": group_id,
        "id": event["id"],
        "is_latest": is_latest,
        "request_id": event.get("request_id"),
        "release": event.get("release"),
        "fp": event["fp"],
        "context": Jsonb({**(event.get("context") or {}), **({"once": event["once"]} if event.get("once") else {})}),
    }


# ── reading ──


@dataclass(frozen=True)
class ErrorFilter:
    """Which errors are asked for; `cursor` is the id below which to go on."""

    hours: float = 24
    limit: int = 20
    cursor: int | None = None
    severity: str | None = None
    endpoint: str | None = None
    is_resolved: bool | None = None
    text: str | None = None
    group_id: int | None = None


@dataclass(frozen=True)
class ErrorRow:
    """A kept error with what is known of its group."""

    error: ErrorLog
    group: ErrorGroup

    def as_json(self) -> dict[str, Any]:
        """The columns of the owner's schema, and the group's."""
        error, group = self.error, self.group
        return {
            "id": error.id,
            "error_type": error.error_type,
            "error_message": error.error_message,
            "error_stack": error.error_stack,
            "endpoint": error.endpoint,
            "method": error.method,
            "user_id": error.user_id,
            "severity": error.severity,
            "is_resolved": error.is_resolved,
            "resolution_notes": error.resolution_notes,
            "created_at": error.created_at.isoformat(),
            "group_id": group.id,
            "occurrences": group.count,
            "first_seen": group.first_seen.isoformat(),
            "last_seen": group.last_seen.isoformat(),
            "state": group.state,
            "request_id": error.request_id,
            "release": error.release,
        }


@dataclass(frozen=True)
class ErrorPage:
    """One page of errors; `total` counts all that fit the filter."""

    errors: list[ErrorRow]
    total: int
    next_cursor: str | None


def list_errors(wanted: ErrorFilter) -> ErrorPage:
    """The kept errors that fit, newest first."""
    conditions = _conditions(wanted)
    total = (
        db.session.scalar(select(func.count()).select_from(ErrorLog).join(ErrorGroup, _group()).where(*conditions)) or 0
    )
    if wanted.cursor is not None:
        conditions.append(ErrorLog.id < wanted.cursor)
    query = select(ErrorLog, ErrorGroup).join(ErrorGroup, _group()).where(*conditions).order_by(ErrorLog.id.desc())
    rows = [ErrorRow(*row) for row in db.session.execute(query.limit(wanted.limit + 1))]
    shown = rows[: wanted.limit]
    return ErrorPage(shown, total, str(shown[-1].error.id) if len(rows) > wanted.limit else None)


def get_group(group_id: int) -> ErrorGroup:
    """The group; raises NotFound."""
    group = db.session.get(ErrorGroup, group_id)
    if group is None:
        raise NotFound("There is no such error group.")
    return group


def list_hours(group_id: int, hours: int = 48) -> list[tuple[datetime, int]]:
    """How often the group occurred in each of the last hours, oldest first, empty hours included."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = now - timedelta(hours=hours - 1)
    query = select(ErrorHour.hour, ErrorHour.count).where(ErrorHour.group_id == group_id, ErrorHour.hour >= start)
    counts: dict[datetime, int] = {hour.astimezone(UTC): count for hour, count in db.session.execute(query)}
    return [(hour, counts.get(hour, 0)) for hour in (start + timedelta(hours=n) for n in range(hours))]


def change_group_state(group: ErrorGroup, state: str, *, notes: str | None, release: str | None) -> None:
    """Moves a group to a state and its samples with it; the caller commits."""
    is_resolved = state in RESOLVED_STATES
    group.state = state
    group.resolution_notes = notes if notes is not None else group.resolution_notes
    group.resolved_at = datetime.now(UTC) if is_resolved else None
    group.resolved_release = release if is_resolved else None
    values = {"is_resolved": is_resolved, "resolution_notes": group.resolution_notes}
    db.session.execute(update(ErrorLog).where(ErrorLog.group_id == group.id).values(**values))


def clear_resolved(older_than_hours: float) -> int:
    """Drops the samples of groups resolved longer ago than that; groups and counts stay. Commits; how many samples."""
    before = datetime.now(UTC) - timedelta(hours=older_than_hours)
    old = select(ErrorGroup.id).where(ErrorGroup.state.in_(RESOLVED_STATES), ErrorGroup.resolved_at < before)
    gone = db.session.execute(delete(ErrorLog).where(ErrorLog.group_id.in_(old)).returning(ErrorLog.id)).all()
    db.session.execute(delete(ErrorFlush).where(ErrorFlush.at < datetime.now(UTC) - timedelta(days=7)))
    db.session.commit()
    return len(gone)


def _group() -> ColumnElement[bool]:
    return ErrorGroup.id == ErrorLog.group_id


def _conditions(wanted: ErrorFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [ErrorLog.created_at > datetime.now(UTC) - timedelta(hours=wanted.hours)]
    if wanted.severity:
        found.append(ErrorLog.severity == wanted.severity)
    if wanted.endpoint:
        found.append(ErrorLog.endpoint == wanted.endpoint)
    if wanted.is_resolved is not None:
        found.append(ErrorLog.is_resolved.is_(wanted.is_resolved))
    if wanted.group_id is not None:
        found.append(ErrorLog.group_id == wanted.group_id)
    if wanted.text:
        pattern = "%" + wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        found.append(or_(ErrorLog.error_message.ilike(pattern), ErrorLog.error_type.ilike(pattern)))
    return found


@dataclass(frozen=True)
class GroupFilter:
    """Which groups a page shows; `before` is the cursor (last seen, id) below which to go on."""

    text: str = ""
    state: str = "unresolved"
    severity: str = ""
    limit: int = 50
    before: tuple[datetime, int] | None = None


@dataclass(frozen=True)
class GroupRow:
    """A group with its hours of the last day, oldest first."""

    group: ErrorGroup
    hours: list[int]

    @property
    def cursor(self) -> str:
        return f"{self.group.last_seen.timestamp():.6f}-{self.group.id}"


def list_groups(wanted: GroupFilter) -> list[GroupRow]:
    """The groups that fit, the latest seen first; one more than the limit tells that there are more."""
    query = select(ErrorGroup).order_by(ErrorGroup.last_seen.desc(), ErrorGroup.id.desc()).limit(wanted.limit + 1)
    if wanted.state == "unresolved":
        query = query.where(ErrorGroup.state.not_in(RESOLVED_STATES))
    elif wanted.state:
        query = query.where(ErrorGroup.state == wanted.state)
    if wanted.severity:
        query = query.where(ErrorGroup.severity == wanted.severity)
    if wanted.text:
        columns = (ErrorGroup.title, ErrorGroup.error_type, ErrorGroup.place)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    if wanted.before is not None:
        query = query.where(tuple_(ErrorGroup.last_seen, ErrorGroup.id) < wanted.before)
    groups = list(db.session.scalars(query))
    hours = _hours_of([group.id for group in groups])
    return [GroupRow(group, hours[group.id]) for group in groups]


def list_samples(group_id: int, limit: int = 50) -> list[ErrorLog]:
    """The kept errors of a group, newest first."""
    query = select(ErrorLog).where(ErrorLog.group_id == group_id).order_by(ErrorLog.id.desc()).limit(limit)
    return list(db.session.scalars(query))


def resolve_by_hand(group_id: int, *, note: str, actor: str, user_id: int | None, release: str) -> ErrorGroup:
    """A person says that it is solved, and why; commits. Raises NotFound and InputInvalid."""
    group = get_group(group_id)
    if not note.strip():
        raise InputInvalid({"note": "Say in a few words why this is solved."})
    words = {"by": actor, "at": datetime.now(UTC).isoformat(), "note": note.strip()[:1000]}
    change_group_state(group, "resolved_by_human", notes=json.dumps(words), release=release)
    add_audit_entry("error_resolved", actor=actor, user_id=user_id, subject=f"error group {group.id}")
    db.session.commit()
    return group


def reopen_group(group_id: int, *, actor: str, user_id: int | None) -> ErrorGroup:
    """A person says that it is not solved; commits. Raises NotFound."""
    group = get_group(group_id)
    change_group_state(group, "open", notes=None, release=None)
    add_audit_entry("error_reopened", actor=actor, user_id=user_id, subject=f"error group {group.id}")
    db.session.commit()
    return group


def _hours_of(group_ids: list[int]) -> dict[int, list[int]]:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=23 - n) for n in range(24)]
    query = select(ErrorHour).where(ErrorHour.group_id.in_(group_ids), ErrorHour.hour >= hours[0])
    counts = {(row.group_id, row.hour.astimezone(UTC)): row.count for row in db.session.scalars(query)}
    return {group_id: [counts.get((group_id, hour), 0) for hour in hours] for group_id in group_ids}
