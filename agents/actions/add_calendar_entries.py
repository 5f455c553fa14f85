"""Puts dates of a plan on the calendar: the team keeps them in mind, nothing happens by itself on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from agents.actions.base import Action, Name, Outcome, Payload
from errors import Conflict, InputInvalid
from extensions import db
from models import CalendarEntry, Proposal
from publishing.entries import draft_entry

MOST_ENTRIES = 20


class PlannedEntry(Payload):
    """One date; without a last day it is one day long."""

    title: Name
    detail: Annotated[str, StringConstraints(max_length=2000)] = ""
    starts_on: date
    ends_on: date | None = None


class AddCalendarEntries(Payload):
    """The dates of a plan."""

    entries: Annotated[list[PlannedEntry], Field(min_length=1, max_length=MOST_ENTRIES)]
    made_by: Annotated[str, StringConstraints(max_length=80)] = "Brand & Strategy"


def _check(payload: AddCalendarEntries) -> None:
    for number, entry in enumerate(payload.entries):
        if entry.ends_on is not None and entry.ends_on < entry.starts_on:
            raise InputInvalid({f"entries.{number}.ends_on": "The last day comes after the first."})


def _describe(payload: AddCalendarEntries) -> str:
    count = len(payload.entries)
    return f"Puts {'1 date' if count == 1 else f'{count} dates'} on the calendar. Nothing goes out by itself on them."


def _carry_out(payload: AddCalendarEntries, proposal: Proposal, user_id: int | None) -> Outcome:
    made = [
        draft_entry(
            one.title,
            starts_on=one.starts_on,
            ends_on=one.ends_on,
            detail=one.detail,
            made_by=payload.made_by,
            user_id=user_id,
            proposal_id=proposal.id,
        )
        for one in payload.entries
    ]
    first = min(entry.starts_on for entry in made)
    return {"entries": [{"id": entry.id, "title": entry.title} for entry in made], "on": first.isoformat()}


def _undo(outcome: Mapping[str, Any]) -> None:
    entries: list[CalendarEntry] = []
    for made in outcome["entries"]:
        entry = db.session.get(CalendarEntry, int(made["id"]))
        if entry is None or entry.archived_at is not None or entry.title != made["title"]:
            raise Conflict("Somebody has worked on these dates since. Take off the calendar what is not wanted.")
        entries.append(entry)
    for entry in entries:
        entry.archived_at = datetime.now(UTC)
    db.session.flush()


ACTION: Action[AddCalendarEntries] = Action(
    key="add_calendar_entries",
    label="Add dates to the calendar",
    accept="Add to the calendar",
    payload=AddCalendarEntries,
    check=_check,
    describe=_describe,
    carry_out=_carry_out,
    undo=_undo,
    undone="Undone. The dates are off the calendar.",
    find_address=lambda outcome: f"/calendar/?on={outcome['on']}",
    done="The dates are on the calendar.",
)
