"""Marks an error group as noise of the internet: scanners, broken clients; nobody is told of it any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from error_groups import get_group
from extensions import db
from probes.base import TestResult
from repairs.base import Outcome, Repair, RepairFailed, Situation, checked


class MarkNoise(Repair):
    """Tier A: it goes on being counted, and a person takes the mark away with one click."""

    id = "mark_noise"
    title = "Mark as noise"
    tier = "A"
    changes = "The group goes on counting; no alert is sent for it, and repair runs pass it by."
    undo_words = "by one click: the mark is taken away"
    cooldown = timedelta(minutes=1)
    daily_limit = 100
    only_contains = True
    leaves_nothing = True

    def find_obstacle(self, situation: Situation) -> str | None:
        if situation.group_id is None:
            return "There is no error group to mark."
        return "It is marked already." if get_group(situation.group_id).is_noise else None

    def dry_run(self, situation: Situation) -> str:
        return f"Mark error group {situation.group_id} as noise."

    def run(self, situation: Situation) -> Outcome:
        if situation.group_id is None:
            raise RepairFailed("There is no error group to mark.")
        group = get_group(situation.group_id)
        before = {"is_noise": group.is_noise, "alert_reason": group.alert_reason}
        group.is_noise, group.alert_reason = True, None
        db.session.commit()
        return Outcome("It is marked as noise.", before, {"is_noise": True}, {"group_id": situation.group_id})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        is_noise = situation.group_id is not None and get_group(situation.group_id).is_noise
        return checked("configuration", "look at the mark", "marked", "marked" if is_noise else "not", passed=is_noise)

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        get_group(int(undo["group_id"])).is_noise = False
        return "The group is watched again."


REPAIR = MarkNoise()
