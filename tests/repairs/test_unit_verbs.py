"""Repairs of units and web processes: the real helper script behind a real socket, real gunicorn, reloaded."""

from __future__ import annotations

import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from auto_repair_service import approve_step, start_repair
from channels.service_helper import VERBS, HelperRefused, ask_helper
from config import current_settings
from error_logger import error_logger
from extensions import db
from models import RepairStep
from receipts.plans import StepDraft, add_plan, get_plan
from repairs.base import Situation
from repairs.restart_unit import REPAIR as RESTART
from repairs.stop_stale_process import REPAIR as STOP
from repairs.vacuum_journal import REPAIR as VACUUM
from tests.repair_scene import ADA, look_as_the_clock_does, newest_group, operator_headers, post_form, repair
from tests.servers import Lux, wait_until

SCRIPT = Path(__file__).resolve().parent.parent.parent / "deploy" / "lux-service"


@pytest.fixture
def helper() -> Iterator[Path]:
    """The helper behind a socket, as systemd starts it; systemctl and journalctl only say what they were told."""
    with tempfile.TemporaryDirectory(prefix="lux-helper-") as folder:
        place = Path(folder)
        for name in ("systemctl", "journalctl"):
            (place / name).write_text(f'#!/bin/sh\necho "{name} $*"; echo ActiveState=active\n')
            (place / name).chmod(0o755)
        script = place / "lux-service"
        script.write_text(SCRIPT.read_text().replace("PATH=/usr/sbin:", f"PATH={place}:/usr/sbin:"))

        class Door(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                words = ["sh", str(script), "--from-socket"]
                done = subprocess.run(words, input=self.rfile.readline(), capture_output=True, check=False)
                self.wfile.write(done.stdout)

        with socketserver.ThreadingUnixStreamServer(str(place / "helper.sock"), Door) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            yield place / "helper.sock"
            server.shutdown()


def test_the_helper_does_each_verb_and_no_other(helper: Path) -> None:
    for verb in VERBS:
        assert f"done: {verb}" in ask_helper(helper, verb)
    with pytest.raises(ValueError, match="no verb"):
        ask_helper(helper, "restart-web; reboot")
    with pytest.raises(HelperRefused):
        ask_helper(helper.with_name("nobody.sock"), "status-web")


def test_a_units_repair_asks_for_one_fixed_verb(make_app: Callable[..., Flask], app: Flask, helper: Path) -> None:
    with make_app(SERVICE_HELPER=str(helper)).app_context():
        situation = Situation(current_settings(), facts={"unit": "ssh.service; reboot"})
        for one, verb in ((RESTART, "restart-web"), (VACUUM, "vacuum-journal"), (STOP, "stop-stale-web")):
            assert one.find_obstacle(situation) is None
            assert verb in one.say_dry_run(situation) and "reboot" not in one.say_dry_run(situation)
            assert verb in one.run(situation).after["said"]
        assert VACUUM.post_check(situation, VACUUM.run(situation)).passed
        assert STOP.post_check(situation, STOP.run(situation)).passed
        # This very process was not restarted, and says so.
        assert not RESTART.post_check(situation, RESTART.run(situation)).passed
        db.session.remove()


def test_without_the_helper_the_step_says_calmly_what_to_do(app: Flask) -> None:
    obstacle = RESTART.find_obstacle(Situation(current_settings(), place="task import_contacts"))
    assert obstacle is not None and "lux-service restart-worker" in obstacle


def test_a_unit_is_restarted_only_after_a_person_approved_it(
    make_app: Callable[..., Flask], app: Flask, helper: Path
) -> None:
    with make_app(SERVICE_HELPER=str(helper)).app_context():
        error_logger().capture(
            error_type="nginx.error",
            message="connect() failed (111: Connection refused) while connecting to upstream",
            place="GET /contacts/",
            source="nginx",
        )
        result = repair(newest_group())
        assert result["diagnosis"]["rule"] == "nginx-upstream-refused"
        action = next(one for one in result["actions"] if one["repair"] == "restart_unit")
        assert action["state"] == "waiting" and not action["automatic"]
        step = approve_step(action["plan_id"], action["digest"], ADA)
        assert db.session.get_one(RepairStep, step.id).state == "failed"
        assert result["resolved"] is False
        db.session.remove()


def test_gunicorn_is_reloaded_by_a_click_and_new_processes_prove_it(
    start_lux: Callable[..., Lux], monkeypatch: pytest.MonkeyPatch
) -> None:
    lux = start_lux(workers=2, AUTO_REPAIR="diagnose")
    app = lux.make_app()
    with app.app_context():
        headers = operator_headers(app)
        draft = StepDraft("reload_gunicorn", "P", "waiting")
        plan = add_plan(
            group=None, error_id=None, actor=ADA, mode="diagnose", diagnosis={"rule": "worker-out-of-memory"}, facts={},
            fix_steps=[], baseline=[], steps=[draft],
        )  # fmt: skip
        db.session.commit()
        assert plan.state == "planned"
        post_form(lux, f"/diagnostics/repairs/steps/{find_step('reload_gunicorn').id}/dry-run", headers)
        step = find_step("reload_gunicorn")
        assert step.state == "waiting" and step.digest
        before = {process.pid for process in lux.list_web_processes()}
        post_form(lux, f"/diagnostics/repairs/steps/{step.id}/approve", headers, digest=step.digest)
        wait_until(lambda: not before & {process.pid for process in lux.list_web_processes()}, "old ones to end")
        look_as_the_clock_does(lux, monkeypatch)
        assert find_step("reload_gunicorn").state == "done"
        # Nothing had failed before it that could be seen to work again.
        assert get_plan(plan.id).outcome == "quiet_unverified"
        assert lux.request("GET", "/livez")[0] == 200
        db.session.remove()
        db.engine.dispose()


def find_step(repair_id: str) -> Any:
    db.session.rollback()
    db.session.expire_all()
    return db.session.query(RepairStep).filter_by(repair=repair_id).order_by(RepairStep.id.desc()).first()


def test_a_run_over_a_sound_lux_reports_nothing(app: Flask) -> None:
    assert start_repair(actor=ADA).as_row()["results"] == []
