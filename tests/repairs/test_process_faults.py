"""Faults of processes, disk and code: killed workers, a dead leader, stuck claims, a full disk, a broken template."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask import Flask, render_template
from sqlalchemy import select, text

from access import viewer
from auto_repair_service import start_repair
from campaigns.launching import launch_campaign, start_campaign
from campaigns.recovery import count_stale_claims
from config import current_settings
from diagnostics.checks import check_jobs
from diagnostics.log_import import import_logs
from error_logger import error_logger
from extensions import db
from models import ErrorGroup, RepairReceipt
from probes.base import Probe
from probes.dependencies import run_dependency_probe
from repairs.base import Situation
from repairs.prune_files import list_prunable
from repairs.reelect_clock import REPAIR as REELECT
from tests import makers
from tests.database_hash import hash_of
from tests.repair_scene import ADA, column_gone, newest_group, repair, state_of
from tests.servers import Lux, wait_until

KILLED = "was sent SIGKILL! Perhaps out of memory?"


@pytest.fixture
def own_app(make_app: Callable[..., Flask], app: Flask, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes an app with settings of its own and enters it."""
    contexts = []

    def enter(**settings: str) -> Flask:
        running = make_app(LUX_DATA_DIR=str(tmp_path), **settings)
        context = running.app_context()
        context.push()
        contexts.append(context)
        return running

    yield enter
    for context in reversed(contexts):
        db.session.remove()
        context.pop()


def stamp(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("[%Y-%m-%d %H:%M:%S +0000]")


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (
            ["[CRITICAL] WORKER TIMEOUT (pid:4242)", f"[ERROR] Worker (pid:4242) {KILLED}"],
            "worker-timeout",
        ),
        # gunicorn only guesses at memory; without a line of the kernel LUX does not join in.
        ([f"[ERROR] Worker (pid:4343) {KILLED}"], "worker-killed"),
    ],
)  # fmt: skip
def test_a_killed_worker_is_found_in_the_logs_and_named(
    own_app: Callable[..., Flask], tmp_path: Path, lines: list[str], rule: str
) -> None:
    log = tmp_path / "gunicorn.err"
    log.write_text(f"{stamp(60)} [4000] [INFO] Booting worker with pid: 4242\n")
    own_app(GUNICORN_ERROR_LOG=str(log))
    import_logs()
    with log.open("a") as file:
        for number, line in enumerate(lines):
            file.write(f"{stamp(20 - number)} [4000] {line}\n")
    os.utime(log, (datetime.now().timestamp() - 10,) * 2)
    import_logs()
    assert error_logger().flush_now(10)
    groups = list(db.session.scalars(select(ErrorGroup.id).order_by(ErrorGroup.id)))
    assert groups
    results = [repair(group_id) for group_id in groups]
    assert rule in {result["diagnosis"]["rule"] for result in results}, results
    assert not any(result["resolved"] for result in results)


def test_a_leader_that_does_not_move_loses_the_clock_and_another_process_takes_it(
    start_lux: Callable[..., Lux],
) -> None:
    lux = start_lux(workers=2, AUTO_REPAIR="safe")
    with lux.make_app().app_context():
        situation = Situation(current_settings())
        wait_until(lambda: REELECT.dry_run(situation), "a process to lead the clock")
        leader = _leader_of(lux)
        try:
            wait_until(lambda: _is_stopped_at_rest(leader, lux), "the leader to be stopped between two repair runs")
            # As if it had stood still for a minute, in the middle of a job: it cannot show itself any more.
            with lux.connect() as connection:
                connection.execute(
                    "INSERT INTO job_runs (job, slot, process) SELECT 'brew_tea', now(), detail->>'process'"
                    " FROM process_heartbeats WHERE kind = 'clock'"
                )
                connection.execute(
                    "UPDATE process_heartbeats SET seen_at = seen_at - interval '1 min' WHERE kind = 'clock'"
                )
            assert not run_dependency_probe("clock").passed
            report = start_repair(actor=ADA).as_row()
        finally:
            # gunicorn itself may have ended it by then.
            with contextlib.suppress(psutil.NoSuchProcess):
                leader.send_signal(signal.SIGCONT)
        result = next(row for row in report["results"] if row["diagnosis"]["rule"] == "clock-without-leader")
        assert result["actions"][0]["repair"] == "reelect_clock" and result["actions"][0]["state"] == "done", result
        assert result["state"] == "resolved_verified" and result["resolved"] is True, result
        # The job that it was in is lost, and said so by a check of its own.
        assert "brew_tea" in check_jobs().text
        receipts = db.session.scalars(select(RepairReceipt.kind).order_by(RepairReceipt.id)).all()
        assert receipts == ["action", "verification"]
        db.session.remove()
        db.engine.dispose()


def _is_stopped_at_rest(leader: psutil.Process, lux: Lux) -> bool:
    """Stops it; lets it go on when it holds the lock of repair runs or has rows locked: nobody else would get them."""
    leader.send_signal(signal.SIGSTOP)
    # What it had asked the database before, the database still does.
    time.sleep(0.3)
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND (application_name = 'lux repair run' OR state LIKE 'idle in transaction%')"
    )
    with lux.connect() as connection:
        row = connection.execute(query).fetchone()
    is_at_rest = row is not None and row[0] == 0
    if not is_at_rest:
        leader.send_signal(signal.SIGCONT)
    return is_at_rest


