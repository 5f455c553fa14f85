"""Runs a failed task of the queue once more: only those that are declared safe to repeat."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from extensions import db
from probes.base import TestResult
from repairs.base import FINAL, Outcome, Repair, RepairFailed, Situation, checked

# Whoever adds a task here says: running it twice does what running it once does. Anything else is never repeated.
IDEMPOTENT = ("send_due_messages", "import_contacts", "dry_run_campaign", "forget_old_records")
NEWEST_FAILED = text(
    "SELECT j.id, j.args::text FROM procrastinate_jobs j WHERE j.task_name = :task AND j.status = 'failed'"
    " AND EXISTS (SELECT 1 FROM procrastinate_events e WHERE e.job_id = j.id AND e.at > now() - interval '24 hours')"
    " ORDER BY j.id DESC LIMIT 1"
)


class RetryJob(Repair):
    """Tier A for what is idempotent; for everything else there is no such repair."""

    id = "retry_job"
    title = "Run the failed task again"
    tier = "A"
    changes = "Puts the newest failed task of this kind back on the queue, once."
    undo_words = f"{FINAL}: a task that has run has run; it was declared safe to repeat"
    cooldown = timedelta(minutes=15)
    daily_limit = 12
    dependencies = ("worker",)

    def find_obstacle(self, situation: Situation) -> str | None:
        task = situation.facts.get("task", "")
        if not task:
            if situation.facts.get("job"):
                return "This is a job of the clock: it runs again by itself at its next time."
            return "The error is not one of a task on the queue."
        if task not in IDEMPOTENT:
            return f"The task {task[:60]} is not declared safe to repeat."
        return None if self._find(task) else f"No task {task} has failed within 24 h."

    def dry_run(self, situation: Situation) -> str:
        task = situation.facts.get("task", "")
        found = self._find(task)
        if found is None:
            raise RepairFailed(f"No failed task {task} is there.")
        return f"Put task {task}, job {found[0]}, with {found[1]}, back on the queue."

    def run(self, situation: Situation) -> Outcome:
        task = situation.facts.get("task", "")
        found = self._find(task) if task in IDEMPOTENT else None
        if found is None:
            raise RepairFailed(f"No failed task {task} is there any more.")
        retry = text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)")
        db.session.execute(retry, {"id": found[0]})
        db.session.commit()
        after = {"job": found[0], "status": self._status(found[0])}
        return Outcome(f"Job {found[0]} ({task}) is on the queue again.", {"job": found[0], "status": "failed"}, after)

    def post_check(self, situation: Situation, outcome: Outcome) -> TestResult:
        status = self._status(int(outcome.before.get("job", 0)))
        # The queue forgets what went well.
        is_well = status in (None, "todo", "doing", "succeeded")
        return checked("status", "look at the job", "waiting, under way or done", status or "done", passed=is_well)

    def _find(self, task: str) -> tuple[int, str] | None:
        row = db.session.execute(NEWEST_FAILED, {"task": task}).first()
        db.session.rollback()
        return (int(row[0]), str(row[1])) if row else None

    def _status(self, job_id: int) -> str | None:
        query = text("SELECT status::text FROM procrastinate_jobs WHERE id = :id")
        status: str | None = db.session.scalar(query, {"id": job_id})
        db.session.rollback()
        return status


REPAIR = RetryJob()
