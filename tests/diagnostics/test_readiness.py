"""Ready, not ready, and a database that hangs."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
from flask import Flask
from sqlalchemy import text

import embedded_postgres
import schema
from diagnostics.readiness import MOST_WAITING, find_obstacle
from extensions import db
from tests.servers import wait_until


def test_a_database_at_head_is_ready_and_one_behind_is_not(app: Flask) -> None:
    assert app.test_client().get("/readyz").json == {"status": "pass"}
    db.session.execute(text("UPDATE alembic_version SET version_num = version_num || 'x'"))
    db.session.commit()
    try:
        answer = app.test_client().get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()["detail"] == "The database is not at the newest migration."
    finally:
        db.session.execute(text("UPDATE alembic_version SET version_num = rtrim(version_num, 'x')"))
        db.session.commit()


def test_a_database_that_hangs_hangs_nobody_who_asks(make_app: Callable[..., Flask]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lux-hang-"))
    url = embedded_postgres.ensure_running(folder, durable=False)
    schema.migrate(url)
    family = [one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or [])]
    family += [child for one in family for child in one.children(recursive=True)]
    app = make_app(DATABASE_URL=url)
    try:
        with app.app_context():
            assert find_obstacle() is None
            for process in family:
                process.send_signal(signal.SIGSTOP)
            said: list[str | None] = []

            def ask() -> None:
                with app.app_context():
                    said.append(find_obstacle())

            threads = [threading.Thread(target=ask) for _ in range(MOST_WAITING + 3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(said) == MOST_WAITING + 3 and None not in said
    finally:
        for process in family:
            process.send_signal(signal.SIGCONT)
        with app.app_context():
            wait_until(lambda: find_obstacle() is None, "the database to be ready again")
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