def _leader_of(lux: Lux) -> psutil.Process:
    with lux.connect() as connection:
        found: list[int] = []

        def look() -> bool:
            query = "SELECT detail->>'process' FROM process_heartbeats WHERE kind = 'clock'"
            row = connection.execute(query.encode()).fetchone()
            if row:
                found.append(int(str(row[0]).rsplit(":", 1)[1]))
            return bool(found)

        wait_until(look, "the leader to show itself")
    return psutil.Process(found[0])


def test_messages_of_a_dead_worker_are_released(app: Flask) -> None:
    owner = makers.make_user(role="owner")
    for _ in range(3):
        makers.make_contact()
    campaign = makers.make_campaign(segment_id=makers.make_segment().id)
    launch_campaign(campaign.id, owner.id, grace_seconds=0)
    start_campaign(campaign.id)
    db.session.execute(text("UPDATE messages SET state = 'claimed', claimed_by = 'dead:1'"))
    db.session.commit()
    assert count_stale_claims() == 3
    error_logger().capture(
        message="The task send_due_messages (job 7) lost its worker and is put back.",
        error_type="log.lux.worker",
        place="task send_due_messages",
    )
    group_id = newest_group()
    result = repair(group_id)
    assert result["diagnosis"]["rule"] == "claims-stuck"
    action = next(action for action in result["actions"] if action["repair"] == "release_claims")
    assert action["state"] == "done" and action["before"] == {"held": 3} and action["after"] == {"held": 0}
    assert count_stale_claims() == 0
    # Nothing was sent yet: released is not resolved.
    assert result["resolved"] is False


def test_a_full_disk_is_named_and_lux_prunes_only_what_is_its_own(
    own_app: Callable[..., Flask], tmp_path: Path
) -> None:
    own_app()
    kept = [tmp_path / "spool" / name for name in ("intake.jsonl", "intake.00017.jsonl", "intake.torn")]
    gone = [tmp_path / "logs" / "app.log.1", tmp_path / "logs" / "app.log.2.gz"]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.write_text("somebody else's")
    (tmp_path / "logs" / "app.log.9").symlink_to(elsewhere)
    with pytest.raises(OSError, match="No space left") as full, Path("/dev/full").open("w") as file:
        file.write("x" * 10_000)
        file.flush()
    error_logger().capture(full.value, place="POST /contacts/imports")
    result = repair(newest_group())
    assert result["diagnosis"]["rule"] == "disk-full"
    action = next(action for action in result["actions"] if action["repair"] == "prune_files")
    assert action["state"] == "done"
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept) and elsewhere.exists()
    assert list_prunable(tmp_path) == []
    journal = next(action for action in result["actions"] if action["repair"] == "vacuum_journal")
    assert journal["state"] == "blocked" and "no service helper" in journal["obstacle"]
    assert result["resolved"] is False


def test_a_disk_that_takes_nothing_fails_its_probe(own_app: Callable[..., Flask], tmp_path: Path) -> None:
    own_app()
    assert run_dependency_probe("disk").passed
    (tmp_path / "logs").mkdir(exist_ok=True)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-gone")
    tmp_path.rename(elsewhere)
    try:
        assert not run_dependency_probe("disk").passed
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)
        elsewhere.rename(tmp_path)


def test_a_broken_template_is_a_persons_and_never_called_repaired(own_app: Callable[..., Flask]) -> None:
    running = own_app()
    running.add_url_rule("/broken", "broken", lambda: render_template("no/such/template.html"))
    running.config["GUARDS"]["broken"] = viewer
    running.config["PROBES"] = {"broken": Probe("Well done")}
    client = makers.signed_in_client(running, makers.make_user(role="owner"))
    assert client.get("/broken").status_code == 500
    group_id = newest_group()
    result = repair(group_id)
    assert result["diagnosis"]["rule"] == "template-missing"
    assert result["actions"] == [] and result["state"] == "needs_human"
    running.view_functions["broken"] = lambda: "Well done"
    # It works again, but nothing shows why: no new release, no repair, no dependency.
    again = repair(group_id)
    assert again["resolved"] is False
    db.session.execute(text("UPDATE error_groups SET last_release = '0.0.9'"))
    db.session.commit()
    assert repair(group_id)["state"] == "resolved_verified"
    assert state_of(group_id) == "resolved_verified"


def test_a_broken_post_is_never_replayed(app: Flask, sign_in: Callable[..., Any], database_url: str) -> None:
    client = sign_in("owner")
    with column_gone():
        assert client.post("/contacts/new", data={"email": "ann@example.com", "name": "Ann"}).status_code == 500
        group_id = newest_group()
        own = frozenset(
            {"repair_plans", "repair_steps", "repair_receipts", "repair_verifications", "error_groups", "error_log",
             "error_hours"}
        )  # fmt: skip
        before = hash_of(database_url, without=own)
        result = repair(group_id)
        assert hash_of(database_url, without=own) == before
    assert not any(row["kind"] == "endpoint" for row in result["test_results"])
    assert any(row["kind"] == "database" and not row["passed"] for row in result["test_results"])
    before = hash_of(database_url, without=own)
    after = repair(group_id)
    assert hash_of(database_url, without=own) == before
    assert after["state"] == "resolved_verified", json.dumps(after, indent=1)
