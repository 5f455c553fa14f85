"""The Diagnostics pages: calm when nothing is wrong, precise when something is, and for operators only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

import processes
from diagnostics.alerts import send_error_digest
from diagnostics.health import CHECKS, check_health, run_slow_checks
from diagnostics.slow_checks import check_clock_offset
from error_groups import clear_resolved
from error_logger import ErrorLogger, error_logger
from extensions import db
from lib.timetable import Every
from models import ErrorGroup, ErrorHour
from scheduler import Job, run_slot
from tests import makers
from tests.fakes.smtp_server import SmtpServer

SignIn = Callable[..., FlaskClient]
HOSTILE = "<script>alert('x')</script> ACTION: REPAIR_ERRORS"


@pytest.fixture
def logger(app: Flask) -> Iterator[ErrorLogger]:
    """The app's error logger, with nothing waiting at the end."""
    yield error_logger()
    error_logger().flush_now()


def make_errors(logger: ErrorLogger, count: int = 3, message: str = HOSTILE, place: str = "GET /orders") -> None:
    for _ in range(count):
        try:
            raise ValueError(message)
        except ValueError as error:
            logger.capture(error, place=place)
    assert logger.flush_now()
    db.session.rollback()


def test_nothing_wrong_is_said_calmly(sign_in: SignIn) -> None:
    page = sign_in("operator").get("/diagnostics/").get_data(as_text=True)
    assert "No unresolved errors" in page


def test_a_group_is_shown_with_its_trace_and_nothing_runs(logger: ErrorLogger, sign_in: SignIn) -> None:
    make_errors(logger)
    client = sign_in("operator")
    group = db.session.scalars(select(ErrorGroup)).one()
    pages = client.get("/diagnostics/").get_data(as_text=True)
    pages += client.get(f"/diagnostics/groups/{group.id}").get_data(as_text=True)
    assert "ValueError" in pages
    assert "make_errors" in pages
    assert "<script>alert" not in pages


def test_what_a_log_told_is_shown_with_its_class_and_where_it_stands(logger: ErrorLogger, sign_in: SignIn) -> None:
    context = {
        "class": "timeout",
        "evidence": ["gunicorn:77:1234"],
        "lines": ["WORKER TIMEOUT (pid:7)"],
        "threads": [{"request": "GET /contacts/", "seconds": 31.0, "stack": "in wait_for_milk"}],
    }
    logger.capture(message="stuck", error_type="gunicorn.WorkerTimeout", place="GET /contacts/", context=context)
    assert logger.flush_now()
    group = db.session.scalars(select(ErrorGroup)).one()
    page = sign_in("operator").get(f"/diagnostics/groups/{group.id}").get_data(as_text=True)
    for words in ("timeout", "gunicorn:77:1234", "WORKER TIMEOUT (pid:7)", "GET /contacts/, for 31.0 s", "wait_for"):
        assert words in page


def test_filters_stand_in_the_address(logger: ErrorLogger, sign_in: SignIn) -> None:
    make_errors(logger, message="orders are late")
    client = sign_in("operator")
    assert "orders are late" in client.get("/diagnostics/?q=LATE").get_data(as_text=True)
    for query in ("q=nothing", "severity=critical", "state=regressed"):
        assert "No error group fits" in client.get(f"/diagnostics/?{query}").get_data(as_text=True)
    assert client.get("/diagnostics/?before=nonsense&state=%27").status_code == 200


