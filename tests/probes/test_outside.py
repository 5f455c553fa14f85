"""The probe from outside: a fault between nginx and the app is named, seen over the loopback, and seen to be gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from auto_repair_service import verify_open
from diagnostics.log_import import import_logs
from error_logger import error_logger
from extensions import db
from models import ErrorGroup
from probes.outside import run_outside_probe
from tests.repair_scene import repair, state_of
from tests.servers import Lux, wait_until


def test_it_never_asks_from_within_a_request(app: Flask) -> None:
    """With one web process the question would wait for its own answer."""
    with app.test_request_context("/"):
        assert run_outside_probe() is None


def verified(group_id: int) -> bool:
    """Looks once more, as the clock does; on a busy machine a probe may have waited too long for its answer."""
    verify_open()
    if state_of(group_id) in ("still_failing", "needs_human"):
        repair(group_id)
    return state_of(group_id) == "resolved_verified"


def test_nobody_listens_behind_nginx_until_gunicorn_is_back(start_lux: Callable[..., Lux], tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.touch()
    lux = start_lux(has_web=False, NGINX_ERROR_LOG=str(log))
    with lux.make_app().app_context():
        import_logs()
        now = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        with log.open("a") as file:
            for number in range(3):
                file.write(
                    f"{now} [error] 812#812: *{number} connect() failed (111: Connection refused) while connecting to "
                    f'upstream, client: 203.0.113.7, server: lux.example, request: "GET /contacts/ HTTP/1.1", '
                    f'upstream: "http://127.0.0.1:{lux.port}/contacts/", host: "lux.example"\n'
                )
        import_logs()
        assert error_logger().flush_now(10)
        group = db.session.query(ErrorGroup).filter_by(source="nginx").one()
        group_id = group.id
        result = repair(group_id)
        assert result["diagnosis"]["rule"] == "nginx-upstream-refused"
        assert result["resolved"] is False
        seen = next(row for row in result["test_results"] if row["key"] == "loopback:/livez")
        assert (seen["passed"], seen["before_repair"]) == (False, True)
        assert "ConnectionRefusedError" in seen["seen"]

        lux.start_web()
        repair(group_id)
        wait_until(lambda: verified(group_id), "the proof")
        db.session.remove()
        db.engine.dispose()
