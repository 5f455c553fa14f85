"""What went wrong in the demo's LUX lately: errors as LUX captures them, one of which somebody has solved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import select

from demo.team import Team
from error_groups import resolve_by_hand
from error_logger import error_logger
from extensions import db
from lib.release import release_name
from models import ErrorGroup


@dataclass(frozen=True)
class Fault:
    """One kind of error: what it says, where it came up, how many hours ago each time."""

    kind: str
    message: str
    place: str
    hours_ago: tuple[float, ...]
    solved: str = ""


FAULTS = (
    Fault(
        "SMTPServerDisconnected",
        "421 4.7.0 Too many messages from this sender, slow down",
        "task send_due_messages",
        (61, 60.8, 60.5, 37, 36.9, 12, 11.8, 11.7),
    ),
    Fault(
        "TimeoutError",
        "The site of the shop did not answer within 10 seconds",
        "task send_webhook_deliveries",
        (80, 79.5, 79),
        "The shop moved to another server that day; it has answered since.",
    ),
)


def add_faults(team: Team) -> int:
    """Captures the errors at the times when they came up; commits. How many."""
    now, logger = datetime.now(UTC), error_logger()
    for fault in FAULTS:
        for hours in fault.hours_ago:
            at = now - timedelta(hours=hours)
            logger.capture(message=fault.message, error_type=fault.kind, place=fault.place, at=at)
    logger.flush_now()
    for fault in FAULTS:
        if fault.solved:
            _solve(fault, team)
    return sum(len(fault.hours_ago) for fault in FAULTS)


def _solve(fault: Fault, team: Team) -> None:
    group_id = db.session.scalar(select(ErrorGroup.id).where(ErrorGroup.error_type == fault.kind))
    if group_id is not None:
        person, release = team.operator, release_name(Path(current_app.root_path))
        resolve_by_hand(group_id, note=fault.solved, actor=person.name, user_id=person.id, release=release)