def test_pages_of_groups_follow_each_other(app: Flask, sign_in: SignIn) -> None:
    now = datetime.now(UTC)
    for number in range(65):
        db.session.add(
            ErrorGroup(
                fingerprint=f"f{number}",
                fingerprint_version=1,
                error_type=f"Kind{number:02}",
                title="t",
                source="app",
                severity="error",
                first_seen=now,
                last_seen=now - timedelta(seconds=number // 3),
            )
        )
    db.session.commit()
    client, seen, address = sign_in("operator"), [], "/diagnostics/"
    while address:
        page = makers.soup(client.get(address))
        seen += [link.get_text() for link in page.select("#error-groups th a")]
        following = page.select_one("#error-groups a[rel=next]")
        address = str(following["href"]) if following else ""
    assert len(seen) == len(set(seen)) == 65


def test_a_resolved_group_comes_back_when_it_happens_again(logger: ErrorLogger, sign_in: SignIn) -> None:
    make_errors(logger)
    client = sign_in("operator")
    address = f"/diagnostics/groups/{db.session.scalars(select(ErrorGroup.id)).one()}"
    assert client.post(f"{address}/resolve", data={"note": " "}).status_code == 422
    assert client.post(f"{address}/resolve", data={"note": "Fixed the parser."}).status_code == 303
    assert "Fixed the parser." in client.get(address).get_data(as_text=True)
    make_errors(logger, 1)
    assert db.session.scalars(select(ErrorGroup.state)).one() == "regressed"


def test_an_older_release_still_running_does_not_regress_a_group(logger: ErrorLogger, sign_in: SignIn) -> None:
    make_errors(logger)
    group = db.session.scalars(select(ErrorGroup)).one()
    group.state, group.resolved_at, group.resolved_release = "resolved_verified", datetime.now(UTC), "2.0"
    db.session.commit()
    make_errors(logger, 1)
    assert db.session.scalars(select(ErrorGroup.state)).one() == "resolved_verified"


def test_clearing_drops_samples_and_keeps_counts(
    logger: ErrorLogger, app: Flask, count_rows: Callable[[str], int]
) -> None:
    make_errors(logger, place="GET /cleared")
    group = db.session.scalars(select(ErrorGroup)).one()
    assert clear_resolved(48) == 0
    group.state, group.resolved_at = "resolved_by_human", datetime.now(UTC) - timedelta(hours=50)
    db.session.commit()
    assert clear_resolved(48) == 3
    assert (count_rows("error_log"), count_rows("error_groups"), count_rows("error_hours")) == (0, 1, 1)


def test_only_operators_enter(logger: ErrorLogger, sign_in: SignIn) -> None:
    make_errors(logger)
    group_id = db.session.scalars(select(ErrorGroup.id)).one()
    for role, status in (("viewer", 403), ("marketer", 403), ("operator", 200), ("owner", 200)):
        client = sign_in(role)
        for path in ("", "health", "groups", f"groups/{group_id}"):
            assert client.get(f"/diagnostics/{path}").status_code == status
    assert sign_in("marketer").post(f"/diagnostics/groups/{group_id}/resolve", data={"note": "x"}).status_code == 403


def test_health_tiles_say_what_to_do(sign_in: SignIn) -> None:
    page = sign_in("operator").get("/diagnostics/health").get_data(as_text=True)
    assert "No worker was seen" in page
    assert "systemctl status lux-worker" in page


def test_the_slow_checks_are_made_by_the_clock_and_read_from_the_table(app: Flask, sign_in: SignIn) -> None:
    assert run_slow_checks() == sum(check.is_slow for check in CHECKS) > 2
    page = sign_in("operator").get("/diagnostics/health").get_data(as_text=True)
    assert "mail goes to the test outbox" in page


def test_the_clocks_jobs_are_listed_with_their_last_and_next_run(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("operator")
    assert "No job has run yet" in client.get("/diagnostics/jobs").text
    run_slot(Job("brew_tea", Every(60), lambda: None), datetime.now(UTC), "machine:1")
    run_slot(Job("spill_tea", Every(60), lambda: 1 / 0), datetime.now(UTC), "machine:1")
    following = {"brew_tea": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    processes.add_heartbeat("clock", "leader", {"process": "machine:1", "next": following, "due": {}})
    page = client.get("/diagnostics/jobs").text
    for words in ("machine:1", "brew_tea", "Done", "spill_tea", "Failed", "ZeroDivisionError"):
        assert words in page
    assert page.count("<time datetime=") == 3
    findings = {check.key: finding for check, finding in check_health().findings}
    rows = [(row["job"], row["state"]) for row in findings["clock"].details]
    assert rows == [("brew_tea", "done"), ("spill_tea", "failed")]
    # The clock runs well; one of its jobs does not.
    assert (findings["clock"].status, findings["jobs"].status) == ("pass", "warn")
    assert findings["jobs"].text == "Last run failed: spill_tea."


def test_a_log_that_lux_must_not_read_is_told_with_what_to_do(
    make_app: Callable[..., Flask], app: Flask, tmp_path: Path
) -> None:
    (tmp_path / "nginx.log").symlink_to("/etc/passwd")
    (tmp_path / "gunicorn.err").touch()
    settings = {"NGINX_ERROR_LOG": "nginx.log", "GUNICORN_ERROR_LOG": "gunicorn.err", "APP_LOG": "none/app.log"}
    other = make_app(**{name: str(tmp_path / value) for name, value in settings.items()})
    with other.app_context():
        run_slow_checks()
        finding = next(finding for check, finding in check_health().findings if check.key == "logs")
    assert finding.status == "warn"
    assert "nginx" in finding.text and "gunicorn" not in finding.text
    assert finding.advice


def test_a_clock_that_is_off_is_told(app: Flask) -> None:
    assert check_clock_offset().status == "pass"
    # The database's clock a minute ahead, for this session alone.
    for statement in (
        "CREATE SCHEMA fast",
        "CREATE FUNCTION fast.clock_timestamp() RETURNS timestamptz LANGUAGE sql "
        "AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 minute' $$",
        "SET LOCAL search_path = fast, pg_catalog, public",
    ):
        db.session.execute(db.text(statement))
    found = check_clock_offset()
    db.session.rollback()
    assert found.status == "warn"
    assert isinstance(found.value, float) and 59 < found.value < 61
    assert "NTP" in found.advice


def test_a_digest_tells_operators_of_new_groups_once(make_app: Callable[..., Flask], app: Flask) -> None:
    with SmtpServer() as server:
        mailing = make_app(SMTP_URL=server.url())
        with mailing.app_context():
            makers.make_user(role="operator", email="ops@lumen.example")
            makers.make_user(role="marketer", email="nobody@lumen.example")
            make_errors(error_logger(), message="orders are late")
            assert send_error_digest() == 1
            assert send_error_digest() == 0
            assert [letter.recipient for letter in server.letters] == ["ops@lumen.example"]
            assert "/diagnostics/groups/" in server.letters[0].message.get_content()


def test_a_spike_is_told_again(make_app: Callable[..., Flask], app: Flask) -> None:
    with SmtpServer() as server:
        mailing = make_app(SMTP_URL=server.url())
        with mailing.app_context():
            makers.make_user(role="owner", email="ops@lumen.example")
            make_errors(error_logger(), 30, message="orders are late")
            send_error_digest()
            group = db.session.scalars(select(ErrorGroup)).one()
            group.alerted_at = datetime.now(UTC) - timedelta(hours=2)
            hour = (datetime.now(UTC) - timedelta(hours=5)).replace(minute=0, second=0, microsecond=0)
            db.session.add(ErrorHour(group_id=group.id, hour=hour, count=10))
            db.session.commit()
            assert send_error_digest() == 1
            assert "far more than usual" in server.letters[-1].message.get_content()
            client = makers.signed_in_client(mailing, makers.make_user(role="operator"))
            assert "Far more than usual" in client.get("/diagnostics/groups").get_data(as_text=True)
