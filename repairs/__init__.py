"""The repairs that LUX knows, in the order of docs/repair.md. To add one, write repairs/<id>.py and list it here."""

from __future__ import annotations

from collections.abc import Sequence

from repairs import dispose_pools, end_idle_transactions, migrate_database, start_database
from repairs.base import Repair

REPAIRS: list[Repair] = [
    dispose_pools.REPAIR,
    end_idle_transactions.REPAIR,
    start_database.REPAIR,
    migrate_database.REPAIR,
]


def find_repair(key: str, repairs: Sequence[Repair] = ()) -> Repair | None:
    """The repair of that id, or None."""
    return next((repair for repair in (*repairs, *REPAIRS) if repair.id == key), None)
