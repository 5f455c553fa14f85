"""Ends what is left of our own web unit when an old master still holds the port; systemd starts it again."""

from __future__ import annotations

from datetime import timedelta

from channels.service_helper import HelperRefused, ask_helper
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Situation, checked
from repairs.unit_verb import UnitVerb


class StopStaleProcess(UnitVerb):
    """Tier P: it is a kill -9 for the processes of lux.service, and of nothing else."""

    id = "stop_stale_process"
    title = "Stop the stale web process"
    changes = "systemd kills every process of lux.service, which frees the port, and starts the unit again."
    undo_words = f"{FINAL}: requests under way are broken off"
    cooldown = timedelta(minutes=30)
    daily_limit = 3
    verb = "stop-stale-web"

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        try:
            said = ask_helper(situation.settings.service_helper, "status-web")
        except HelperRefused as error:
            said = str(error)
        is_up = "ActiveState=active" in said or "ActiveState=activating" in said
        return checked("status", "ask systemd about lux.service", "ActiveState=active", said[-200:], passed=is_up)


REPAIR = StopStaleProcess()
