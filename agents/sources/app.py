"""What the APP Agent reads of LUX itself: health, error groups, diagnoses, jobs. For operators only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from agents.parts.playbook_words import within
from agents.sources.readings import Reading, make_reading
from diagnosis.base import Diagnosis
from diagnosis.deciding import diagnose
from diagnosis.gathering import signals_of_group, signals_of_system, surroundings
from diagnostics.health import check_health
from error_groups import GroupFilter, list_groups
from extensions import db
from models import ErrorGroup, JobRun

MOST_GROUPS, MOST_DIAGNOSED = 12, 6
LATE_HOURS = 24


def read_health() -> Reading:
    """Every health check with what it found, those that are not well first."""
    health = check_health()
    db.session.rollback()
    rows = [
        {
            "check": check.name,
            "status": finding.status,
            "text": within(finding.text, 200),
            "advice": within(finding.advice, 200),
        }
        for check, finding in health.findings
    ]
    order = {"fail": 0, "warn": 1, "pass": 2}
    rows.sort(key=lambda row: order.get(row["status"], 3))
    counts = {state: sum(1 for row in rows if row["status"] == state) for state in order}
    counts["to_look_at"] = counts["fail"] + counts["warn"]
    facts = {"status": health.status, "checks": rows, "counts": counts}
    value = f"{health.status}: {counts['pass']} of {len(rows)} checks are well"
    return make_reading("health", "Health", value, facts, source="/diagnostics/health")


def read_groups() -> Reading:
    """Unresolved error groups, the latest first: how often, since when, where. Their words are redacted already."""
    rows = []
    for row in list_groups(GroupFilter(limit=MOST_GROUPS))[:MOST_GROUPS]:
        group = row.group
        rows.append(
            {
                "group": f"#{group.id}",
                "title": within(group.title, 160),
                "kind": group.error_type,
                "place": within(group.place or "", 80),
                "severity": group.severity,
                "state": group.state,
                "count": group.count,
                "last_day": sum(row.hours),
                "first_seen": f"{group.first_seen:%Y-%m-%d %H:%M}",
                "last_seen": f"{group.last_seen:%Y-%m-%d %H:%M}",
            }
        )
    since = datetime.now(UTC) - timedelta(days=7)
    resolved = db.session.scalar(select(func.count()).where(ErrorGroup.resolved_at >= since)) or 0
    facts = {"groups": rows, "resolved_in_7_days": resolved}
    value = f"{len(rows)} unresolved" if rows else "none unresolved"
    return make_reading("groups", "Error groups", value, facts, source="/diagnostics/groups")


def read_diagnoses() -> Reading:
    """The cause of each of the latest groups by rules, with its confidence and the repairs that fit."""
    health = [(check.key, finding.status, finding.text) for check, finding in check_health().findings]
    db.session.rollback()
    around = surroundings()
    rows, groups = [], {}
    for row in list_groups(GroupFilter(limit=MOST_DIAGNOSED))[:MOST_DIAGNOSED]:
        group_id = row.group.id
        found = diagnose(signals_of_group(group_id, health), around)[0]
        rows.append({"group": f"#{group_id}", "title": within(row.group.title, 120)} | _tell(found))
        if found.repairs and found.is_known:
            groups[f"#{group_id}"] = group_id
    if not rows:
        whole = diagnose(signals_of_system(health), around)[0]
        rows.append({"group": "the whole", "title": "LUX as it is now"} | _tell(whole))
    value = f"{len(rows)} diagnosed"
    how = "by the rules of diagnosis; the model does not decide"
    return make_reading(
        "diagnoses",
        "Diagnoses",
        value,
        {"diagnoses": rows},
        source="/diagnostics/",
        kept={"repairable": groups},
        how=how,
    )


def read_jobs() -> Reading:
    """What the clock ran in a day: how often each job, how often it failed, how long it took at most."""
    took = func.extract("epoch", JobRun.finished_at - JobRun.started_at)
    rows = db.session.execute(
        select(JobRun.job, func.count(), func.count().filter(JobRun.state == "failed"), func.round(func.max(took), 1))
        .where(JobRun.started_at >= datetime.now(UTC) - timedelta(hours=LATE_HOURS))
        .group_by(JobRun.job)
        .order_by(func.count().filter(JobRun.state == "failed").desc(), JobRun.job)
    ).all()
    jobs = [
        {"job": job, "runs": runs, "failed": failed, "longest_seconds": float(longest) if longest is not None else None}
        for job, runs, failed, longest in rows
    ]
    failed = sum(int(str(one["failed"])) for one in jobs)
    value = f"{len(jobs)} jobs in {LATE_HOURS} hours, {failed} failed runs"
    coverage = 1.0 if jobs else 0.4
    return make_reading("jobs", "Timed jobs", value, {"jobs": jobs}, source="/diagnostics/health", coverage=coverage)


def _tell(found: Diagnosis) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "cause": within(found.cause, 300),
        "confidence_percent": round(100 * found.confidence),
        "repairs": ", ".join(f"{one.id} (tier {one.tier})" for one in found.repairs),
        "advice": within(" ".join(found.advice), 300),
        "evidence": ", ".join(found.evidence[:4])[:200],
    }
