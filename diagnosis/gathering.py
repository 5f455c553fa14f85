"""Gathers the signals of this LUX itself: of an error group with its moment in the logs, and of the whole system."""

from __future__ import annotations

from collections.abc import Iterable

from diagnosis.base import Signal

HealthRow = tuple[str, str, str]  # key, status, text


def signals_of_group(group_id: int, health: Iterable[HealthRow] = ()) -> list[Signal]:
    """A group's samples, the log lines of that moment, and health results that are not well. Raises NotFound."""
    return []


def signals_of_system(health: Iterable[HealthRow] = ()) -> list[Signal]:
    """Every unresolved group's latest sample, the last minutes of the logs, and health results that are not well."""
    return []
