"""Has gunicorn start fresh web processes with the settings of now; requests under way end first."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import psutil

from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked

FRESH_SECONDS = 30.0


class ReloadGunicorn(Repair):
    """Tier P: every web process is replaced."""

    id = "reload_gunicorn"
    title = "Reload the web processes"
    tier = "P"
    changes = "gunicorn starts new web processes and lets the old ones finish what they have begun."
    undo_words = f"{FINAL}, and need not be: the code is the same"
    cooldown = timedelta(minutes=10)
    daily_limit = 12

    def find_obstacle(self, situation: Situation) -> str | None:
        if _find_master() is None:
            return "This process is not one of gunicorn's, so it cannot ask for a reload."
        return None

    def dry_run(self, situation: Situation) -> str:
        master = _find_master()
        return f"Send SIGHUP to gunicorn's master, process {master.pid}." if master else "There is no master."

    def run(self, situation: Situation) -> Outcome:
        master = _find_master()
        if master is None:
            raise RepairFailed("gunicorn's master is not there.")
        before = sorted(child.pid for child in master.children())
        os.kill(master.pid, signal.SIGHUP)
        return Outcome("gunicorn was asked to reload.", {"master": master.pid, "processes": before}, {})

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        before = set(outcome.before.get("processes", []))
        deadline = time.monotonic() + FRESH_SECONDS
        fresh: list[int] = []
        while not fresh and time.monotonic() < deadline:
            master = _find_process(int(outcome.before.get("master", 0)))
            fresh = sorted(child.pid for child in master.children() if child.pid not in before) if master else []
            time.sleep(0 if fresh else 0.3)
        seen = f"{len(fresh)} new processes" if fresh else "no new process"
        return checked("status", "look at gunicorn's processes", "new ones", seen, passed=bool(fresh))


def _find_master() -> psutil.Process | None:
    """The parent of this process when it is gunicorn; a reload goes to nobody else."""
    try:
        parent = psutil.Process(os.getppid())
        is_gunicorn = any("gunicorn" in word for word in parent.cmdline())
        return parent if is_gunicorn and parent.uids().real == os.getuid() else None
    except psutil.Error:
        return None


def _find_process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


REPAIR = ReloadGunicorn()
