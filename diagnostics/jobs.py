"""The clock's timed jobs as people see them: when each is due, how its last run ended, when the next one is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import processes


@dataclass(frozen=True)
class JobState:
    """One job. Without a leader nobody knows when it runs next; a job that never ran has no last run."""

    name: str
    due: str
    state: str
    last_at: datetime | None
    took_seconds: float | None
    error: str | None
    next_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Its row in the health answer."""
        return {
            "job": self.name,
            "due": self.due,
            "state": self.state,
            "last_run": self.last_at.isoformat() if self.last_at else None,
            "next_run": self.next_at.isoformat() if self.next_at else None,
            "error": self.error,
        }


def list_jobs() -> list[JobState]:
    """Every job that the leader has or that ever ran, by name."""
    leaders = processes.list_leaders()
    detail: dict[str, Any] = leaders[0].detail if leaders else {}
    following, due, runs = detail.get("next", {}), detail.get("due", {}), processes.list_last_runs()
    jobs = []
    for name in sorted({*following, *runs}):
        run, moment = runs.get(name), following.get(name)
        took = (run.finished_at - run.started_at).total_seconds() if run is not None and run.finished_at else None
        jobs.append(
            JobState(
                name=name,
                due=due.get(name, ""),
                state=run.state if run is not None else "not run yet",
                last_at=run.started_at if run is not None else None,
                took_seconds=took,
                error=run.error if run is not None else None,
                next_at=datetime.fromisoformat(moment) if moment else None,
            )
        )
    return jobs
