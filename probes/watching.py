"""Watches an error group after a change until its proof is complete, broken, or will never come.

A verification is opened by the repair service, looked at at once and by the clock, and closed with one state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from error_groups import RESOLVED_STATES
from error_logger import error_logger
from extensions import db
from models import ErrorGroup, ErrorLog, RepairPlan, RepairVerification
from probes.base import TestResult
from probes.dependencies import find_dependencies, run_dependency_probe
from probes.outside import SOURCES, run_outside_probe
from probes.traffic import count_job_runs, count_needed, count_successes, machine_name
from probes.verdicts import PROBES_NEEDED, VERIFYING, Proof, Verdict, decide
from probes.views import find_probe, run_view_probe
from receipts.plans import list_baseline

# After so long without enough traffic nobody knows, and LUX says so.
WATCHED_FOR = timedelta(hours=24)
# Dependencies whose probe costs money are asked once a look, not three times. (What fails is not asked again at once:
# every refused sign-in to a mail server brings a lock-out nearer.)
COSTLY = frozenset({"model"})


def probe_live(group: ErrorGroup, rule: str, further: Sequence[str] = ()) -> list[TestResult]:
    """What the probes say before anything is changed: the declared one of the view, and what it depends on."""
    results = []
    found = find_probe(group.place)
    if found is not None:
        results.append(run_view_probe(*found, is_live_baseline=True))
    outside = run_outside_probe(is_live_baseline=True) if group.source in SOURCES else None
    results += [outside] if outside is not None else []
    keys = find_dependencies(group.error_type, rule, further)
    return results + [run_dependency_probe(key, is_live_baseline=True) for key in keys]


def add_verification(
    group: ErrorGroup, plan: RepairPlan, cause: Sequence[TestResult], changed_at: datetime
) -> RepairVerification:
    """Begins to watch a group; one that was watched already is watched from now on for the new plan. No commit."""
    open_one = db.session.scalars(
        select(RepairVerification).where(RepairVerification.group_id == group.id, RepairVerification.state == "open")
    ).first()
    if open_one is not None:
        open_one.state, open_one.closed_at = "needs_human", datetime.now(UTC)
        db.session.flush()
    successes = count_successes(group.place)
    verification = RepairVerification(
        group_id=group.id,
        plan_id=plan.id,
        changed_at=changed_at,
        due_at=changed_at + WATCHED_FOR,
        needed_successes=count_needed(successes, group.count),
        counted_successes=successes,
        counted_on=machine_name(),
        cause_proof=[result.as_row() for result in cause],
    )
    db.session.add(verification)
    db.session.flush()
    return verification


def look(verification: RepairVerification, group: ErrorGroup, plan: RepairPlan) -> tuple[Verdict, list[TestResult]]:
    """Looks once: probes as often as is still needed, counts, and decides. Commits nothing, keeps the results."""
    error_logger().flush_now(2.0)
    symptom = [TestResult.of_row(row) for row in verification.results]
    symptom += _probe_symptom(group, plan, [result for result in symptom if result.passed])
    verification.results = [result.as_row() for result in symptom]
    db.session.flush()
    db.session.refresh(group)
    error_logger().flush_now(2.0)
    successes = _count_successes(verification, group)
    new_errors = _count_new_errors(verification, group)
    proof = Proof(
        cause=[TestResult.of_row(row) for row in verification.cause_proof],
        baseline=[TestResult.of_row(row) for row in list_baseline(group.id, group.resolved_at)],
        symptom=symptom,
        successes=successes,
        needed_successes=verification.needed_successes,
        new_errors=new_errors,
        new_groups=_list_new_groups(verification, group),
        is_over=datetime.now(UTC) > verification.due_at,
    )
    verdict = decide(proof)
    counted = TestResult(
        "traffic",
        f"count what went well at {group.place or 'this place'} since the change",
        f"nothing new of the group; {verification.needed_successes} successes are proof enough by themselves",
        f"{successes} successes, {new_errors} new errors",
        not new_errors,
        "traffic",
    )
    return verdict, [*symptom, counted]


def close(verification: RepairVerification, verdict: Verdict) -> None:
    """Notes how it ended; the caller commits."""
    if verdict.state != VERIFYING:
        verification.state = verdict.state
        verification.closed_at = datetime.now(UTC)


def _probe_symptom(group: ErrorGroup, plan: RepairPlan, passed: Sequence[TestResult]) -> list[TestResult]:
    """The view's own probe; where there is none because nothing may be replayed, what the place depends on.

    A fault between the world and the app does not show in the view itself: then the probe from outside is the one.
    """
    found = find_probe(group.place)
    if group.source in SOURCES and (found is None or _has_failed_outside(group)):
        asked = [run_outside_probe() for _ in range(PROBES_NEEDED - len(passed))]
        return [result for result in asked if result is not None]
    if found is not None:
        results: list[TestResult] = []
        while len(passed) + sum(result.passed for result in results) < PROBES_NEEDED:
            results.append(run_view_probe(*found))
            if not results[-1].passed:
                break
        return results
    if (group.place or "").startswith("GET "):
        return []
    results = []
    named = [str(row.get("key", "")).partition(":") for row in plan.baseline]
    for key in [rest for kind, _, rest in named if kind == "dependency"]:
        done = sum(result.key == f"dependency:{key}" for result in passed)
        wanted = 1 if key in COSTLY else PROBES_NEEDED
        for _ in range(min(wanted, PROBES_NEEDED - done)):
            results.append(run_dependency_probe(key))
            if not results[-1].passed:
                return results
    return results


def _has_failed_outside(group: ErrorGroup) -> bool:
    """Whether the probe over the loopback failed while the error was live."""
    rows = list_baseline(group.id, group.resolved_at)
    return any(str(row["key"]).startswith("loopback:") and not row["passed"] for row in rows)


def _count_successes(verification: RepairVerification, group: ErrorGroup) -> int:
    place = group.place or ""
    if place.startswith("job "):
        return count_job_runs(place[4:], verification.changed_at)
    now = count_successes(place)
    if verification.counted_on != machine_name() or now < verification.counted_successes:
        # Another machine's counters, or ones that began anew: from here on.
        verification.counted_on, verification.counted_successes = machine_name(), now
    return now - verification.counted_successes


def _count_new_errors(verification: RepairVerification, group: ErrorGroup) -> int:
    """Errors of the group since the change, without those of a release that is older than the one of now."""
    if group.last_seen <= verification.changed_at:
        return 0
    query = select(ErrorLog.release).where(ErrorLog.group_id == group.id, ErrorLog.created_at > verification.changed_at)
    releases = list(db.session.scalars(query))
    current = error_logger().release_name
    # Not every error is kept as a sample; the group itself knows the release of its last one.
    if all(release is not None and release != current for release in [*releases, group.last_release]):
        return 0
    return max(1, len(releases))


def _list_new_groups(verification: RepairVerification, group: ErrorGroup) -> list[str]:
    """Kinds of errors that were never seen before the change and stand at the same place now."""
    if not group.place:
        return []
    query = select(ErrorGroup.error_type).where(
        ErrorGroup.place == group.place,
        ErrorGroup.id != group.id,
        ErrorGroup.first_seen > verification.changed_at,
        ErrorGroup.state.not_in(RESOLVED_STATES),
    )
    return list(db.session.scalars(query.limit(3)))
