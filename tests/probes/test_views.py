"""Probing a view is safe, and proves something: real views of a real app, broken and behind their walls."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_login import current_user
from sqlalchemy import text

from access import viewer
from error_logger import error_logger
from extensions import db
from models import Contact
from probes import views
from probes.base import Probe
from probes.views import find_probe, known_bad_answers, run_view_probe
from tests import makers
from tests.database_hash import hash_of
from tests.fakes.smtp_server import SmtpServer
from tests.repair_scene import column_gone

GOOD = Probe("Contacts</h1>")


@pytest.fixture
def extra(make_app: Callable[..., Flask], app: Flask) -> Iterator[Flask]:
    """An app to which a test may add views of its own."""
    running = make_app()
    with running.app_context():
        yield running
        db.session.remove()


def add_view(app: Flask, function: Callable[[], str], shows: str = "Well done") -> None:
    app.add_url_rule("/probed", "probed", function)
    app.config["GUARDS"]["probed"] = viewer
    app.config["PROBES"] = {"probed": Probe(shows)}


def test_every_declared_probe_passes_on_a_sound_lux(app: Flask) -> None:
    makers.make_contact()
    makers.make_campaign()
    assert len(app.config["PROBES"]) > 30
    for endpoint, probe in app.config["PROBES"].items():
        assert run_view_probe(endpoint, probe).passed, run_view_probe(endpoint, probe)


def test_every_declared_probe_can_fail_and_asks_only(app: Flask) -> None:
    for endpoint, probe in app.config["PROBES"].items():
        assert probe.can_fail(known_bad_answers()), endpoint
        rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint == endpoint]
        assert rules and all("GET" in (rule.methods or ()) for rule in rules)


@pytest.mark.parametrize("shows", ["", " ", "<", "</h1>", "</html>", "LUX"])
def test_a_probe_that_cannot_fail_is_refused(app: Flask, shows: str) -> None:
    result = run_view_probe("contacts.index", Probe(shows))
    assert not result.passed
    assert result.seen.startswith("refused")


def test_a_view_without_a_probe_is_never_tried(app: Flask) -> None:
    assert find_probe("GET /contacts/") is not None
    assert find_probe("GET /auth/replit_auth/authorized") is None
    assert find_probe("POST /contacts/") is None
    assert find_probe("GET /u/<token>") is None
    assert find_probe(None) is None


def test_it_fails_while_the_view_fails_and_passes_afterwards(app: Flask) -> None:
    with column_gone():
        assert run_view_probe("contacts.index", GOOD).seen == "status 500"
    assert run_view_probe("contacts.index", GOOD).passed


def test_status_200_alone_is_no_evidence(extra: Flask) -> None:
    add_view(extra, lambda: "<h1>Something went wrong</h1>")
    assert "without" in run_view_probe("probed", Probe("Well done")).seen


def test_an_error_that_the_view_swallows_is_seen_under_the_probes_request_id(extra: Flask) -> None:
    def swallowing() -> str:
        try:
            raise KeyError("lost")
        except KeyError:
            extra.logger.exception("swallowed")
        return "Well done"

    add_view(extra, swallowing)
    result = run_view_probe("probed", Probe("Well done"))
    assert not result.passed
    assert "an error was logged" in result.seen


def test_a_view_that_writes_is_held_to_a_read_only_transaction(extra: Flask, database_url: str) -> None:
    def writing() -> str:
        db.session.add(Contact(email="probe@example.com"))
        db.session.commit()
        return "Well done"

    add_view(extra, writing)
    before = hash_of(database_url)
    result = run_view_probe("probed", Probe("Well done"))
    error_logger().flush_now()
    assert result.seen == "status 500"
    without = frozenset({"error_groups", "error_log", "error_hours"})
    assert hash_of(database_url, without=without) == hash_of(database_url, without=without)
    assert before
    assert db.session.query(Contact).count() == 0


def test_the_callers_unfinished_work_is_neither_seen_nor_committed(app: Flask) -> None:
    db.session.add(Contact(email="half-written@example.com"))
    db.session.flush()
    assert run_view_probe("contacts.index", GOOD).passed
    db.session.rollback()
    assert db.session.query(Contact).count() == 0


def test_nothing_leaves_the_house(extra: Flask) -> None:
    with SmtpServer() as server:

        def calling() -> str:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
            connection.request("GET", "/")
            return "Well done"

        add_view(extra, calling)
        assert run_view_probe("probed", Probe("Well done")).seen == "status 500"
        assert server.connections == 0


def test_no_program_is_started_and_no_file_written(extra: Flask, tmp_path: Path) -> None:
    def starting() -> str:
        subprocess.run(["true"], check=True)
        return "Well done"

    add_view(extra, starting)
    assert run_view_probe("probed", Probe("Well done")).seen == "status 500"
    subprocess.run(["true"], check=True)
    (tmp_path / "afterwards").write_text("the walls stand around the probe alone")


def test_a_file_is_not_written(extra: Flask, tmp_path: Path) -> None:
    def writing() -> str:
        (tmp_path / "probe").write_text("no")
        return "Well done"

    add_view(extra, writing)
    assert run_view_probe("probed", Probe("Well done")).seen == "status 500"
    assert not (tmp_path / "probe").exists()


def test_a_view_that_hangs_is_given_up_after_its_deadline(extra: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "DEADLINE_SECONDS", 0.5)

    def hanging() -> str:
        time.sleep(2)
        return "Well done"

    add_view(extra, hanging)
    assert "no answer within" in run_view_probe("probed", Probe("Well done")).seen


def test_a_slow_statement_is_ended_by_the_database(extra: Flask) -> None:
    def slow() -> str:
        db.session.execute(text("SELECT pg_sleep(20)"))
        return "Well done"

    add_view(extra, slow)
    assert not run_view_probe("probed", Probe("Well done")).passed
    left = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%' AND state = 'active'")
    assert db.session.scalar(left) == 0


def test_the_probe_is_the_least_person_who_may_see_the_view(extra: Flask) -> None:
    add_view(extra, lambda: f"Well done, {current_user.role}, {current_user.id}")
    assert run_view_probe("probed", Probe("Well done, viewer, 0")).passed


def test_no_header_makes_a_request_a_probe(app: Flask) -> None:
    for name in ("lux.probe", "Lux-Probe", "LUX_PROBE", "X-Lux-Probe"):
        assert app.test_client().get("/contacts/", headers={name: "owner"}).status_code == 303


def test_probes_are_no_traffic(app: Flask) -> None:
    run_view_probe("contacts.index", GOOD)
    counted = [one for one in app.extensions["lux_counters"].list_series() if "/contacts/" in one.labels]
    before = sum(one.total for one in counted)
    run_view_probe("contacts.index", GOOD)
    counted = [one for one in app.extensions["lux_counters"].list_series() if "/contacts/" in one.labels]
    assert sum(one.total for one in counted) == before
