"""Switches that a person turns on a page: the one that stops every repair, and what a repair has set for a while.

The stop is mirrored in a file of LUX_DATA_DIR, so that it holds while the database is away.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from config import current_settings
from extensions import db
from models import RepairSwitch

STOPPED = "repairs_stopped"


def find_switch(key: str) -> RepairSwitch | None:
    """A switch that has ever been turned, on or off."""
    return db.session.get(RepairSwitch, key, populate_existing=True)


def turn_switch(key: str, *, is_on: bool, by: str, reason: str = "", value: str | None = None) -> None:
    """Turns a switch; the caller commits."""
    values = {
        "is_on": is_on,
        "changed_by": by,
        "reason": reason[:500],
        "value": value,
        "changed_at": datetime.now(UTC),
    }
    row = insert(RepairSwitch).values(key=key, **values)
    db.session.execute(row.on_conflict_do_update(index_elements=["key"], set_=values))


def delete_switch(key: str) -> None:
    """Forgets a switch; the caller commits."""
    db.session.execute(delete(RepairSwitch).where(RepairSwitch.key == key))


def find_stop() -> str | None:
    """Why no repair may run, or None; known even while the database is away."""
    try:
        switch = find_switch(STOPPED)
    except SQLAlchemyError:
        with contextlib.suppress(SQLAlchemyError):
            db.session.rollback()
        return "Repairs are stopped." if _mirror().exists() else None
    if switch is None or not switch.is_on:
        return None
    words = f"Repairs were stopped by {switch.changed_by} on {switch.changed_at:%d %b %Y at %H:%M} UTC."
    return f"{words} {switch.reason}".strip()


def mirror_stop(*, is_on: bool) -> None:
    """Keeps the stop beside the database."""
    with contextlib.suppress(OSError):
        if is_on:
            _mirror().touch()
        else:
            _mirror().unlink(missing_ok=True)


def _mirror() -> Path:
    return current_settings().lux_data_dir / STOPPED
