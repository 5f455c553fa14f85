"""Dates that the team keeps in mind, such as an event: on the calendar, and nothing happens by themselves on them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func

from accounts.audit import add_audit_entry
from accounts.users import name_of
from errors import InputInvalid, NotFound
from extensions import db
from lib.clean_text import clean_text, one_line
from models import CalendarEntry

LONGEST_TITLE, LONGEST_DETAIL, MOST_DAYS = 120, 2000, 366


def get_entry(entry_id: int) -> CalendarEntry:
    """The entry. Raises NotFound."""
    entry = db.session.get(CalendarEntry, entry_id)
    if entry is None or entry.archived_at is not None:
        raise NotFound("There is no such entry.")
    return entry


def add_entry(
    title: str, *, starts_on: date, ends_on: date | None = None, detail: str = "", made_by: str, user_id: int | None
) -> CalendarEntry:
    """A new entry; commits. Raises InputInvalid."""
    entry = draft_entry(title, starts_on=starts_on, ends_on=ends_on, detail=detail, made_by=made_by, user_id=user_id)
    db.session.commit()
    return entry


def draft_entry(
    title: str,
    *,
    starts_on: date,
    ends_on: date | None = None,
    detail: str = "",
    made_by: str,
    user_id: int | None,
    proposal_id: int | None = None,
) -> CalendarEntry:
    """The same within the caller's transaction: nothing is committed here. Raises InputInvalid."""
    values = _checked(title, starts_on, ends_on, detail)
    entry = CalendarEntry(**values, made_by=made_by, created_by_id=user_id, proposal_id=proposal_id)
    db.session.add(entry)
    db.session.flush()
    return entry


def change_entry(entry_id: int, title: str, *, starts_on: date, ends_on: date | None, detail: str) -> CalendarEntry:
    """Changes all of an entry; commits. Raises InputInvalid, NotFound."""
    entry = get_entry(entry_id)
    for name, value in _checked(title, starts_on, ends_on, detail).items():
        setattr(entry, name, value)
    return _touched(entry)


def move_entry(entry_id: int, day: date) -> CalendarEntry:
    """Gives an entry another first day; it stays as long as it is. Commits. Raises NotFound."""
    entry = get_entry(entry_id)
    length = entry.ends_on - entry.starts_on
    entry.starts_on, entry.ends_on = day, day + length
    return _touched(entry)


def archive_entry(entry_id: int, *, user_id: int | None) -> CalendarEntry:
    """Takes an entry off the calendar; commits. Raises NotFound."""
    entry = get_entry(entry_id)
    entry.archived_at = datetime.now(UTC)
    actor = name_of(user_id)
    add_audit_entry("calendar_entry_removed", actor=actor, user_id=user_id, subject=f"calendar entry {entry.id}")
    return _touched(entry)


def _checked(title: str, starts_on: date, ends_on: date | None, detail: str) -> dict[str, Any]:
    fields: dict[str, str] = {}
    title, detail = one_line(title), clean_text(detail.replace("\r\n", "\n")).strip()
    last = ends_on or starts_on
    if not title or len(title) > LONGEST_TITLE:
        fields["title"] = f"Say what is on that day, in at most {LONGEST_TITLE} characters."
    if len(detail) > LONGEST_DETAIL:
        fields["detail"] = f"Keep this within {LONGEST_DETAIL:,} characters."
    if last < starts_on or last - starts_on > timedelta(days=MOST_DAYS):
        fields["ends_on"] = "The last day comes after the first, within a year."
    if fields:
        raise InputInvalid(fields)
    return {"title": title, "detail": detail, "starts_on": starts_on, "ends_on": last}


def _touched(entry: CalendarEntry) -> CalendarEntry:
    entry.updated_at = func.clock_timestamp()
    db.session.commit()
    return entry
