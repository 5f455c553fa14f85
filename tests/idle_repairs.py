"""Repairs that do nothing and say whatever they are told to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from probes.base import TestResult
from repairs.base import Outcome, Repair, Situation


class Idle(Repair):
    """Does nothing and says whatever it is told to say about it."""

    id = "migrate_database"
    title = "Do nothing"
    tier = "A"
    changes = "Nothing."
    undo_words = "nothing to undo"
    cooldown = timedelta(seconds=0)
    daily_limit = 10_000

    def __init__(self, outcome: Outcome, check: TestResult | None) -> None:
        self.outcome, self.check = outcome, check

    def dry_run(self, situation: Situation) -> str:
        return "Nothing at all."

    def run(self, situation: Situation) -> Outcome:
        return self.outcome

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        if self.check is None:
            raise RuntimeError("It cannot be checked.")
        return self.check

    def undo(self, situation: Situation, undo: Mapping[str, Any]) -> str:
        return "Nothing was undone."


CLAIMS = [
    Outcome("Everything is repaired."),
    Outcome("Migrated.", {"revision": "0003"}, {"revision": "0005"}),
    Outcome("Restarted.", {"processes": [1]}, {"processes": [2]}, {}),
    Outcome("", {}, {}),
    Outcome("200 OK", {"status": 500}, {"status": 200}),
]
CHECKS = [
    TestResult("endpoint", "open the page", "200", "200", True, "view:contacts.index"),
    TestResult("status", "look", "fine", "fine", True, "post-check"),
    TestResult("database", "ping", "20 of 20", "20 of 20", True, "dependency:schema"),
    TestResult("traffic", "count", "10 successes", "1,000,000 successes, 0 new errors", True, "traffic"),
    TestResult("status", "look", "", "", True, ""),
    TestResult("endpoint", "open the page", "200", "200", True, "view:contacts.index", is_live_baseline=True),
    TestResult("status", "look", "fine", "not fine", False, "post-check"),
    None,
]
DO_NOTHING = [(claim, check) for claim in CLAIMS for check in CHECKS]
