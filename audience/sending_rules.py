"""When LUX may write to people: whether new contacts confirm first, and the hours in which no campaign goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert

from accounts.audit import add_audit_entry
from config import current_settings
from errors import InputInvalid
from extensions import db
from lib.quiet_hours import find_quiet_end
from models import SendingRules, User

ONLY_ONE = 1


@dataclass(frozen=True)
class QuietHours:
    """From when until when nothing goes out, in the zone of the settings."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M} to {self.end:%H:%M}"


def is_double_opt_in() -> bool:
    """Whether new contacts are asked by mail to confirm before they get campaigns."""
    row = db.session.get(SendingRules, ONLY_ONE)
    return row is not None and row.is_double_opt_in


def find_quiet_hours() -> QuietHours | None:
    """The hours in which no campaign goes out, or None."""
    row = db.session.get(SendingRules, ONLY_ONE, populate_existing=True)
    if row is None or row.quiet_from is None or row.quiet_until is None or row.quiet_from == row.quiet_until:
        return None
    return QuietHours(row.quiet_from, row.quiet_until)


def find_end_of_quiet(now: datetime | None = None) -> datetime | None:
    """The moment until which no campaign goes out, or None when it may."""
    hours = find_quiet_hours()
    if hours is None:
        return None
    return find_quiet_end(now or datetime.now(UTC), hours.begin, hours.end, ZoneInfo(current_settings().timezone))


def change_sending_rules(
    *, is_double_opt_in: bool, quiet_from: str, quiet_until: str, by: User, peer: str | None = None
) -> None:
    """Changes both rules; commits. Times are such as 21:30; both empty means no quiet hours. Raises InputInvalid."""
    errors: dict[str, str] = {}
    begin, end = _time(quiet_from, "quiet_from", errors), _time(quiet_until, "quiet_until", errors)
    if not errors and (begin is None) != (end is None):
        errors["quiet_until" if end is None else "quiet_from"] = "Give both times, or leave both empty."
    if not errors and begin is not None and begin == end:
        errors["quiet_until"] = "Choose another time than the beginning."
    if errors:
        raise InputInvalid(errors)
    values = {
        "is_double_opt_in": is_double_opt_in,
        "quiet_from": begin,
        "quiet_until": end,
        "changed_at": datetime.now(UTC),
    }
    row = insert(SendingRules).values(id=ONLY_ONE, **values)
    db.session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    add_audit_entry(
        "sending_rules_changed",
        actor=by.name,
        user_id=by.id,
        peer=peer,
        double_opt_in="on" if is_double_opt_in else "off",
        quiet=f"{begin:%H:%M} to {end:%H:%M}" if begin and end else "none",
    )
    db.session.commit()


def _time(text: str, name: str, errors: dict[str, str]) -> time | None:
    text = text.strip()
    if not text:
        return None
    try:
        return datetime.strptime(text[:5], "%H:%M").time()
    except ValueError:
        errors[name] = "Choose a time of day, such as 21:30."
        return None
