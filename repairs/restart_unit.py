"""Restarts a unit of LUX through the service helper: the web process, or the worker where the fault is a task's."""

from __future__ import annotations

import time
from datetime import timedelta

import psutil

import processes
from extensions import db
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Situation, checked
from repairs.unit_verb import UnitVerb

BACK_SECONDS = 30.0


class RestartUnit(UnitVerb):
    """Tier P. A restart of the web process ends the process that asked for it: its successor makes the post-check."""

    id = "restart_unit"
    title = "Restart the unit"
    changes = "systemd restarts lux.service, or lux-worker.service when the fault is a task's; nothing queued is lost."
    undo_words = f"{FINAL}, and need not be: the code is the same"
    cooldown = timedelta(minutes=30)
    daily_limit = 4
    verb = "restart-web"

    def verb_for(self, situation: Situation) -> str:
        is_worker = situation.place.startswith("task ") or situation.facts.get("unit") == "lux-worker.service"
        return "restart-worker" if is_worker else "restart-web"

    def run(self, situation: Situation) -> Outcome:
        started = psutil.Process().create_time()
        outcome = super().run(situation)
        before = {"asked_at": time.time(), "process_started_at": started, "verb": self.verb_for(situation)}
        return Outcome(outcome.text, before, outcome.after)

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        asked_at = float(outcome.before.get("asked_at") or 0)
        if outcome.before.get("verb", self.verb_for(situation)) == "restart-web":
            started = psutil.Process().create_time()
            is_new = started > asked_at or not asked_at
            return checked(
                "status", "look when this web process started", "after the restart",
                "after it" if is_new else "before it: it has not been restarted", passed=is_new,
            )  # fmt: skip
        return self._check_worker(asked_at)

    def _check_worker(self, asked_at: float) -> TestResult:
        deadline = time.monotonic() + BACK_SECONDS
        is_back = False
        while not is_back and time.monotonic() < deadline:
            beats = processes.list_heartbeats("worker", 30)
            is_back = any(beat.started_at.timestamp() > asked_at - 1 for beat in beats)
            db.session.rollback()
            time.sleep(0 if is_back else 0.5)
        seen = "a new worker shows itself" if is_back else "no new worker has shown itself"
        return checked("dependency", "look for a worker that is new", "one", seen, passed=is_back)


REPAIR = RestartUnit()
